"""Quantising a checkpoint on tissue of the user's slides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wsiseg.checkpoints import take_checkpoint
from wsiseg.errors import ArgumentError, OutputError, OutputExistsError, UnsuitableSlideError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.quantising import CalibrationTiles, check_quantising, quantise
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.suitability import check_resolution
from wsiseg.segmentation.target import choose_plane, find_area
from wsiseg.segmentation.tissue_blocks import blocks_of, spread, tissue_share
from wsiseg.store.disk import refuse_address
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide, find_slides
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.tissue import TissueMask

_EDGES = (512, 256, 128)
"""Of the tiles to calibrate on: the largest of which each slide has enough."""

_TISSUE = 0.5
"""Share of a tile that has to be tissue."""

_CALIBRATING, _CHECKING = 16, 8
"""Tiles of 512; four times as many of half the edge."""


@dataclass(frozen=True)
class QuantizeResult:
    """What quantising has written.

    Attributes
    ----------
    output : Path
        The checkpoint with its int8 form.
    runtime : str
        Which takes that.
    label_agreement : float
        Share of the pixels of other tiles than those of calibration whose label is that of fp32.
    speedup : float
        Time of fp32 over that of int8, here.
    kept : int
        Layers that stayed in fp32 because of what they cost.
    """

    output: Path
    runtime: str
    label_agreement: float
    speedup: float
    kept: int


@dataclass(frozen=True)
class _Sampled:
    """A slide with its tissue."""

    slide: Slide
    plane: WorkingPlane
    tissue: TissueMask

    def blocks(self, edge: int) -> list[Box]:
        return [
            box
            for box in blocks_of(self.plane.box, edge)
            if tissue_share(self.tissue, box) >= _TISSUE
        ]


def quantize(
    checkpoint: Checkpoint | Path | str,
    slides: Path | str | Sequence[Path | str],
    output: Path | str,
    *,
    runtime: str = "auto",
    min_agreement: float = 0.99,
    mpp: float | None = None,
    slide_mpp: float | None = None,
    level: int | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    began: Callable[[str], None] | None = None,
) -> QuantizeResult:
    """Write a checkpoint that carries an int8 form of its network, calibrated on slides.

    Its weights stay as they are: it labels as the original does in every other precision.

    Parameters
    ----------
    checkpoint : Checkpoint or path-like
        As :func:`wsiseg.segment` takes it.
    slides : path-like or sequence of path-like
        Slides, or folders of slides; each has to hold tissue.
    output : path-like
        A ``.safetensors`` file.  ``NAME.int8.safetensors`` beside a checkpoint
        ``NAME.safetensors`` is found by itself.
    runtime : str
        Which is to take it: ``"openvino"``, ``"onnx"``, or ``"auto"`` for the first for which what
        quantises is installed.
    min_agreement : float
        Share of the pixels whose label has to be that of fp32, else nothing is written.
    mpp, slide_mpp, level
        At which resolution, as for :func:`wsiseg.segment`.
    threads : int, optional
        CPU threads.
    overwrite : bool
        Whether an existing file is replaced.
    began : callable, optional
        Told what is done.

    Returns
    -------
    QuantizeResult
        The file, with agreement and speed as measured.

    Raises
    ------
    RuntimeUnavailableError
        If what quantises is not installed, cannot take the network, or the labels agree too little.
    SlideError
        If a slide cannot be used, or holds no tissue.
    ArgumentError, CheckpointError, OutputExistsError, OutputError
        If a value is invalid, the checkpoint cannot be used, or the file cannot be written.
    """
    tell = began or (lambda _: None)
    output = Path(output)
    runtime = check_quantising(runtime)
    _check_output(output, overwrite=overwrite)
    if not 0 < min_agreement <= 1:
        raise ArgumentError(
            f"{min_agreement:g} is not a share from 0 to 1",
            "`min_agreement`",
            "Use 0.99, for instance.",
        )
    options = SegmentOptions(mpp=mpp, slide_mpp=slide_mpp, level=level, threads=threads)
    given = [slides] if isinstance(slides, Path | str) else slides
    found = find_slides([Path(path) for path in given]).slides
    taken = take_checkpoint(checkpoint, began=tell)
    tell("looking for tissue")
    tiles = read_calibration_tiles(found, taken, options)
    form = quantise(
        taken, tiles, runtime=runtime, min_agreement=min_agreement, threads=threads, began=tell
    )
    taken.save(output, form)
    note = form.note
    return QuantizeResult(output, runtime, note.label_agreement, note.speedup, note.kept)


def _check_output(output: Path, *, overwrite: bool) -> None:
    refuse_address(output)
    if output.suffix.lower() != ".safetensors":
        raise ArgumentError(
            "the name of a checkpoint must end with .safetensors", f"`output` {output.name}"
        )
    if output.is_dir():
        raise OutputError("a folder has the name of the output", output, "Choose another `output`.")
    if not output.parent.is_dir():
        raise OutputError("there is no such folder", output.parent)
    if output.exists() and not overwrite:
        raise OutputExistsError("the output already exists", output, "`overwrite` replaces it.")


def read_calibration_tiles(
    paths: Sequence[Path], checkpoint: Checkpoint, options: SegmentOptions
) -> CalibrationTiles:
    """Read tiles of tissue, those to calibrate on and others to check on.

    Parameters
    ----------
    paths : sequence of Path
        Slides, each of which has to hold tissue.
    checkpoint : Checkpoint
        Names the resolution and what tiles it takes.
    options : SegmentOptions
        `mpp`, `slide_mpp` and `level` count.

    Raises
    ------
    SlideError
        If a slide cannot be used, or holds too little tissue.
    """
    with ExitStack() as stack:
        sampled = [
            _sample(stack.enter_context(options.open_slide(path)), checkpoint, options)
            for path in paths
        ]
        edge = _choose_edge(sampled, checkpoint.input_multiple)
        share = max(2, (512 // edge) ** 2 * (_CALIBRATING + _CHECKING) // len(sampled))
        calibrating: list[Pixels] = []
        checking: list[Pixels] = []
        for each in sampled:
            for number, box in enumerate(spread(each.blocks(edge), share)):
                pixels = read_working_box(each.slide, each.plane, box)
                # Every third one, the second first, so that two tiles are one of each.
                (checking if number % 3 == 1 else calibrating).append(pixels)
    return CalibrationTiles(
        np.stack(calibrating), np.stack(checking), tuple(each.slide.name for each in sampled)
    )


def _sample(slide: Slide, checkpoint: Checkpoint, options: SegmentOptions) -> _Sampled:
    plane = choose_plane(slide, checkpoint, options)
    hint = "Leave it out, or calibrate at another `mpp`."
    check_resolution(slide, plane, checkpoint, force=False, hint=hint)
    tissue = find_area(slide, plane, options)
    if tissue is None or not tissue.mask.any():
        raise UnsuitableSlideError(
            "no tissue is found on the slide, and only tissue can be calibrated on",
            slide.path,
            "Leave it out, or name another slide.",
        )
    return _Sampled(slide, plane, tissue)


def _choose_edge(sampled: Sequence[_Sampled], multiple: int) -> int:
    edges = sorted({-(-edge // multiple) * multiple for edge in _EDGES}, reverse=True)
    for edge in edges:
        poor = [each for each in sampled if len(each.blocks(edge)) < 2]
        if not poor:
            return edge
    raise UnsuitableSlideError(
        f"there is too little tissue on the slide: two squares of {edges[-1]} pixels are needed",
        poor[0].slide.path,
        "Leave it out, or name another slide.",
    )
