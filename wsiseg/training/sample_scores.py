"""What an evaluation counts: pixels of every band, borders and objects of whole samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.pictures import read_values
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.tiling.bands import NO_LABEL, Band
from wsiseg.training.class_matching import ClassMatching
from wsiseg.training.datasets.dataset import DataSet, Sample
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.listener import TrainingListener
from wsiseg.training.metrics import (
    BoundaryScore,
    ConfusionMatrix,
    ObjectScore,
    UnitCounts,
    describe_picture,
    label_objects,
)
from wsiseg.training.options import EvaluateOptions
from wsiseg.training.worst_pictures import WorstPictures

WHOLE = 16_000_000
"""Pixels of the largest picture whose borders and objects are scored, and that is drawn."""


class SampleScores:
    """What is counted sample by sample, and over all of them.

    Parameters
    ----------
    matching : ClassMatching
        Which classes of the checkpoint are which of the labels.
    dataset : DataSet
        What is scored on.
    options : EvaluateOptions
        What is scored besides.
    units : UnitCounts or None
        Receives what is counted, by pictures and parts of slides.
    worst : WorstPictures or None
        Keeps the pictures with the lowest scores.

    Raises
    ------
    ArgumentError
        If it is not known which class the numbered objects are of.
    """

    def __init__(
        self,
        matching: ClassMatching,
        dataset: DataSet,
        options: EvaluateOptions,
        units: UnitCounts | None,
        worst: WorstPictures | None,
    ) -> None:
        self.matching = matching
        self._worst = worst
        self.pictures: list[dict[str, Any]] = []
        self._units = units
        self._sparse = dataset.sparse
        classes = len(matching.names)
        self.confusion = ConfusionMatrix(classes)
        self._current = ConfusionMatrix(classes)
        self.boundary = BoundaryScore(classes, options.tolerance)
        numbered = any(sample.instances is not None for sample in dataset.samples)
        self.objects = ObjectScore() if numbered else None
        self.foreground = _find_foreground(matching.names, options.objects) if numbered else 0
        self.smallest = options.smallest
        self.whole = self.too_large = self.without_numbers = 0
        self._borders = options.boundary
        self._large: list[tuple[str, float]] = []

    @property
    def undrawn(self) -> list[str]:
        """Names of samples that are among the worst, and too large to be drawn."""
        worst = self._worst
        return [] if worst is None else [name for name, miou in self._large if worst.wants(miou)]

    def wants_whole(self, opened: OpenSample) -> bool:
        """Tell whether a sample's labels are to be kept until it is done."""
        fits = _fits(opened)
        if self._borders or self.objects:
            self.too_large += not fits
            return fits
        return fits and self._worst is not None

    def add_band(self, band: Band, opened: OpenSample) -> tuple[Labels, Labels]:
        """Count a band, and return what was true and what was predicted there.

        Parameters
        ----------
        band : Band
            With the labels that were predicted.
        opened : OpenSample
            With those that are true.

        Returns
        -------
        (ndarray, ndarray)
            uint8 ``(band.box.height, band.box.width)`` each, as the data number their classes.
        """
        truth = self.matching.truth[opened.labels(band.box)]
        predicted = self.matching.predicted[band.labels]
        predicted[band.labels == NO_LABEL] = NO_LABEL
        self._current.add(truth, predicted)
        if self._units is not None:
            scale = opened.plane.slide_scale if self._sparse else None
            self._units.add(opened.sample.name, band.box, scale, truth, predicted)
        return truth, predicted

    def tell_extra(self, listener: TrainingListener) -> None:
        """Tell how much is predicted as classes that the labels do not have."""
        none_of_them = int(self.confusion.counts[:, -1].sum())
        if self.matching.extra and none_of_them:
            share = 100 * none_of_them / self.confusion.pixels
            besides = ", ".join(self.matching.extra)
            listener.noted(
                f"{share:.3g} % of the pixels are predicted as none of the labels' classes, and "
                f"count as wrong; the checkpoint knows {besides} besides"
            )

    def finish(self, opened: OpenSample) -> float:
        """Add what was counted of one sample to the others; return its mean IoU."""
        name, done = opened.sample.name, self._current
        self.confusion.merge(done)
        self.pictures.append(describe_picture(name, done, self.matching.names))
        self._current = ConfusionMatrix(done.classes)
        if not _fits(opened):
            self._large.append((name, done.mean_iou))
        return done.mean_iou

    def add_whole(self, opened: OpenSample, truth: Labels, predicted: Labels, miou: float) -> None:
        """Score the borders and objects of one sample, and keep it if it is among the worst.

        Parameters
        ----------
        opened : OpenSample
            The sample.
        truth, predicted : ndarray
            uint8 ``(height, width)`` of its whole plane.
        miou : float
            Of all its pixels.
        """
        if self._worst is not None and self._worst.wants(miou):
            pixels = opened.pixels(opened.plane.box)
            self._worst.add(opened.sample.name, miou, pixels, truth, predicted)
        self.whole += 1
        if self._borders:
            self.boundary.add(truth, predicted)
        if self.objects is not None and opened.sample.instances is not None:
            found = label_objects(predicted == self.foreground, self.smallest)
            known = _read_instances(opened)
            scored = truth != IGNORED
            self.objects.add(np.where(scored, known, 0), np.where(scored, found, 0))


def _fits(opened: OpenSample) -> bool:
    """Tell whether the labels of a whole sample are kept in memory."""
    return opened.plane.height * opened.plane.width <= WHOLE


def _read_instances(opened: OpenSample) -> np.ndarray[Any, Any]:
    """Return the objects' numbers at the working resolution."""
    sample: Sample = opened.sample
    assert sample.instances is not None
    values = read_values(sample.instances)
    full = opened.slide.levels[0]
    if values.shape != (full.height, full.width):
        raise DataSetError(
            f"the objects have {values.shape[1]}×{values.shape[0]} pixels, {sample.image.name} "
            f"has {full.width}×{full.height}",
            sample.instances,
        )
    scale, plane = opened.plane.slide_scale, opened.plane
    rows = np.minimum(((np.arange(plane.height) + 0.5) * scale).astype(int), values.shape[0] - 1)
    columns = np.minimum(((np.arange(plane.width) + 0.5) * scale).astype(int), values.shape[1] - 1)
    return values[np.ix_(rows, columns)].astype(np.int32)


def _find_foreground(names: tuple[str, ...], wanted: str | None) -> int:
    if wanted is None and len(names) == 2:
        return 1
    if wanted not in names:
        raise ArgumentError(
            "the class of the numbered objects is not given"
            if wanted is None
            else f"there is no class {wanted!r}",
            "`objects`",
            f"Use one of: {', '.join(names)}.",
        )
    return names.index(wanted)
