"""The disk space that a run needs: what is likely, and what is the least."""

from __future__ import annotations

from dataclasses import dataclass

from wsiseg.segmentation.options import SegmentOptions
from wsiseg.store.disk import free_bytes, occupied_bytes
from wsiseg.store.outputs import OutputFiles
from wsiseg.text import describe_bytes

_LIKELY = {"labels": 0.1, "image": 3.0, "glass": 0.3, "probabilities": 0.45, "uncertainty": 0.6}
"""Bytes per pixel, compressed and with all levels, as they are in sections stained with H&E:
labels, uncertainty and image per analysed pixel, probabilities per pixel and class; `glass` is the
image where nothing is analysed."""

_LEAST = {"labels": 0.002, "image": 0.5, "glass": 0.0, "probabilities": 0.01, "uncertainty": 0.01}
"""The same for a slide that can be compressed better than any that was seen."""

_FILES = 2**16
"""Bytes of the files beside the stores and of metadata."""

_TILE = 300
"""Bytes per tile in the journal and in the table of tiles."""


@dataclass(frozen=True)
class DiskNeed:
    """Disk space of the output of a slide.

    Attributes
    ----------
    expected : int
        Bytes that it is likely to take.
    least : int
        Bytes that it surely takes.
    free : int or None
        Bytes that there are, with what it replaces; None if the place does not tell.
    """

    expected: int
    least: int
    free: int | None

    @property
    def fits(self) -> bool:
        """Whether there may be room."""
        return self.free is None or self.least <= self.free

    def __str__(self) -> str:
        free = "" if self.free is None else f", {describe_bytes(self.free)} free"
        return f"about {describe_bytes(self.expected)} needed{free}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said of it."""
        if self.free is None or self.expected <= self.free:
            return ()
        return (f"the disk may become full: {self}",)


def find_disk_need(
    options: SegmentOptions,
    files: OutputFiles,
    *,
    analysed: int,
    whole: int,
    tissue: int,
    classes: int,
    tiles: int,
) -> DiskNeed:
    """Return the disk space that a slide needs.

    Parameters
    ----------
    options : SegmentOptions
        What is kept.
    files : OutputFiles
        Where; what stands there of an earlier run is replaced or gone on with.
    analysed, whole, tissue : int
        Working pixels: analysed, of the whole plane, and surely not glass.
    classes, tiles : int
        How many there are.
    """

    def total(rates: dict[str, float], seen: int, glass: int) -> int:
        found = rates["labels"] * analysed
        if options.with_image:
            found += rates["image"] * seen + rates["glass"] * glass
        if options.probabilities:
            found += rates["probabilities"] * analysed * classes
        if options.uncertainty is not None:
            found += rates["uncertainty"] * analysed
        return round(found) + _FILES + _TILE * tiles

    free = free_bytes(files.folder)
    if free is not None:
        free += sum(occupied_bytes(path) for path in files.stores)
    return DiskNeed(
        total(_LIKELY, analysed, whole - analysed), total(_LEAST, tissue, whole - tissue), free
    )
