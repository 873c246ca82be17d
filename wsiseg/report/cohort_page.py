"""The page of a cohort: a row a slide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from wsiseg.report.charts import stacked
from wsiseg.report.pages import fill
from wsiseg.report.run_page import Area, RunPage

_MOST_THUMBS = 600
"""More of them would make the page large."""

_MOST_COLUMNS = 8


@dataclass(frozen=True)
class CohortRow:
    """A slide in the table.

    Attributes
    ----------
    page : RunPage
        Without its text.
    file : str
        Name of its file.
    """

    page: RunPage
    file: str

    @property
    def parts(self) -> list[tuple[Area, float, float]]:
        """The classes, and where their parts of a stacked bar are, in percent."""
        areas = self.page.areas
        places = stacked([area.pixels for area in areas])
        return [(area, *place) for area, place in zip(areas, places, strict=True)]

    def area(self, name: str) -> Area | None:
        """Return the area of a class, None if the slide knows no such class."""
        return next((area for area in self.page.areas if area.name == name), None)


def without_text(page: RunPage) -> RunPage:
    """Return what the cohort's page needs of a page that is written."""
    return replace(page, text="")


def make_cohort_page(folder: Path, rows: Sequence[CohortRow], notes: Sequence[str]) -> str:
    """Return the page of a cohort.

    Parameters
    ----------
    folder : Path
        Of the runs.
    rows : sequence of CohortRow
        The slides.
    notes : sequence of str
        What is to be told about the folder.
    """
    classes: dict[str, str] = {}
    for row in rows:
        for area in row.page.areas if row.page.run.content is not None else ():
            classes.setdefault(area.name, area.colour)
    finished = [row for row in rows if row.page.run.content is not None]
    measured = [area.mm2 for row in finished for area in row.page.areas]
    return fill(
        "cohort.html.jinja",
        name=folder.absolute().name or str(folder),
        rows=rows,
        notes=notes,
        thumbs=len(rows) <= _MOST_THUMBS,
        classes=classes,
        columns=list(classes) if len(classes) <= _MOST_COLUMNS else [],
        statuses=Counter(row.page.run.status for row in rows),
        finished=len(finished),
        seconds=sum(row.page.run.entry["seconds"] for row in finished),
        megapixels=sum(row.page.run.entry["megapixels"] for row in finished),
        mm2=sum(mm2 for mm2 in measured if mm2 is not None) if None not in measured else None,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
