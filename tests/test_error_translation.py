"""Every library that reads or writes for us, made to raise whatever libraries raise."""

import errno
import json
import pickle
import struct
import zlib
from pathlib import Path

import imagecodecs
import matplotlib.figure
import numpy as np
import openslide
import pytest
import safetensors
import shapely
import tifffile
import torch
import yaml
import zarr
from aiohttp import ClientError
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError
from zarr.errors import GroupNotFoundError

from tiny import segment_tiny, tiny_checkpoint
from vendor_slides import aperio
from wsiseg.annotations import parsing, read_annotations, reading
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.pictures import read_values
from wsiseg.error_translation import reason, translate_errors
from wsiseg.errors import OutputError, WsisegError
from wsiseg.models import checkpoint as checkpoints
from wsiseg.models.importing import import_checkpoint
from wsiseg.models.runtimes.torch import TorchRuntime
from wsiseg.segmentation.provenance import read_run
from wsiseg.store.disk import translate_write_errors, write_json
from wsiseg.store.label_images import open_label_image
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.colour.icc_profiles import ProfileStep
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides.tiff_tiles import TiffTiles
from wsiseg.tiling.tissue_picture import read_tissue_picture
from wsiseg.training import trainer
from wsiseg.training.metrics.plots import plot_curves
from wsiseg.training.options import TrainOptions
from wsiseg.training.run_folder import RunFolder
from zarr_images import write_image


class OddError(Exception):
    """Of a version that nobody has seen."""


def undecodable() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


RAISED = [
    UnidentifiedImageError("cannot identify image file"),
    Image.DecompressionBombError("too many pixels"),
    Image.DecompressionBombWarning("many pixels"),
    SyntaxError("broken PNG file (chunk b'IDAT')"),
    EOFError(),
    struct.error("unpack requires a buffer of 4 bytes"),
    zlib.error("Error -3 while decompressing data"),
    tifffile.TiffFileError("not a TIFF file"),
    imagecodecs.DelayedImportError("codec"),
    imagecodecs.JpegError("jpeg_decode", "Corrupt JPEG data"),
    openslide.OpenSlideError("Cannot read"),
    GroupNotFoundError("no group"),
    ClientError("connection reset"),
    safetensors.SafetensorError("header too large"),
    shapely.errors.GEOSException("TopologyException"),
    ImageCms.PyCMSError("cannot build transform"),
    yaml.YAMLError("while scanning"),
    pickle.UnpicklingError("invalid load key"),
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    ValueError("bad\nvalue"),
    KeyError("k"),
    IndexError(),
    TypeError("'NoneType' object is not subscriptable"),
    AttributeError("no attribute"),
    OverflowError("too large to convert"),
    ZeroDivisionError("division by zero"),
    AssertionError(),
    NotImplementedError(),
    RuntimeError("vector::reserve"),
    undecodable(),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    OSError(errno.ENOSPC, "No space left on device"),
    PermissionError(errno.EACCES, "Permission denied"),
    TimeoutError("timed out"),
    OddError("new"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write a small file of each kind, once."""
    folder = tmp_path_factory.mktemp("files")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels[..., 0]).save(folder / "grey.png")
    tifffile.imwrite(folder / "a.tif", pixels, tile=(32, 32), photometric="rgb")
    aperio(folder)
    write_image(folder / "a.ome.zarr", [np.full((3, 64, 64), 9, np.uint8)])
    segment_tiny(folder / "a.png", folder / "out", level=0, tile=64)
    tiny_checkpoint().save(folder / "a.safetensors")
    torch.save({"a": torch.zeros(1)}, folder / "a.pth")
    (folder / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (folder / "a.xml").write_text("<a/>")
    (folder / "a.yaml").write_text("1: gland\n")
    (folder / "config.yaml").write_text("model: espnet\n")
    (folder / "metrics.csv").write_text("epoch\n1\n")
    return folder


def open_and_read(path: Path, reader: str | None = None) -> None:
    with open_slide(path, reader) as slide:
        slide.read_region(0, Box(0, 0, 8, 8))


PLANE = WorkingPlane(64, 96, 0, 1.0, 1.0, 0.5)

# What is called, of whom: the library's function that raises, and what a user does.
BOUNDARIES = {
    "Pillow opens": ((Image.OPEN, "PNG"), lambda f: open_and_read(f / "a.png", "pillow")),
    "Pillow decodes": (
        (ImageFile.ImageFile, "load"),
        lambda f: open_and_read(f / "a.png", "pillow"),
    ),
    "Pillow opens tissue": (
        (Image.OPEN, "PNG"),
        lambda f: read_tissue_picture(f / "a.png", PLANE),
    ),
    "Pillow decodes tissue": (
        (ImageFile.ImageFile, "load"),
        lambda f: read_tissue_picture(f / "a.png", PLANE),
    ),
    "Pillow opens labels": ((Image, "open"), lambda f: read_values(f / "grey.png")),
    "tifffile opens": ((tifffile, "TiffFile"), lambda f: open_and_read(f / "a.tif", "tifffile")),
    "tifffile opens labels": ((tifffile, "TiffFile"), lambda f: read_values(f / "a.tif")),
    "imagecodecs decodes": (
        (TiffTiles, "decode"),
        lambda f: open_and_read(f / "slide.svs", "tifffile"),
    ),
    "OpenSlide opens": (
        (openslide, "OpenSlide"),
        lambda f: open_and_read(f / "slide.svs", "openslide"),
    ),
    "OpenSlide tells": (
        (openslide.OpenSlide, "level_downsamples"),
        lambda f: open_and_read(f / "slide.svs", "openslide"),
    ),
    "OpenSlide reads": (
        ("wsiseg.tiling.slides.openslide.read_pixels",),
        lambda f: open_and_read(f / "slide.svs", "openslide"),
    ),
    "zarr opens": ((zarr, "open_group"), lambda f: open_and_read(f / "a.ome.zarr", "omezarr")),
    "zarr reads": (
        (zarr.Array, "__getitem__"),
        lambda f: open_and_read(f / "a.ome.zarr", "omezarr"),
    ),
    "zarr opens labels": (
        (zarr, "open_group"),
        lambda f: open_label_image(f / "out" / "a.ome.zarr"),
    ),
    "zarr reads labels": (
        (zarr.Array, "__getitem__"),
        lambda f: open_label_image(f / "out" / "a.ome.zarr").values[0:8, 0:8],
    ),
    "json of annotations": (
        (parsing.json, "JSONDecoder"),
        lambda f: read_annotations(f / "a.geojson"),
    ),
    "XML of annotations": (
        (parsing.ElementTree, "fromstring"),
        lambda f: read_annotations(f / "a.xml"),
    ),
    "shapes of annotations": (
        (reading, "make_annotations"),
        lambda f: read_annotations(f / "a.geojson"),
    ),
    "YAML of a class map": ((yaml, "compose"), lambda f: ClassMap.read(str(f / "a.yaml"))),
    "YAML of settings": (
        (yaml, "compose"),
        lambda f: TrainOptions.load(f / "config.yaml"),
    ),
    "csv of scores": (
        ("wsiseg.training.run_folder.csv.DictReader",),
        lambda f: RunFolder(f).read_rows(),
    ),
    "json of a run": ((json, "loads"), lambda f: read_run(f / "out" / "a.run.json")),
    "safetensors reads": (
        ("safetensors.safe_open",),
        lambda f: checkpoints.load_checkpoint(f / "a.safetensors"),
    ),
    "safetensors writes": (
        ("safetensors.torch.save_file",),
        lambda f: tiny_checkpoint().save(f / "b.safetensors"),
    ),
    "torch reads": ((torch, "load"), lambda f: import_checkpoint(f / "a.pth", "espnet")),
    "a runtime starts": (
        (TorchRuntime, "__init__"),
        lambda f: segment_tiny(f / "a.png", f / "none", level=0),
    ),
    "a runtime runs": (
        (TorchRuntime, "start"),
        lambda f: segment_tiny(f / "a.png", f / "none", level=0, tile=64, overwrite=True),
    ),
    "matplotlib draws": (
        (matplotlib.figure.Figure, "savefig"),
        lambda f: plot_curves([{"epoch": 1, "train_loss": 1}], f / "a.png.png"),
    ),
    "a colour engine": (
        (ImageCms, "buildTransform"),
        lambda f: ProfileStep(
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), f
        ),
    ),
    "the disk": ((Path, "write_text"), lambda f: write_json(f / "a.json", {})),
}

QUICK = [ValueError("bad\nvalue"), OddError("new"), MemoryError()]


@pytest.mark.parametrize("name", BOUNDARIES)
def test_no_exception_of_a_library_comes_through(name, files, monkeypatch):
    target, use = BOUNDARIES[name]
    slow = name.startswith("a runtime")
    for error in QUICK if slow else RAISED:

        def stumble(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            match target:
                case (dict() as table, key):
                    patch.setitem(table, key, (stumble, table[key][1]))
                case (owner, "level_downsamples" as key):
                    patch.setattr(owner, key, property(stumble))
                case (dotted,):
                    patch.setattr(dotted, stumble)
                case (owner, key):
                    patch.setattr(owner, key, stumble)
            with pytest.raises(WsisegError) as caught:
                use(files)
        assert caught.value.what.strip()
        assert "\n" not in str(caught.value)
        assert error in causes(caught.value), repr(error)


def causes(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return chain


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_reasons_are_one_short_line(error):
    text = reason(error)
    assert text
    assert text.isprintable()
    assert len(text) < 320
    assert len(reason(OddError("x" * 10_000))) < 320
    with pytest.raises(OutputError, match="writing failed: "), translate_write_errors(Path("a")):
        raise error
    if not isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        with pytest.raises(WsisegError, match="the training broke off"), trainer.translate_errors():
            raise error


def test_our_own_errors_and_interruptions_pass():
    ours = OutputError("full")
    with pytest.raises(OutputError) as caught, translate_errors(OutputError):
        raise ours
    assert caught.value is ours
    for stop in (KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(stop)), translate_errors(OutputError):
            raise stop


def test_a_full_disk_is_told_as_such():
    with pytest.raises(OutputError) as caught, translate_write_errors(Path("out/a.csv")):
        raise OSError(errno.ENOSPC, "No space left on device", "out/a.csv.partial")
    assert str(caught.value) == (
        "writing failed: No space left on device (out/a.csv.partial). Free some space there."
    )
