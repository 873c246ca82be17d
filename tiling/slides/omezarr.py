"""OME-Zarr images, 0.4 and 0.5: folders, and stores behind an address."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.errors import GroupNotFoundError
from zarr.types import AnyArray

from wsiseg.error_translation import translate_errors
from wsiseg.errors import (
    DamagedSlideError,
    SlideNotFoundError,
    UnknownFormatError,
    UnsuitableSlideError,
)
from wsiseg.remote.addresses import is_remote, url_or_path
from wsiseg.remote.zarr_places import zarr_place
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.chunk_limits import bounded
from wsiseg.tiling.slides.fingerprint import BETWEEN
from wsiseg.tiling.slides.fork_hooks import call_after_fork
from wsiseg.tiling.slides.lengths import micrometres
from wsiseg.tiling.slides.own_stores import HOLDS, OURS
from wsiseg.tiling.slides.pixel_size import PixelSize
from wsiseg.tiling.slides.pixels import WHITE, Pixels, on_background, to_8_bits
from wsiseg.tiling.slides.slide import OTHER_FORMAT, SlideFacts, make_levels
from wsiseg.tiling.slides.tiff_structure import LARGEST_TILE
from wsiseg.tiling.slides.tiled import BlockSlide, FileTiling

_PRIMARIES = ["FF0000", "00FF00", "0000FF"]
_BLOCK = 1024
"""Edge of a block: its chunks are fetched at once, which counts where they are far."""

_SMALL = 2**24
"""Pixels of a level that is cheap to read."""

_PIECE, _PIECES = 512, 5
"""Edge of a piece that tells a slide, and how many of them along either side."""

_MOST_LEVELS = 64
_LONGEST_METADATA = 2**25
_METADATA = ("zarr.json", ".zattrs", ".zgroup")


class OmeZarrSlide(BlockSlide):
    """An OME-Zarr image of one plane, grey or RGB.

    Parameters
    ----------
    path : Path
        Its folder, or what stands for its address.

    Raises
    ------
    UnknownFormatError
        If it is no OME-Zarr image.
    UnsuitableSlideError
        If it is a mask or what stands beside one, or a stack of channels, planes or times.
    DamagedSlideError
        If its metadata are invalid, or its finest array is missing.
    RuntimeUnavailableError
        If what reads the address is not installed.
    """

    reader = "omezarr"
    takes = "an OME-Zarr"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if not is_remote(path) and not any((path / name).is_file() for name in _METADATA):
            raise UnknownFormatError(OTHER_FORMAT, path)
        _refuse_long_metadata(path)
        if is_remote(path) and not path.name.lower().endswith(".zarr") and path.is_file():
            # Without asking for what is not there: some servers refuse that.
            raise UnknownFormatError(OTHER_FORMAT, path)
        group = _open_group(path)
        with _metadata_errors(path):
            group, ome = _find_image(group, path)
            image = ome["multiscales"][0]
            self._arrays, warnings = _find_arrays(group, image, path)
            self._image = image
            self._axes = _axis_names(image)
            self._refuse_stack(ome)
            self._left_out = _is_no_alpha(ome)
            if self._left_out:
                warnings.append(f"channel {self._left_out!r}, which is no alpha, is left out")
            self.facts = self._find_facts(image, group.metadata.zarr_format, warnings)
        y, x = (self._axes.index(axis) for axis in "yx")
        self._tilings = [
            FileTiling.of_blocks(level, (array.chunks[y], array.chunks[x]), _BLOCK)
            for level, array in zip(self.levels, self._arrays, strict=True)
        ]
        self.why = f"an OME-Zarr image ({self.facts.vendor})"
        call_after_fork(self, OmeZarrSlide._after_fork)

    def _refuse_stack(self, ome: Mapping[str, Any]) -> None:
        sizes = dict(zip(self._axes, self._arrays[0].shape, strict=True))
        channels = sizes.get("c", 1)
        colours = [str(each.get("color", "")).upper() for each in _channels(ome)]
        planes = int(np.prod([size for axis, size in sizes.items() if axis in "tz"]))
        if planes > 1 or channels not in (1, 3, 4) or (colours and not _is_rgb(colours, channels)):
            named = ", ".join(str(each.get("label", "?")) for each in _channels(ome))
            raise UnsuitableSlideError(
                f"a stack of {planes * channels} images{f' ({named})' * bool(named)}, not one "
                "slide",
                self.path,
                "Save what is to be segmented as RGB.",
            )
        dtype = self._arrays[0].dtype
        if dtype != np.uint8 and not (dtype == np.uint16 and channels > 1):
            raise UnsuitableSlideError(
                f"{channels} channel{'s' * (channels > 1)} of {dtype}, in which nothing says "
                "what is range of values is not stated",
                self.path,
            )

    def _find_facts(
        self, image: Mapping[str, Any], zarr_format: int, warnings: list[str]
    ) -> SlideFacts:
        finest = self._arrays[0]
        y, x = (self._axes.index(axis) for axis in "yx")
        if finest.dtype == np.uint16:
            warnings.append("16 bits a channel are scaled to 8")
        return SlideFacts(
            levels=make_levels([(a.shape[y], a.shape[x]) for a in self._arrays]),
            pixel_size=_pixel_size(image, y, x),
            vendor="ome-zarr 0.5" if zarr_format == 3 else "ome-zarr 0.4",
            background=WHITE,
            tile_shape=(finest.chunks[y], finest.chunks[x]),
            warnings=tuple(warnings),
        )

    def _read_piece(self, level: int, box: Box) -> Pixels:
        rows, columns = slice(box.y, box.bottom), slice(box.x, box.right)
        places = {"y": rows, "x": columns, "c": slice(None)}
        where = tuple(places.get(axis, 0) for axis in self._axes)
        with translate_errors(
            lambda why: DamagedSlideError(
                f"{box.width}×{box.height} pixels at y={box.y}, x={box.x} of level {level} "
                f"cannot be read: {why}",
                url_or_path(self.path),
            )
        ):
            samples = np.asarray(self._arrays[level][where])
        left = [axis for axis in self._axes if axis in places]
        samples = samples.transpose([left.index(axis) for axis in "yxc" if axis in left])
        if self._left_out:
            samples = samples[..., :3]
        return on_background(to_8_bits(samples), self.facts.background)

    def fingerprint(self) -> dict[str, object]:
        """Return digests of metadata, coarsest level and samples of the finest.

        Not of all pixels: they are many files, maybe far away.
        """
        arrays = [array.metadata.to_dict() for array in self._arrays]
        text = json.dumps([self._image, arrays], sort_keys=True, default=str)
        pixels = None
        if self.levels[-1].box.area <= _SMALL:
            with suppress(DamagedSlideError):
                # Whoever reads the level will report the damage.
                content = self._read_piece(len(self.levels) - 1, self.levels[-1].box)
                pixels = hashlib.sha256(content.tobytes()).hexdigest()
        return {
            "sha256_of_metadata": hashlib.sha256(text.encode()).hexdigest(),
            "sha256_of_coarsest": pixels,
            BETWEEN: self._sample(),
        }

    def _sample(self) -> str:
        """Return a digest of the finest level, or of pieces all over it if it is large."""
        whole, digest = self.levels[0].box, hashlib.sha256()
        pieces = [whole] if whole.area <= _SMALL else _spread(whole)
        for piece in pieces:
            # A piece that cannot be read just adds nothing to the digest.
            with suppress(DamagedSlideError):
                digest.update(self._read_piece(0, piece).tobytes())
        return digest.hexdigest()

    def close(self) -> None:
        """Let go of the arrays."""
        super().close()
        self._arrays = []


def _refuse_long_metadata(path: Path) -> None:
    """Refuse JSON that would fill the memory when it is read."""
    if is_remote(path):
        return
    for name in (*_METADATA, ".zmetadata"):
        file = path / name
        if file.is_file() and file.stat().st_size > _LONGEST_METADATA:
            raise DamagedSlideError(f"{name} has {file.stat().st_size} bytes", path)


def _open_group(path: Path) -> zarr.Group:
    where = url_or_path(path)
    with translate_errors(
        lambda why: DamagedSlideError(f"the store cannot be opened: {why}", where)
    ):
        return _open_where(path, where)


def _open_where(path: Path, where: str) -> zarr.Group:
    try:
        return zarr.open_group(zarr_place(path), mode="r")
    except (GroupNotFoundError, FileNotFoundError) as error:
        if is_remote(path):
            if path.is_dir():
                raise UnknownFormatError("a remote folder that is not a Zarr store", path) from None
            raise SlideNotFoundError(
                "there is no slide at this address, neither a file nor an OME-Zarr image",
                where,
                "Check it.",
            ) from error
        raise UnknownFormatError("a Zarr store without an image", path) from error


def _metadata_errors(path: Path) -> AbstractContextManager[None]:
    return translate_errors(
        lambda why: DamagedSlideError(f"the store's metadata are damaged: {why}", path)
    )


def _find_image(group: zarr.Group, path: Path) -> tuple[zarr.Group, Mapping[str, Any]]:
    """Return the group that is an image, and what its metadata say."""
    ome = _ome(group)
    if ome.get("bioformats2raw.layout") and "multiscales" not in ome:
        # Bio-Formats puts its images into numbered groups.
        group = zarr.open_group(group.store, path=f"{group.path}/0".strip("/"), mode="r")
        ome = _ome(group)
    if "image-label" in ome:
        raise UnsuitableSlideError("an OME-Zarr mask, not a slide", path)
    notes = group.attrs.asdict().get(OURS)
    held = notes.get(HOLDS) if isinstance(notes, Mapping) else None
    if held is not None:
        raise UnsuitableSlideError(f"the {held} of a mask, not a slide", path)
    if not ome.get("multiscales"):
        raise UnknownFormatError("a Zarr store without an image", path)
    return group, ome


def _ome(group: zarr.Group) -> Mapping[str, Any]:
    attributes = group.attrs.asdict()
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, Mapping) else {}


def _find_arrays(
    group: zarr.Group, image: Mapping[str, Any], path: Path
) -> tuple[list[AnyArray], list[str]]:
    """Return the arrays that are there, the finest first, and which are not."""
    arrays: list[AnyArray] = []
    warnings: list[str] = []
    if len(image["datasets"]) > _MOST_LEVELS:
        raise DamagedSlideError(f"the store claims {len(image['datasets'])} levels", path)
    for index, dataset in enumerate(image["datasets"]):
        array = group.get(dataset["path"])
        if isinstance(array, zarr.Array):
            if not 0 < math.prod(array.chunks) <= LARGEST_TILE or 0 in array.shape:
                raise DamagedSlideError(
                    f"an array claims {array.shape} pixels in pieces of {array.chunks}", path
                )
            arrays.append(bounded(array))
        elif index == 0:
            raise DamagedSlideError("the store's finest array is missing", path)
        else:
            warnings.append(f"level {index} of the store is missing and is not used")
    return arrays, warnings


def _axis_names(image: Mapping[str, Any]) -> list[str]:
    return [str(axis["name"]).lower() for axis in image["axes"]]


def _channels(ome: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    channels: Sequence[Mapping[str, Any]] = ome.get("omero", {}).get("channels", ())
    return channels


def _is_no_alpha(ome: Mapping[str, Any]) -> str | None:
    """Name the fourth channel if it has a name, and not that of alpha."""
    labels = [str(each.get("label", "")) for each in _channels(ome)]
    if len(labels) != 4 or labels[3].strip().lower() in ("", "a", "alpha", "3"):
        return None
    return labels[3]


def _is_rgb(colours: list[str], channels: int) -> bool:
    """Tell colours of a picture from those of stains; what has none is a picture."""
    return channels == 1 or not any(colours) or colours[:3] == _PRIMARIES


def _pixel_size(image: Mapping[str, Any], y: int, x: int) -> PixelSize | None:
    """Return the scale of the finest array, and of all of them on top."""
    factors = [1.0, 1.0]
    for holder in (image["datasets"][0], image):
        for step in holder.get("coordinateTransformations", ()):
            if step.get("type") == "scale":
                factors = [factors[0] * step["scale"][y], factors[1] * step["scale"][x]]
    units = (image["axes"][place].get("unit", "") for place in (y, x))
    height, width = (micrometres(f, unit) for f, unit in zip(factors, units, strict=True))
    return None if height is None or width is None else PixelSize(height, width, "ome.scale")


def _spread(whole: Box) -> list[Box]:
    """Return pieces of a level: corners, the very middle, and some between."""
    rows, columns = (
        [max(0, length - _PIECE) * place // (_PIECES - 1) for place in range(_PIECES)]
        for length in whole.shape
    )
    return [Box(y, x, _PIECE, _PIECE).intersection(whole) for y in rows for x in columns]
