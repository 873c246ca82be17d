"""Open samples: pixels and labels of any box of the working plane, and a cache of open files."""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from types import TracebackType
from typing import Self

from wsiseg.annotations.labels import LabelPlane, Labels
from wsiseg.annotations.off_tissue import describe_labels_off_tissue
from wsiseg.segmentation.colouring import recolour
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.datasets.dataset import Sample
from wsiseg.training.datasets.working_resolution import WorkingResolution


class OpenSample:
    """A sample with its files open; a context manager.

    Parameters
    ----------
    sample : Sample
        The sample to open.
    resolution : WorkingResolution
        The resolution at which it is read.

    Attributes
    ----------
    slide : Slide
        Its picture or slide, recoloured.
    plane : WorkingPlane
        Its working plane; boxes are in pixels of this plane.
    """

    def __init__(self, sample: Sample, resolution: WorkingResolution) -> None:
        self.sample = sample
        self.slide = resolution.open_slide(sample)
        warnings: list[str] = []
        try:
            self.slide = recolour(self.slide, sample.colours, warnings.append)
            self.plane = resolution.plane(self.slide)
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

    @property
    def doubts(self) -> tuple[str, ...]:
        """What makes it doubtful that the labels are of this slide; its overview is read."""
        assert self._labels is not None, "closed"
        return describe_labels_off_tissue(self._labels, self.slide)

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


class SampleCache:
    """A cache of open samples, those that were used last.

    In another process it is empty, so that every worker opens its own files: two that read one
    open file would move each other's place in it.

    Parameters
    ----------
    samples : tuple of Sample
        All samples, by their indices.
    resolution : WorkingResolution
        The resolution at which they are read.
    capacity : int
        How many stay open.
    """

    def __init__(
        self, samples: tuple[Sample, ...], resolution: WorkingResolution, capacity: int = 8
    ) -> None:
        self.samples = samples
        self.resolution = resolution
        self._capacity = capacity
        self._open: OrderedDict[int, OpenSample] = OrderedDict()
        self._process = os.getpid()
        # A cache that is dropped closes its files.
        weakref.finalize(self, _close_all, self._open)

    def get(self, index: int) -> OpenSample:
        """Return an open sample; it stays open until `capacity` others have been used."""
        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        if index in self._open:
            self._open.move_to_end(index)
            return self._open[index]
        opened = self._open[index] = OpenSample(self.samples[index], self.resolution)
        while len(self._open) > self._capacity:
            self._open.popitem(last=False)[1].close()
        return opened

    def close(self) -> None:
        """Let go of all files; whatever is taken afterwards is opened anew."""
        _close_all(self._open)

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Sample, ...], WorkingResolution, int]]:
        return type(self), (self.samples, self.resolution, self._capacity)


def _close_all(samples: OrderedDict[int, OpenSample]) -> None:
    while samples:
        samples.popitem()[1].close()
