"""The job: each picture goes the way of a slide, and its labels become files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from wsiseg.checkpoints import take_checkpoint
from wsiseg.errors import (
    ArgumentError,
    OutputExistsError,
    SlideError,
    UnsuitableSlideError,
    WsisegError,
)
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.prediction.drawing import Labels, make_palette, write_labels, write_overlay
from wsiseg.prediction.keywords import PredictKeywords
from wsiseg.prediction.options import PredictOptions
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import make_plan
from wsiseg.segmentation.streaming import TileStream
from wsiseg.segmentation.suitability import check_resolution
from wsiseg.settings import keywords_from
from wsiseg.store.outputs import name_key, output_folder
from wsiseg.throughput.recorder import Stopwatch
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp, plane_at_scale
from wsiseg.tiling.slides import Slide, find_slides, open_slide, slide_name

_LARGEST = 200_000_000
"""Pixels of a picture, which is in memory as a whole."""

_FEW_SHAPES = 4
"""Pictures of more shapes go to PyTorch: compiling for each takes longer than running it."""


@dataclass(frozen=True)
class PredictedImage:
    """What became of one picture.

    Attributes
    ----------
    image : Path
        The picture.
    labels, overlay : Path or None
        The files that were written; None if it failed.
    seconds, forward_seconds : float or None
        From opening it until they were written, and of that inside the runtime.
    shares : dict of str to float
        Share of the picture that each class takes, the largest first.
    error : WsisegError or None
        Why it failed.
    """

    image: Path
    labels: Path | None = None
    overlay: Path | None = None
    seconds: float | None = None
    forward_seconds: float | None = None
    shares: dict[str, float] | None = None
    error: WsisegError | None = None


@keywords_from(PredictOptions)
def predict(
    images: Path | str | Iterable[Path | str],
    checkpoint: Checkpoint | Path | str | None = None,
    output: Path | str = ".",
    *,
    overwrite: bool = False,
    recursive: bool = False,
    began: Callable[[str], None] = lambda _: None,
    noted: Callable[[str], None] = lambda _: None,
    **options: Unpack[PredictKeywords],
) -> Iterator[PredictedImage]:
    """Label pictures; one that fails does not stop the others.

    Parameters
    ----------
    images : path-like or iterable of path-like
        Pictures, or folders of them.
    checkpoint : Checkpoint or path-like, optional
        As :func:`wsiseg.segment` takes it.
    output : path-like
        Folder for ``NAME.png``, whose pixels are labels, and ``NAME.overlay.jpg``; made if need be.
    overwrite : bool
        Whether existing files are replaced.
    recursive : bool
        Whether to look into the folders in a folder, too.
    began, noted : callable
        Told what is done, and what was assumed.
    **options
        Fields of :class:`wsiseg.prediction.options.PredictOptions`.

    Yields
    ------
    PredictedImage
        In the order of the pictures.

    Raises
    ------
    WsisegError
        If there is no picture, two would have the same output, or the checkpoint cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> import wsiseg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.full((96, 128, 3), 220, np.uint8)).save(Path(folder, "a.png"))
    ...     out = Path(folder, "out")
    ...     for found in wsiseg.predict(folder, output=out, runtime="torch"):
    ...         with Image.open(found.labels) as labels:
    ...             print(found.labels.name, labels.size)
    a.png (128, 96)
    """
    settings, folder = PredictOptions(**options), Path(output)
    given = [images] if isinstance(images, Path | str) else images
    with _told_of_pictures():
        paths = find_slides(
            [Path(path) for path in given], recursive=recursive, exclude=[folder]
        ).slides
    with output_folder(folder):
        _check_outputs(paths, folder, overwrite=overwrite)
        job = _Job(take_checkpoint(checkpoint, began=began), paths, folder, settings, noted)
        for path in paths:
            try:
                yield job.label(path)
            except WsisegError as error:
                yield PredictedImage(path, error=error)


class _Job:
    """The pictures of one call."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        paths: Sequence[Path],
        folder: Path,
        options: PredictOptions,
        noted: Callable[[str], None],
    ) -> None:
        self._checkpoint, self._folder, self._options = checkpoint, folder, options
        self._noted = noted
        self._said: set[str] = set()
        self._palette = make_palette(checkpoint.classes)
        self._segment = options.segment
        self._predictor = _make_predictor(checkpoint, self._segment, self._shapes(paths))

    def _open(self, path: Path) -> Slide:
        options = self._options
        with _told_of_pictures():
            return open_slide(path, slide_mpp=options.slide_mpp, override_mpp=options.override_mpp)

    def _shapes(self, paths: Sequence[Path]) -> int:
        """Return how many shapes the pictures have, or one more than are few."""
        shapes: set[tuple[int, int]] = set()
        for path in paths:
            try:
                with self._open(path) as slide:
                    shapes.add(slide.levels[0].box.shape)
            except WsisegError:
                # It is told when its turn comes.
                continue
            if len(shapes) > _FEW_SHAPES:
                break
        return len(shapes)

    def label(self, path: Path) -> PredictedImage:
        watch = Stopwatch()
        with self._open(path) as slide:
            whole = slide.levels[0].box
            if whole.area > _LARGEST:
                raise UnsuitableSlideError(
                    f"the picture has {whole.area / 1e6:.0f} megapixels, too many to predict",
                    path,
                    "Use wsiseg segment for slides.",
                )
            plane = self._choose_plane(slide)
            for doubt in check_resolution(
                slide, plane, self._checkpoint, force=self._options.force
            ):
                self._note(doubt)
            working, forward = _label_plane(slide, plane, self._predictor, self._segment)
            labels = _enlarged(working, plane, whole.shape)
            pixels = slide.read_region(0, whole)
        files = _files(self._folder, path)
        write_labels(files[0], labels, self._palette)
        write_overlay(files[1], pixels, labels, self._palette, self._options.opacity)
        return PredictedImage(path, *files, watch.total, forward, self._shares(labels))

    def _choose_plane(self, slide: Slide) -> WorkingPlane:
        options, checkpoint = self._options, self._checkpoint
        if options.scale is not None:
            return plane_at_scale(slide, options.scale)
        if options.mpp is not None:
            return plane_at_mpp(slide, options.mpp)
        as_it_is = plane_at_level(slide, 0)
        if checkpoint.mpp is not None and as_it_is.mpp is not None:
            return plane_at_mpp(slide, checkpoint.mpp)
        if checkpoint.mpp is not None:
            self._note(
                f"pictures that do not state their µm per pixel are taken as they are; "
                f"{checkpoint.name} was trained at {checkpoint.mpp:g}, and `slide_mpp` says what "
                "they have"
            )
        return as_it_is if checkpoint.scale is None else plane_at_scale(slide, checkpoint.scale)

    def _note(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._noted(text)

    def _shares(self, labels: Labels) -> dict[str, float]:
        counts = np.bincount(labels.ravel(), minlength=NO_LABEL + 1)
        shares = {
            entry.name: float(counts[index] / labels.size)
            for index, entry in enumerate(self._checkpoint.classes)
        }
        return dict(sorted(shares.items(), key=lambda each: -each[1]))


@contextmanager
def _told_of_pictures() -> Iterator[None]:
    """Say of what is no slide that it is no picture, which is what was asked for."""

    def say(text: str) -> str:
        # Not in names: "no slides.txt" stays.
        return re.sub(r"(^no|no such|is no|are no|not a) slide", r"\1 picture", text)

    try:
        yield
    except SlideError as error:
        hint = error.hint and say(error.hint)
        raise type(error)(say(error.what), error.where, hint) from error


def _make_predictor(checkpoint: Checkpoint, options: SegmentOptions, shapes: int) -> Predictor:
    runtime, precision = options.runtime, options.precision
    if precision == "fast":
        raise ArgumentError(
            "fast works for slides only, not for pictures",
            "`precision`",
            "Use bf16, or leave it out.",
        )
    if runtime == "auto" and shapes > _FEW_SHAPES and precision != "int8":
        runtime = "torch"
    return Predictor(
        checkpoint, choose_runtime(runtime, options.device, precision, options.threads)
    )


def _label_plane(
    slide: Slide, plane: WorkingPlane, predictor: Predictor, options: SegmentOptions
) -> tuple[Labels, float]:
    """Return the labels of a plane, and the seconds inside the runtime."""
    plan = make_plan(slide, predictor, options, plane)
    stream = TileStream(slide, predictor, plan, options)
    labels = np.full(plane.box.shape, NO_LABEL, np.uint8)
    forward = 0.0
    for window in plan.windows:
        for step in stream.steps(window):
            if step.read is not None and step.read.error is not None:
                raise step.read.error
            forward += 0.0 if step.row is None else step.row.forward_ms / 1e3
            for band in step.bands:
                labels[band.box.slices_in(plane.box)] = band.labels
    return labels, forward


def _enlarged(labels: Labels, plane: WorkingPlane, shape: tuple[int, int]) -> Labels:
    """Return labels in the shape of the picture: each pixel takes that in which its centre lies."""
    if labels.shape == shape:
        return labels
    rows, columns = (
        np.minimum(((np.arange(full) + 0.5) / plane.slide_scale).astype(int), working - 1)
        for full, working in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def _files(folder: Path, image: Path) -> tuple[Path, Path]:
    name = slide_name(image)
    return folder / f"{name}.png", folder / f"{name}.overlay.jpg"


def _check_outputs(images: Sequence[Path], folder: Path, *, overwrite: bool) -> None:
    """Refuse pictures that would write the same files, themselves, or existing ones."""
    written = [(file, image) for image in images for file in _files(folder, image)]
    key_of = name_key({file.name for file, _ in written}, folder)
    first: dict[str, Path] = {}
    for file, image in written:
        other = first.setdefault(key_of(file.name), image)
        if other is not image:
            raise ArgumentError(
                f"two pictures would both write {file.name}",
                f"{other} and {image}",
                "Label them into different folders.",
            )
    own = {image.absolute() for image in images}
    for file, _ in written:
        if file.absolute() in own:
            raise OutputExistsError(
                "the labels of a picture would replace a picture", file, "Choose another `output`."
            )
        if file.exists() and not overwrite:
            raise OutputExistsError("the output already exists", file, "`overwrite` replaces it.")
