"""The memory that a plan needs: a sum that is known before the run begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsiseg.models.runtimes.averaging import SHARE_BYTES
from wsiseg.store.arrays import BAND_HEIGHT, BANDS_AHEAD
from wsiseg.tiling.blending import Blend
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.tile_cache import CACHE_BYTES, OPENSLIDE_CACHE_BYTES
from wsiseg.tiling.tissue import OVERVIEW_EDGE, READING_BYTES, READING_THREADS

_RUNTIME_OVERHEAD = 256 * 2**20
"""What a runtime holds besides intermediate results: its code, the weights, its own buffers."""

_TISSUE_BYTES = 25
"""Per pixel of an overview in which tissue is looked for, and what it is made of."""

NEXT_SLIDE_BYTES = (
    CACHE_BYTES
    + OPENSLIDE_CACHE_BYTES
    + _TISSUE_BYTES * OVERVIEW_EDGE**2
    + READING_THREADS * READING_BYTES
)
"""What the next slide of a batch takes while the last pixels of this one are written."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a run needs on top of the imports, part by part.

    Attributes
    ----------
    reading : int
        Tiles that are read ahead, and the cache of decoded file tiles.
    network : int
        The runtime and the network's intermediate results for a batch.
    rows : int
        Rows that later tiles can still touch, and the band that is being written.
    next_slide : int
        The next slide of a batch; 0 if none is made ready meanwhile.
    """

    reading: int
    network: int
    rows: int
    next_slide: int = 0

    @property
    def total(self) -> int:
        """The sum."""
        return self.reading + self.network + self.rows + self.next_slide


@dataclass(frozen=True)
class MemoryCosts:
    """What the memory of a run depends on, apart from how the plane is cut.

    Attributes
    ----------
    cache_bytes : int
        What the slide keeps of decoded pixels.
    bytes_per_pixel : float
        The network's intermediate results, per pixel of a batch.
    classes : int
        Number of classes.
    blend : {"crop", "gaussian", "cosine"}
        How overlaps are merged.
    probabilities : bool
        Whether they are kept.
    uncertainty : bool
        Whether it is kept.
    averaged : bool
        Whether the mean over several orientations of a tile is taken.
    turned : bool
        Whether tiles are also seen turned by 90°.
    source_scale : float
        Level pixels along a working pixel where the slide is resampled, 0 where it is not.
    batch, readers, ahead : int
        Tiles at a time, reading threads, tiles read ahead.
    """

    cache_bytes: int
    bytes_per_pixel: float
    classes: int
    blend: Blend
    probabilities: bool
    source_scale: float
    batch: int
    readers: int
    ahead: int
    uncertainty: bool = False
    averaged: bool = False
    turned: bool = False

    def need(self, shapes: Sequence[tuple[int, int]], windows: Sequence[Box]) -> MemoryNeed:
        """Return the memory that a way of cutting the plane needs, for its widest window.

        Parameters
        ----------
        shapes : sequence of tuple of int
            The ``(height, width)`` that tiles have; the network is compiled for each.
        windows : sequence of Box
            Column stripes that are worked off one after the other.

        Returns
        -------
        MemoryNeed
            Bytes on top of the imports, without those of a next slide.
        """
        largest = max((height * width for height, width in shapes), default=0)
        tallest = max((height for height, _ in shapes), default=0)
        width = max(window.width for window in windows)
        open_rows = (tallest + BAND_HEIGHT) * self._open_bytes
        waiting_rows = (1 + BANDS_AHEAD) * BAND_HEIGHT * self._written_bytes
        return MemoryNeed(
            reading=round(
                self.cache_bytes + 3 * largest * (self.ahead + self.readers * self.source_scale**2)
            ),
            network=round(
                _RUNTIME_OVERHEAD
                + self.batch
                * (
                    largest * (3 + self._predicted_bytes)
                    + self._compiled_pixels(shapes) * self.bytes_per_pixel
                )
            ),
            rows=width * (open_rows + waiting_rows),
        )

    def _compiled_pixels(self, shapes: Sequence[tuple[int, int]]) -> int:
        """Return the pixels of all shapes that the network is compiled for."""
        compiled = set(shapes)
        if self.turned:
            compiled |= {(width, height) for height, width in shapes}
        return sum(height * width for height, width in compiled)

    @property
    def _predicted_bytes(self) -> int:
        """Bytes per pixel that the runtime gives, and what it averages with the turned pixels."""
        labels, probabilities = self.blend == "crop", self.probabilities or self.uncertainty
        given = labels + self.classes * (not labels or probabilities)
        return given + (3 + SHARE_BYTES * self.classes) * self.averaged

    @property
    def _open_bytes(self) -> int:
        """Bytes per open pixel: as written, or 32-bit sums of classes and weights, and a mark."""
        return self._written_bytes if self.blend == "crop" else 4 * (self.classes + 1) + 1

    @property
    def _written_bytes(self) -> int:
        """Bytes per pixel of a finished band."""
        return 1 + self.uncertainty + (self.classes if self.probabilities else 0)
