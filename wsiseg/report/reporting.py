"""Writes the report of a folder of runs: a page a slide, and one for all if there are several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError
from wsiseg.remote.remote_path import as_place
from wsiseg.report.class_names import name_classes
from wsiseg.report.cohort_page import CohortRow, make_cohort_page, without_text
from wsiseg.report.pages import MARK
from wsiseg.report.run_page import RunPage, make_run_page
from wsiseg.report.runs import Run, find_runs
from wsiseg.report.sources import MISSING
from wsiseg.store.disk import write_atomically

ENDING, COHORT = ".report.html", "report.html"
"""Ending of the names of slides' pages, and the name of a cohort's."""

_MARKED_WITHIN = 2048

_MOST_NAMES = 3
"""Of slides in one sentence."""

ProgressCallback = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""


@dataclass(frozen=True)
class ReportResult:
    """The pages that were written.

    Attributes
    ----------
    output : Path
        The page to open first.
    pages : tuple of Path
        The slides' pages; that of a single slide is the output itself.
    warnings : tuple of str
        What is to be told about the folder, and what the pages lack.
    """

    output: Path
    pages: tuple[Path, ...]
    warnings: tuple[str, ...]


def report(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    slides: str | Path | None = None,
    progress: ProgressCallback | None = None,
) -> ReportResult:
    """Write self-contained HTML pages on the runs in a folder.

    Parameters
    ----------
    folder : path
        What was given to :func:`wsiseg.segment` as output.
    output : path, optional
        The page: ``NAME.report.html`` in the folder if left out.  Where there are several slides
        it is the page with the table of all, ``report.html`` if left out, and the slides' pages
        are written beside it.  Earlier reports are replaced, other files never.
    slides : path, optional
        A folder in which slides are looked for that are not where they were.
    progress : callable, optional
        Called with the share that is done, 0 to 1; may raise to cancel.

    Returns
    -------
    ReportResult
        The pages.

    Raises
    ------
    ArgumentError
        If the output is no name of a page, or also that of a slide's page, or `slides` is no
        folder.
    OutputError
        If the folder holds no runs, or a page cannot be written.
    OutputExistsError
        If another file has the name of a page.

    Examples
    --------
    >>> import wsiseg
    >>> pages = wsiseg.report("out")
    >>> pages.output.name
    'biopsy.report.html'
    """
    folder, tell = as_place(folder), progress or (lambda _: None)
    found, notes = find_runs(folder)
    moved = None if slides is None else _check_slides(Path(slides))
    runs = name_classes(found)
    places = _places(folder, runs, None if output is None else as_place(output))
    main = places[0] if len(runs) == 1 else places.pop()
    several = len(runs) > 1
    for place in {main, *places}:
        _refuse_foreign(place)
    rows = []
    for done, (run, place) in enumerate(zip(runs, places, strict=True)):
        tell(done / len(runs))
        page = make_run_page(run, moved, main.name if several else None)
        write_atomically(place, page.text)
        rows.append(CohortRow(without_text(page), place.name))
    notes = (*notes, *_tell_notes([row.page for row in rows], moved))
    if several:
        write_atomically(main, make_cohort_page(folder, rows, notes))
    tell(1.0)
    return ReportResult(main, tuple(places), notes)


def _check_slides(folder: Path) -> Path:
    if not folder.is_dir():
        kind = "this is a file, not a folder" if folder.exists() else "there is no such folder"
        raise ArgumentError(kind, f"`slides` {folder}", "Name the folder in which slides are now.")
    return folder


def _tell_notes(pages: Sequence[RunPage], slides: Path | None) -> Iterator[str]:
    """Yield what pages lack: all slides that are missing in one sentence, the rest one by one."""
    missing = [page.run for page in pages if MISSING in page.notes]
    if missing:
        yield _tell_missing(missing, slides)
    for page in pages:
        yield from (f"{page.run.name}: {note}" for note in page.notes if note != MISSING)


def _tell_missing(runs: Sequence[Run], slides: Path | None) -> str:
    names = ", ".join(run.slide for run in runs[:_MOST_NAMES])
    more = f" and {len(runs) - _MOST_NAMES} more" if len(runs) > _MOST_NAMES else ""
    one = len(runs) == 1
    subject = "the slide is" if one else f"{len(runs)} slides are"
    was = "it was" if one else "they were"
    where = f"not where {was}" if slides is None else f"neither where {was} nor in {slides}"
    effect = "its page shows the mask alone" if one else "their pages show the masks alone"
    way = f"`slides` names the folder in which {'it is' if one else 'they are'} now"
    return f"{subject} {where} ({names}{more}), so that {effect}; {way}"


def _places(folder: Path, runs: list[Run], output: Path | None) -> list[Path]:
    """Return where the slides' pages go, and last the one of all if there are several."""
    if output is not None:
        if output.suffix.lower() not in (".html", ".htm"):
            raise ArgumentError("the name of a page must end with .html", f"`output` {output.name}")
        if not output.parent.is_dir():
            raise OutputError("there is no such folder", output.parent)
        if len(runs) == 1:
            return [output]
    main = output or folder / COHORT
    places = [main.with_name(f"{run.name}{ENDING}") for run in runs]
    if len(runs) == 1:
        return places
    if main in places:
        raise ArgumentError(
            "a slide's page has the same name", f"`output` {main.name}", "Choose another."
        )
    return [*places, main]


def _refuse_foreign(place: Path) -> None:
    """Refuse to replace what is no report: that can be made again, anything else may not."""
    if place.is_dir():
        raise OutputError("a folder has the name of the page", place, "Choose another `output`.")
    if not place.exists():
        return
    try:
        with place.open("rb") as file:
            ours = MARK.encode() in file.read(_MARKED_WITHIN)
    except OSError as error:
        raise OutputError(f"the page cannot be replaced: {error.strerror}", place) from error
    if not ours:
        raise OutputExistsError(
            "a file that is not a report has the name of the page",
            place,
            "Choose another `output`.",
        )
