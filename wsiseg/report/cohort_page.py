"""The page of a cohort: a row a slide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wsiseg.report.charts import stacked
from wsiseg.report.pages import fill
from wsiseg.report.run_page import Area, RunPage, was_resumed
from wsiseg.report.sources import MISSING

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
    def resumed(self) -> bool:
        """Whether the time is that of the last part of the run."""
        return was_resumed(self.page.run)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the run warned of, and what its page lacks."""
        return (*self.page.run.warnings, *self.page.notes)

    @property
    def others(self) -> tuple[str, ...]:
        """The warnings but that of a missing slide, which is said once for all."""
        return tuple(each for each in self.warnings if each != MISSING)

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
        resumed=sum(row.resumed for row in finished),
        rate=_rate([row.page.run.entry for row in finished]),
        megapixels=sum(row.page.run.entry["megapixels"] for row in finished),
        mm2=sum(mm2 for mm2 in measured if mm2 is not None) if None not in measured else None,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _rate(entries: Sequence[Mapping[str, Any]]) -> float | None:
    """Return megapixels a second of several runs: of each what was done in the time it tells."""
    seconds = sum(entry["seconds"] for entry in entries)
    done = sum(entry["seconds"] * entry["mpx_per_s"] for entry in entries)
    return done / seconds if seconds else None
