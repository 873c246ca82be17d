"""What every slide reader offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from wsiseg.errors import ArgumentError, SlideError
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.fingerprint import fingerprint, remote_fingerprint
from wsiseg.tiling.slides.pixel_size import PixelSize
from wsiseg.tiling.slides.pixels import WHITE, Colour, Pixels, blank

# What readers of other packages are made of.
__all__ = [
    "OTHER_FORMAT",
    "Level",
    "Pixels",
    "Slide",
    "SlideFacts",
    "make_levels",
    "slide_name",
]

OTHER_FORMAT = "not a format of this reader"
"""What a reader says of a file that it has nothing to do with; see :attr:`Slide.takes`."""


@dataclass(frozen=True)
class Level:
    """One resolution of a slide.

    Attributes
    ----------
    height, width : int
        Size in pixels of this level.
    downsample : float
        Pixels of level 0 along one of this level's pixels.
    """

    height: int
    width: int
    downsample: float

    @property
    def box(self) -> Box:
        """All of it."""
        return Box(0, 0, self.height, self.width)


@dataclass(frozen=True)
class SlideFacts:
    """Metadata that a reader found when it opened a file.

    Attributes
    ----------
    levels : tuple of Level
        From the finest on.
    pixel_size : PixelSize or None
        Of level 0: what the file states, even if implausible, divided by `stretch`.
    vendor : str
        Maker of the scanner or name of the format.
    background : tuple of int
        RGB of the glass where the file has no pixels.
    tile_shape : tuple of int or None
        ``(height, width)`` of the file's own tiles at level 0.
    compression : str or None
        Of level 0.
    bounds : Box or None
        The part of level 0 that was scanned, if the file says so.
    associated : tuple of str
        Names of the label, macro and thumbnail pictures.
    warnings : tuple of str
        What was left out or assumed when the file was opened.
    icc_profile : bytes or None
        The scanner's colour profile, if the file has one.
    stretch : tuple of float
        Pixels of level 0 along one of the file's, ``(y, x)``; other than 1 where the file's are
        not square.
    """

    levels: tuple[Level, ...]
    pixel_size: PixelSize | None
    vendor: str
    background: Colour = WHITE
    tile_shape: tuple[int, int] | None = None
    compression: str | None = None
    bounds: Box | None = None
    associated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    icc_profile: bytes | None = field(default=None, repr=False)
    stretch: tuple[float, float] = (1.0, 1.0)

    @property
    def mpp(self) -> float | None:
        """µm per pixel of level 0, as the file states it."""
        return None if self.pixel_size is None else self.pixel_size.mpp

    @property
    def mpp_source(self) -> str | None:
        """The field of the file that says so."""
        return None if self.pixel_size is None else self.pixel_size.source

    @property
    def file_pixel_size(self) -> PixelSize | None:
        """Size of a level-0 pixel of the file, as the file states it."""
        size, (y, x) = self.pixel_size, self.stretch
        return size and PixelSize(size.height * y, size.width * x, size.source)

    def to_file_pixels(self, box: Box) -> Box:
        """Return a box of level 0 in pixels of the file."""
        y, x = self.stretch
        return box.scaled(1 / y, 1 / x)

    def scanned_box(self, level: int) -> Box:
        """Return the part of a level that was scanned; all of it if the file does not say."""
        whole = self.levels[level]
        if self.bounds is None:
            return whole.box
        return self.bounds.reduced(whole.downsample).intersection(whole.box)


class Slide(ABC):
    """An open slide: pixels of any level, from any thread.

    A slide can be pickled; the copy opens the file again.  It is a context manager.

    Parameters
    ----------
    path : Path
        The file.
    """

    reader: str
    """Name of the reader."""
    takes: ClassVar[str] = "a format of this reader"
    """What it reads, to say that a file is not."""
    facts: SlideFacts
    why: str
    """Why this reader takes the file, in a few words."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return slide_name(self.path)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Resolutions, from the finest on."""
        return self.facts.levels

    @property
    def mpp(self) -> float | None:
        """µm per pixel of level 0, as the file states it."""
        return self.facts.mpp

    @property
    def cache_bytes(self) -> int:
        """Most bytes of decoded pixels that the slide keeps for later reads."""
        return 0

    def read_region(self, level: int, box: Box) -> Pixels:
        """Read a rectangle of one level.

        Parameters
        ----------
        level : int
            Index into `levels`.
        box : Box
            In pixels of that level; what lies outside, or where nothing was scanned, is filled
            with the background.

        Returns
        -------
        ndarray
            uint8 ``(box.height, box.width, 3)``, RGB.

        Raises
        ------
        DamagedSlideError
            If the file's data there cannot be decoded.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import wsiseg
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "field.png")
        ...     Image.new("RGB", (30, 20), "pink").save(file)
        ...     with wsiseg.open_slide(file) as slide:
        ...         slide.read_region(0, Box(y=5, x=10, height=4, width=6)).shape
        (4, 6, 3)
        """
        inside = box.intersection(self.facts.scanned_box(level))
        if inside == box:
            return self._read(level, box)
        pixels = blank(box.shape, self.facts.background)
        if inside.area:
            pixels[inside.slices_in(box)] = self._read(level, inside)
        return pixels

    @abstractmethod
    def _read(self, level: int, box: Box) -> Pixels:
        """Read a rectangle that lies inside the level."""

    def reductions(self, level: int) -> tuple[int, ...]:
        """Return the factors for which :meth:`read_reduced` costs less than a full read."""
        return ()

    def read_reduced(self, level: int, box: Box, reduction: int) -> Pixels:
        """Read a rectangle of one level downsampled by a whole number while it is decoded.

        Parameters
        ----------
        level : int
            Index into `levels`.
        box : Box
            In pixels of that level divided by `reduction`, wholly inside it.
        reduction : int
            One of :meth:`reductions`.

        Returns
        -------
        ndarray
            uint8 ``(box.height, box.width, 3)``, RGB.

        Raises
        ------
        DamagedSlideError
            If the file's data there cannot be decoded.
        """
        raise ArgumentError(f"reader {self.reader} cannot read at reduced size", self.path)

    def chunks(self, level: int, box: Box) -> Iterator[Box]:
        """Yield the storage units (file tiles, strips, chunks) that a rectangle meets.

        Each of them can be decoded, or is damaged, independently of the others.

        Parameters
        ----------
        level : int
            Index into `levels`.
        box : Box
            Inside that level.

        Yields
        ------
        Box
            In pixels of the level; together they cover the box, and may reach further.
        """
        yield self.levels[level].box

    def announce(self, level: int, box: Box) -> Callable[[], None]:
        """Tell the cache that a rectangle will be read after those announced before.

        A reader may then keep the decoded tiles that several of them share.

        Parameters
        ----------
        level : int
            Index into `levels`.
        box : Box
            In pixels of that level.

        Returns
        -------
        callable
            To be called when the rectangle has been read, or will not be read.
        """
        return lambda: None

    def fingerprint(self) -> dict[str, object]:
        """Return digests that identify this slide's content, as plain values."""
        if isinstance(self.path, RemotePath):
            return remote_fingerprint(self.path)
        return fingerprint(self.path)

    def read_associated(self, name: str) -> Pixels:
        """Read the label, macro or thumbnail picture.

        Parameters
        ----------
        name : str
            One of `facts.associated`.

        Returns
        -------
        ndarray
            uint8 ``(H, W, 3)``, RGB.

        Raises
        ------
        SlideError
            If the slide has no such picture, or it cannot be decoded.
        """
        if name not in self.facts.associated:
            known = ", ".join(self.facts.associated) or "none"
            raise SlideError(f"the slide has no picture {name!r}", self.path, f"It has {known}.")
        return self._read_associated(name)

    def _read_associated(self, name: str) -> Pixels:
        """Read a picture that is there; readers that never name one need none of this."""
        raise SlideError(f"reader {self.reader} reads no associated images", self.path)

    @abstractmethod
    def close(self) -> None:
        """Close the file; reading afterwards is an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)


def slide_name(path: Path) -> str:
    """Return what a slide is called: its file's name without the ending, ``.ome.zarr`` whole."""
    path = as_place(path)
    for ending in (".ome.zarr", ".zarr"):
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return path.name[: -len(ending)]
    return path.stem


def make_levels(shapes: list[tuple[int, int]]) -> tuple[Level, ...]:
    """Return levels with their downsamples from their ``(height, width)`` alone.

    A scanner that halves or quarters rounds odd sizes up or down, so the plain ratio of two
    heights is a little off and the error grows across the slide.  Where one whole number explains
    both sides, it is the downsample.
    """
    height, width = shapes[0]
    return tuple(Level(h, w, _downsample((height, width), (h, w))) for h, w in shapes)


def _downsample(full: tuple[int, int], reduced: tuple[int, int]) -> float:
    ratio = (full[0] / reduced[0] + full[1] / reduced[1]) / 2
    whole = max(1, round(ratio))
    explained = all(f // whole <= r <= -(-f // whole) for f, r in zip(full, reduced, strict=True))
    return float(whole) if explained else ratio
