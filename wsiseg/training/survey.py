"""A survey of the data before training: checks, pixels per class, places of each class."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.off_tissue import describe_labels_off_tissue
from wsiseg.errors import DataSetError
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.segmentation.colouring import recolour
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.training.datasets.dataset import DataSet, Sample
from wsiseg.training.datasets.working_resolution import WorkingResolution

_LONGEST = 4096
"""Longer planes are counted at a reduced resolution."""

_SURE = 2.0
"""Counted pixels along; what is as wide and high has some of them in it."""

_BLOCK = 2048
"""Edge of what is decoded of a picture at a time."""

_THREADS = 4
"""More would hold too many labels and pictures at a time."""

_PLACES = 200_000
"""Places per class that are remembered, over all samples."""


@dataclass(frozen=True)
class SampleSurvey:
    """Sizes, pixels and places of the classes of one sample.

    Attributes
    ----------
    shape : tuple of int
        ``(height, width)`` of its working plane.
    pixels : ndarray
        float64 ``(classes,)``: working pixels of each class.
    places : dict of int to ndarray
        For each class that occurs, int32 ``(n, 2)``: ``(y, x)`` of some of its working pixels,
        drawn evenly over its area.
    mpp : float or None
        µm per working pixel.
    notes : tuple of str
        What was repaired or decided when its labels were read.
    """

    shape: tuple[int, int]
    pixels: npt.NDArray[np.float64]
    places: dict[int, npt.NDArray[np.int32]]
    mpp: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """Sizes, pixels and places of the classes of a data set.

    Attributes
    ----------
    samples : tuple of SampleSurvey
        In the order of the data set.
    """

    samples: tuple[SampleSurvey, ...]

    @property
    def pixels(self) -> npt.NDArray[np.float64]:
        """Working pixels of each class, ``(classes,)``."""
        total: npt.NDArray[np.float64] = np.sum([s.pixels for s in self.samples], axis=0)
        return total

    @property
    def digest(self) -> str:
        """A fingerprint of sizes and classes, to tell whether data are still the same."""
        content = hashlib.sha256()
        for sample in self.samples:
            content.update(repr((sample.shape, sample.pixels.tolist())).encode())
        return content.hexdigest()


def survey(
    dataset: DataSet,
    resolution: WorkingResolution,
    advanced: Callable[[int, int], None] | None = None,
) -> Survey:
    """Check every sample and count its labels.

    Pictures are decoded whole, so that a damaged one shows before training starts; of slides
    nothing is read but headers, and an overview where shapes are drawn on them.  Label pictures
    are read whole, polygons are painted at a resolution of at most 4096 pixels a side.

    Parameters
    ----------
    dataset : DataSet
        What to look at.
    resolution : WorkingResolution
        At which resolution.
    advanced : callable, optional
        Hears after each sample how many of how many are done.

    Raises
    ------
    AnnotationError, DataSetError, SlideError
        The first thing that is wrong with any sample.
    """
    found: list[SampleSurvey] = []
    most_places, classes = max(16, _PLACES // len(dataset.samples)), len(dataset.classes)
    with ThreadPoolExecutor(min(_THREADS, usable_cores())) as pool:
        pending = [
            pool.submit(
                _survey_sample,
                sample,
                resolution,
                classes,
                most_places,
                seed,
                decode=not dataset.sparse,
            )
            for seed, sample in enumerate(dataset.samples)
        ]
        try:
            for one in pending:
                found.append(one.result())
                if advanced is not None:
                    advanced(len(found), len(pending))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    result = Survey(tuple(found))
    if not result.pixels.any():
        raise DataSetError(
            "nothing is annotated: every pixel is ignored",
            dataset.samples[0].labels.path.parent,
            "Check the class map.",
        )
    return result


def read_reduced(sample: Sample, resolution: WorkingResolution) -> tuple[Labels, int]:
    """Read all labels of a sample, of large ones every so many working pixels.

    Parameters
    ----------
    sample : Sample
        The sample.
    resolution : WorkingResolution
        At which resolution.

    Returns
    -------
    ndarray, int
        uint8 ``(H, W)``, and how many working pixels lie along one of them.
    """
    with resolution.open_slide(sample) as slide:
        plane = resolution.plane(slide)
        step = _choose_step(plane)
        reduced = _reduce(plane, step)
        return sample.labels.open(slide, reduced).read(reduced.box), step


def _survey_sample(
    sample: Sample,
    resolution: WorkingResolution,
    classes: int,
    most_places: int,
    seed: int,
    *,
    decode: bool,
) -> SampleSurvey:
    notes: list[str] = []
    with resolution.open_slide(sample) as slide:
        # Colours that cannot be had are to be known of before training starts.
        recolour(slide, sample.colours, notes.append)
        plane = resolution.plane(slide)
        step = _choose_step(plane)
        reduced = _reduce(plane, step)
        opened = sample.labels.open(slide, reduced)
        if reduced.slide_scale > 1:
            # Pixels would be passed over.
            sample.labels.check()
        labels = opened.read(reduced.box)
        notes += opened.notes
        if decode:
            _decode(slide)
        else:
            notes += describe_labels_off_tissue(opened, slide)
    counts = np.bincount(labels.ravel(), minlength=IGNORED + 1)
    if counts[classes:IGNORED].any():
        first = int(np.flatnonzero(counts[classes:IGNORED])[0]) + classes
        raise DataSetError(f"label {first} is none of the {classes} classes", sample.labels.path)
    random = np.random.default_rng(seed)
    places = {}
    for label in np.flatnonzero(counts[:classes]):
        where = np.flatnonzero(labels == label)
        few = where.size <= most_places
        drawn = where if few else where[random.integers(0, where.size, most_places)]
        rows, columns = np.unravel_index(drawn, labels.shape)
        places[int(label)] = (np.stack([rows, columns], 1) * step + step // 2).astype(np.int32)
    pixels = (counts[:classes] * step**2).astype(np.float64)
    if step > 1:
        _add_landmarks(opened.landmarks(_SURE), step, pixels, places)
    shape = (plane.height, plane.width)
    return SampleSurvey(shape, pixels, places, plane.mpp, tuple(notes))


def _decode(slide: Slide) -> None:
    """Read all pixels, and drop them."""
    full = slide.levels[0].box
    for y, x in itertools.product(*(range(0, edge, _BLOCK) for edge in full.shape)):
        slide.read_region(0, Box(y, x, _BLOCK, _BLOCK).intersection(full))


def _add_landmarks(
    landmarks: Sequence[tuple[int, float, float]],
    step: int,
    pixels: npt.NDArray[np.float64],
    places: dict[int, npt.NDArray[np.int32]],
) -> None:
    """Add a place in every shape: counting every so many pixels passes over small ones."""
    for label in {label for label, _, _ in landmarks if label < len(pixels)}:
        found = [(int(y * step), int(x * step)) for own, y, x in landmarks if own == label]
        seen = places.get(label, np.empty((0, 2), np.int32))
        places[label] = np.concatenate([seen, np.array(found, np.int32)])
        pixels[label] = max(pixels[label], len(found))


def _choose_step(plane: WorkingPlane) -> int:
    """Return how many working pixels along the pixels are that get counted.

    An odd number, so that they have their centres, and thereby their labels, in common with
    working pixels; and none that goes beyond a sliver.
    """
    shorter, longer = sorted((plane.height, plane.width))
    return min(-(-longer // _LONGEST) | 1, (shorter - 1) | 1)


def _reduce(plane: WorkingPlane, step: int) -> WorkingPlane:
    """Return the plane whose pixels are `step` working pixels along."""
    return WorkingPlane(
        height=plane.height // step,
        width=plane.width // step,
        level=plane.level,
        level_scale=plane.level_scale * step,
        slide_scale=plane.slide_scale * step,
        mpp=None if plane.mpp is None else plane.mpp * step,
    )
