"""The slide of a mask: found where its run file says, and refused if it is another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from wsiseg.errors import AnnotationError, ArgumentError, OutputExistsError
from wsiseg.exports.format import ExportOptions
from wsiseg.exports.mask import Mask
from wsiseg.remote.addresses import is_remote
from wsiseg.settings import Option
from wsiseg.tiling.slides import READERS, Slide, open_slide, with_stored_pixels


class SlideOptions(ExportOptions):
    """Settings of exports that need the slide, too."""

    slide: Annotated[
        Path | None,
        Field(
            description="The slide, for overlay and dicom-seg. If left out, it is looked for where "
            "the run found it."
        ),
        Option("What is exported", metavar="FILE"),
    ] = None


@contextmanager
def open_slide_of(mask: Mask, given: Path | None, output: Path) -> Iterator[Slide]:
    """Open the slide of a mask, as a context manager.

    Parameters
    ----------
    mask : Mask
        The mask.
    given : Path or None
        Where the slide is; where the run file says, or beside the mask, if None.
    output : Path
        What will be written: it may not be the slide.

    Yields
    ------
    Slide
        Open, in the pixels in which the mask was made.

    Raises
    ------
    AnnotationError
        If it is another slide: of another content, if the mask or the run file beside it knows
        that, or of another size.
    ArgumentError
        If nothing says where the slide is.
    OutputExistsError
        If the output would replace it.
    SlideError
        If it cannot be opened.
    """
    run = _read_run(mask)
    path = given or _find(mask, run)
    if output.resolve() == path.resolve():
        raise OutputExistsError(
            "the export would replace the slide itself", output, "Choose another `output`."
        )
    # Another reader tells a slide by other signs.
    reader = _inside(run, "slide", "reader")
    opened = open_slide(path, reader if reader in READERS else None)
    with opened:
        slide = opened
        if mask.image.notes.get("stretch") == [1.0, 1.0]:
            # The user had said how large its pixels are, or they are square.
            slide = with_stored_pixels(opened)
        before = mask.image.notes.get("fingerprint") or _inside(run, "identity", "slide")
        if isinstance(before, Mapping):
            _compare(mask, slide, path, before)
        mask.image.refuse_other_pixels(slide.facts.stretch)
        _fit(mask, slide, path)
        yield slide


def _read_run(mask: Mask) -> object:
    """Return the content of the run file beside a mask; None if there is none that can be read."""
    name = mask.image.notes.get("run")
    if not isinstance(name, str) or Path(name).name != name:
        return None
    try:
        return json.loads(mask.store.with_name(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _inside(content: object, *names: str) -> Any:
    for name in names:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _find(mask: Mask, run: object) -> Path:
    stated = _inside(run, "slide", "path")
    named = mask.image.notes.get("slide")
    hint = "Give it with `slide`."
    candidates = [Path(stated)] if isinstance(stated, str) else []
    if isinstance(named, str) and Path(named).name == named:
        candidates.append(mask.store.with_name(named))
    if not candidates:
        raise ArgumentError("the mask does not tell where its slide is", mask.store, hint)
    for path in candidates:
        if is_remote(path) or path.exists():
            return path
    raise ArgumentError("the slide of the mask is not there", candidates[0], hint)


def _compare(mask: Mask, slide: Slide, path: Path, before: Mapping[str, object]) -> None:
    now = slide.fingerprint()
    # Earlier versions looked at less of it.
    if any(now.get(sign) != value for sign, value in before.items()):
        raise _another(mask, path)


def _fit(mask: Mask, slide: Slide, path: Path) -> None:
    """Refuse a slide of another size: sizes of planes are rounded, to whole pixels of theirs."""
    whole = np.array(slide.levels[0].box.shape)
    corner, size = np.array(mask.corner), np.array(mask.shape) * mask.side
    rounding = 2 * max(mask.side, 1.0)
    outside = (corner < -rounding).any() or (corner + size > whole + rounding).any()
    covers = "slide_scale" in mask.image.notes
    if outside or (covers and (np.abs(size - whole) > rounding).any()):
        raise _another(mask, path)


def _another(mask: Mask, path: Path) -> AnnotationError:
    return AnnotationError("a mask of another slide", path, f"It is one of {mask.slide}.")
