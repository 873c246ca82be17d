"""Writes the report of a folder of runs: a page a slide, and one for all if there are several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError
from wsiseg.report.cohort_page import CohortRow, make_cohort_page, without_text
from wsiseg.report.pages import MARK
from wsiseg.report.run_page import make_run_page
from wsiseg.report.runs import Run, find_runs
from wsiseg.store.disk import write_atomically

ENDING, COHORT = ".report.html", "report.html"
"""Ending of the names of slides' pages, and the name of a cohort's."""

_MARKED_WITHIN = 2048

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
        What is to be told about the folder.
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
        If the output is no name of a page, or also that of a slide's page.
    OutputError
        If the folder holds no runs, or a page cannot be written.
    OutputExistsError
        If another file has the name of a page.
    """
    folder, tell = Path(folder), progress or (lambda _: None)
    runs, notes = find_runs(folder)
    places = _places(folder, runs, None if output is None else Path(output))
    main = places[0] if len(runs) == 1 else places.pop()
    several = len(runs) > 1
    for place in {main, *places}:
        _refuse_foreign(place)
    rows = []
    for done, (run, place) in enumerate(zip(runs, places, strict=True)):
        tell(done / len(runs))
        page = make_run_page(
            run, None if slides is None else Path(slides), main.name if several else None
        )
        write_atomically(place, page.text)
        rows.append(CohortRow(without_text(page), place.name))
    if several:
        write_atomically(main, make_cohort_page(folder, rows, notes))
    tell(1.0)
    return ReportResult(main, tuple(places), notes)


def _places(folder: Path, runs: list[Run], output: Path | None) -> list[Path]:
    """Return where the slides' pages go, and last the one of all if there are several."""
    if output is not None:
        if output.suffix.lower() not in (".html", ".htm"):
            raise ArgumentError("the name of a page ends with .html", f"`output` {output.name}")
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
            "a file that is no report has the name of the page", place, "Choose another `output`."
        )
