"""Samples opened: pixels and labels of any box of one working plane."""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from wsiseg.annotations.labels import LabelPlane, Labels
from wsiseg.errors import ArgumentError, ResolutionError
from wsiseg.segmentation.colouring import recolour
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp, plane_at_scale
from wsiseg.tiling.slides import Slide, open_slide
from wsiseg.tiling.slides.slide import Pixels
from wsiseg.training.datasets.dataset import Sample


@dataclass(frozen=True)
class View:
    """At which resolution samples are looked at.

    Attributes
    ----------
    mpp : float or None
        Working resolution in µm per pixel; excludes `scale`.
    slide_mpp : float or None
        µm per pixel of level 0, where the files state none or a wrong one.
    scale : float or None
        Working pixels along one pixel of level 0; 1 if neither is given.
    """

    mpp: float | None = None
    slide_mpp: float | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.mpp is not None and self.scale is not None:
            raise ArgumentError("`mpp` and `scale` exclude each other", None, "Give one of them.")

    def open(self, sample: Sample) -> Slide:
        """Open a sample's picture or slide, whose pixels are square if `slide_mpp` says so."""
        return open_slide(sample.image, sample.reader, square=self.slide_mpp is None)

    def plane(self, slide: Slide) -> WorkingPlane:
        """Return the working plane of a slide.

        Raises
        ------
        ResolutionError
            If a resolution is missing or absurd.
        """
        if self.mpp is not None:
            return self._plane_at_mpp(slide, self.mpp)
        if self.scale is not None:
            return plane_at_scale(slide, self.scale, self.slide_mpp)
        return plane_at_level(slide, 0, self.slide_mpp)

    def _plane_at_mpp(self, slide: Slide, mpp: float) -> WorkingPlane:
        try:
            return plane_at_mpp(slide, mpp, self.slide_mpp)
        except ResolutionError as error:
            if error.hint is None:
                raise
            # Levels are chosen where slides are segmented, and nowhere here.
            hint = "Give it with `slide_mpp`, or leave `mpp` out and work at `scale=1`."
            raise ResolutionError(error.what, error.where, hint) from error


class OpenSample:
    """A sample with its files open; a context manager.

    Parameters
    ----------
    sample : Sample
        Which one.
    view : View
        At which resolution.
    """

    def __init__(self, sample: Sample, view: View) -> None:
        self.sample = sample
        self.slide = view.open(sample)
        warnings: list[str] = []
        try:
            self.slide = recolour(self.slide, sample.colours, warnings.append, view.slide_mpp)
            self.plane = view.plane(self.slide)
            labels = sample.labels.open(self.slide, self.plane)
        except BaseException:
            self.slide.close()
            raise
        self._labels: LabelPlane | None = labels
        self._notes = (*warnings, *labels.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was repaired, left out or decided when the labels were read."""
        return self._notes

    def pixels(self, box: Box) -> Pixels:
        """Return uint8 ``(box.height, box.width, 3)``; background outside the plane."""
        return read_working_box(self.slide, self.plane, box)

    def labels(self, box: Box) -> Labels:
        """Return uint8 ``(box.height, box.width)``; ignored outside the plane."""
        assert self._labels is not None, "closed"
        return self._labels.read(box)

    def close(self) -> None:
        """Let go of the files."""
        self.slide.close()
        # Labels have nothing to close; their files go with the last reference to them.
        self._labels = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class SampleShelf:
    """Keeps the samples that were used last open.

    In another process it is empty, so that every worker opens its own files: two that read one
    open file would move each other's place in it.

    Parameters
    ----------
    samples : tuple of Sample
        All that can be asked for.
    view : View
        At which resolution.
    room : int
        How many stay open.
    """

    def __init__(self, samples: tuple[Sample, ...], view: View, room: int = 8) -> None:
        self.samples = samples
        self.view = view
        self._room = room
        self._open: OrderedDict[int, OpenSample] = OrderedDict()
        self._process = os.getpid()
        # Whoever drops a shelf need not think of its files.
        weakref.finalize(self, _close_all, self._open)

    def take(self, index: int) -> OpenSample:
        """Return a sample; it stays valid until `room` others have been taken."""
        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        if index in self._open:
            self._open.move_to_end(index)
            return self._open[index]
        opened = self._open[index] = OpenSample(self.samples[index], self.view)
        while len(self._open) > self._room:
            self._open.popitem(last=False)[1].close()
        return opened

    def close(self) -> None:
        """Let go of all files; whatever is taken afterwards is opened anew."""
        _close_all(self._open)

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Sample, ...], View, int]]:
        return type(self), (self.samples, self.view, self._room)


def _close_all(samples: OrderedDict[int, OpenSample]) -> None:
    while samples:
        samples.popitem()[1].close()
