import itertools
import pickle
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import zarr

from array_slide import noise
from commands import run
from tiny import segment_tiny
from vendor_slides import aperio
from wsiseg.errors import (
    AddressError,
    DamagedSlideError,
    OutputExistsError,
    RuntimeUnavailableError,
    SlideNotFoundError,
    UnknownFormatError,
    UnsuitableSlideError,
)
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides import url_or_path
from zarr_images import halves, write_image

PIXELS = noise(150, 200)
AXES = {
    "cyx": lambda a: a.transpose(2, 0, 1),
    "yxc": lambda a: a,
    "tczyx": lambda a: a.transpose(2, 0, 1)[None, :, None],
}


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_has_its_pixels_levels_and_resolution(
    axes: str, version: str, tmp_path: Path
) -> None:
    path = tmp_path / "slide.ome.zarr"
    write_image(path, [AXES[axes](v) for v in halves(PIXELS, 3)], axes, version=version)
    with open_slide(path) as slide:
        assert slide.reader == "omezarr"
        assert slide.name == "slide"
        assert slide.facts.vendor == f"ome-zarr {version}"
        assert slide.facts.tile_shape == (64, 64)
        assert (slide.mpp, slide.facts.mpp_source) == (0.25, "ome.scale")
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        for level, pixels in enumerate(halves(PIXELS, 3)):
            frame = slide.levels[level].box
            np.testing.assert_array_equal(slide.read_region(level, frame), pixels)
            np.testing.assert_array_equal(
                slide.read_region(level, Box(5, 7, 20, 30)), pixels[5:25, 7:37]
            )
        over = slide.read_region(0, Box(140, 190, 30, 30))
        np.testing.assert_array_equal(over[:10, :10], PIXELS[140:, 190:])
        assert (over[10:] == 255).all()
        with pickle.loads(pickle.dumps(slide)) as copy:
            assert copy.facts == slide.facts


def test_grey_alpha_and_deep_colour_become_rgb(tmp_path: Path) -> None:
    write_image(tmp_path / "grey.zarr", [PIXELS[..., 0]], "yx")
    deep = np.random.default_rng(0).integers(0, 2**16, (3, 40, 50), np.uint16)
    write_image(tmp_path / "deep.zarr", [deep])
    clear = np.dstack([PIXELS, np.zeros((150, 200), np.uint8)])
    write_image(tmp_path / "clear.zarr", [clear], "yxc")
    expected = {
        "grey": np.dstack([PIXELS[..., 0]] * 3),
        "deep": ((deep + 128.0) // 257).transpose(1, 2, 0),
        "clear": np.full_like(PIXELS, 255),
    }
    for name, pixels in expected.items():
        with open_slide(tmp_path / f"{name}.zarr") as slide:
            np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), pixels)
            assert slide.facts.warnings == (
                ("16 bits a channel are scaled to 8",) if name == "deep" else ()
            )


STAINS = [{"label": n, "color": c} for n, c in (("DAPI", "0000FF"), ("CD3", "FF0000"), ("x", ""))]
COLOURS = [{"label": n, "color": n} for n in ("FF0000", "00FF00", "0000FF")]


@pytest.mark.parametrize(
    ("shape", "axes", "dtype", "channels", "message"),
    [
        ((3, 40, 50), "cyx", np.uint8, STAINS, r"stack of 3 images \(DAPI, CD3, x\)"),
        ((5, 40, 50), "cyx", np.uint8, (), "stack of 5 images"),
        ((4, 40, 50), "zyx", np.uint8, (), "stack of 4 images"),
        ((40, 50), "yx", np.uint16, (), "1 channel of uint16"),
        ((3, 40, 50), "cyx", np.float32, COLOURS, "3 channels of float32"),
    ],
)
def test_what_is_no_picture_is_refused(
    shape: tuple[int, ...],
    axes: str,
    dtype: type,
    channels: list[dict[str, str]],
    message: str,
    tmp_path: Path,
) -> None:
    write_image(tmp_path / "x.zarr", [np.zeros(shape, dtype)], axes, channels=channels)
    with pytest.raises(UnsuitableSlideError, match=message):
        open_slide(tmp_path / "x.zarr")


def test_a_mask_and_an_empty_group_are_no_slides(tmp_path: Path) -> None:
    write_image(tmp_path / "mask.zarr", [PIXELS[..., 0]], "yx", **{"image-label": {}})
    with pytest.raises(UnsuitableSlideError, match="mask"):
        open_slide(tmp_path / "mask.zarr")
    zarr.open_group(tmp_path / "empty.zarr", mode="w")
    with pytest.raises(UnknownFormatError, match="without an image"):
        open_slide(tmp_path / "empty.zarr")


def test_bio_formats_puts_its_image_into_a_group(tmp_path: Path) -> None:
    write_image(tmp_path / "x.zarr", [PIXELS], "yxc", version="0.4", group="0")
    zarr.open_group(tmp_path / "x.zarr", mode="a", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    with open_slide(tmp_path / "x.zarr") as slide:
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), PIXELS)


@pytest.mark.parametrize(
    ("unit", "scale", "mpp"),
    [("nanometer", (250, 250), 0.25), ("millimeter", (5e-4, 5e-4), 0.5), (None, (1, 1), None)],
)
def test_the_scale_is_in_its_unit(
    unit: str | None, scale: tuple[float, float], mpp: float | None, tmp_path: Path
) -> None:
    write_image(tmp_path / "x.zarr", [PIXELS], "yxc", mpp=scale, unit=unit)
    with open_slide(tmp_path / "x.zarr") as slide:
        assert slide.mpp == (mpp and pytest.approx(mpp))


def test_a_level_that_is_missing_is_not_used(tmp_path: Path) -> None:
    finest, _, coarsest = halves(PIXELS, 3)
    write_image(tmp_path / "x.zarr", [finest, None, coarsest], "yxc")
    with open_slide(tmp_path / "x.zarr") as slide:
        assert [level.downsample for level in slide.levels] == [1, 4]
        assert slide.facts.warnings == ("level 1 of the store is missing and is not used",)
        np.testing.assert_array_equal(slide.read_region(1, slide.levels[1].box), coarsest)


def test_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    write_image(path, halves(PIXELS), "yxc")
    chunk = path / "0" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with open_slide(path) as slide:
        with pytest.raises(DamagedSlideError, match="level 0"):
            slide.read_region(0, slide.levels[0].box)
        part = slide.read_region(1, slide.levels[1].box)
        np.testing.assert_array_equal(part, PIXELS[::2, ::2])
    metadata = path / "0" / "zarr.json"
    whole = metadata.read_text()
    spoiled = [whole.replace("64", edge) for edge in ("0", str(2**31))]
    for text in (whole[:50], whole.replace("bytes", "other"), *spoiled):
        metadata.write_text(text)
        with pytest.raises(DamagedSlideError, match=r"damaged|claims"):
            open_slide(path)
    metadata.unlink()
    with pytest.raises(DamagedSlideError, match="finest array is missing"):
        open_slide(path)


def test_the_image_beside_a_mask_is_a_slide_and_not_an_output(
    tmp_path: Path,
) -> None:
    mask = segment_tiny(aperio(tmp_path), tmp_path / "out", mpp=1.0, with_image=True)
    store = mask.parents[1]
    with open_slide(store) as slide:
        assert slide.mpp == pytest.approx(1.0)
        assert slide.name == "slide"
    with pytest.raises(OutputExistsError, match="replace the slide itself"):
        segment_tiny(store, tmp_path / "out", level=0, overwrite=True)
    again = segment_tiny(store, tmp_path / "other", level=0)
    shape = zarr.open_array(mask / "0", mode="r").shape
    assert zarr.open_array(again / "0", mode="r").shape == shape


def test_other_pixels_or_metadata_are_another_slide(tmp_path: Path) -> None:
    prints = []
    for name, pixels, mpp in (("a", PIXELS, 0.25), ("b", PIXELS, 0.5), ("c", PIXELS[::-1], 0.25)):
        write_image(tmp_path / name, halves(pixels), "yxc", mpp=(mpp, mpp))
        with open_slide(tmp_path / name) as slide:
            prints.append(slide.fingerprint())
            assert prints[-1] == slide.fingerprint()
    assert all(a != b for a, b in itertools.combinations(prints, 2))


class _Silent(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if "failing" in self.path:
            self.send_error(500)
        else:
            super().do_GET()

    def log_message(self, *words: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve a folder, and return its address."""
    write_image(tmp_path / "slide.ome.zarr", halves(PIXELS), "yxc")
    handler = partial(_Silent, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.long
def test_a_store_behind_an_address_is_read(served: str, tmp_path: Path) -> None:
    where = f"{served}/slide.ome.zarr"
    assert url_or_path(Path(where)) == where
    with open_slide(where) as slide:
        assert slide.name == "slide"
        assert slide.mpp == 0.25
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), PIXELS)
    with pytest.raises(SlideNotFoundError, match="no slide at this address") as caught:
        open_slide(f"{served}/other.ome.zarr")
    assert f"{served}/other.ome.zarr" in str(caught.value)
    told = run("info", where, "--json")
    assert told.status == 0, told.err
    assert f'"slide": "{where}"' in told.out
    mask = segment_tiny(Path(where), tmp_path / "out", mpp=0.5)
    assert mask.name == "slide.ome.zarr"
    assert zarr.open_array(mask / "0", mode="r").shape == (75, 100)


def test_a_server_that_fails_is_told(served: str) -> None:
    with pytest.raises(AddressError, match="500") as caught:
        open_slide(f"{served}/failing.ome.zarr")
    assert str(caught.value.where).startswith(f"{served}/failing.ome.zarr")
    with pytest.raises(AddressError, match="not reached"):
        open_slide("http://127.0.0.1:9/slide.ome.zarr")


def test_fsspec_gives_all_its_other_stores() -> None:
    write_image("memory://test/slide.ome.zarr", halves(PIXELS), "yxc")
    with open_slide("memory://test/slide.ome.zarr") as slide:
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), PIXELS)


def test_what_reads_an_address_may_have_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RuntimeUnavailableError, match=r"s3://.*wsiseg\[remote\]"):
        open_slide("s3://bucket/slide.ome.zarr")


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("s3://bucket/a.zarr", "s3://bucket/a.zarr"),
        ("https://host:80/a/b.zarr", "https://host:80/a/b.zarr"),
        ("a/b.zarr", "a/b.zarr"),
        ("c:/a/b.zarr", "c:/a/b.zarr"),
    ],
)
def test_an_address_survives_being_a_path(path: str, where: str) -> None:
    assert url_or_path(Path(path)) == where
