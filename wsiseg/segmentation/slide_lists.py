"""Lists of slides: a row each, with what differs from slide to slide."""

from __future__ import annotations

import csv
import difflib
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from wsiseg.checkpoints.sources import read_source
from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError, WsisegError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.remote.addresses import is_remote
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.text import decode_text
from wsiseg.tiling.slides import slide_name, url_or_path

_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class ListedSlide:
    """A slide with settings of its own; what is None is as for all slides.

    Attributes
    ----------
    slide : path-like
        The file, the folder that is one slide, or the URL.
    checkpoint : Checkpoint or path-like, optional
        As :func:`wsiseg.segment` takes it.
    mpp, slide_mpp : float, optional
        The setting of that name, µm per pixel.
    roi : path-like, optional
        The setting of that name.
    output : str, optional
        What its output files are called, in the folder of all; as the slide if left out.
    row : str or None
        Where it is listed, for messages.

    Examples
    --------
    >>> ListedSlide("biopsy.svs", slide_mpp=0.25, output="patient7").name
    'patient7'
    """

    slide: Path | str
    checkpoint: Checkpoint | Path | str | None = None
    mpp: float | str | None = None
    slide_mpp: float | str | None = None
    roi: Path | str | None = None
    output: str | None = None
    row: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """What its output files are called.

        Raises
        ------
        ArgumentError
            If that is a path, or no name at all.
        """
        if self.output is None:
            return slide_name(Path(self.slide))
        name = self.output
        if name in {"", ".", ".."} or any(sign in name for sign in "/\\:\0") or name[:1] == ".":
            raise ArgumentError(
                f"{name!r} is not a name for output files",
                self.place("output"),
                "Write a name without a folder: the files of all slides lie in one.",
            )
        return name

    def options(self, common: SegmentOptions, *, override_mpp: bool = False) -> SegmentOptions:
        """Return its settings.

        Parameters
        ----------
        common : SegmentOptions
            Those of all slides.
        override_mpp : bool
            Let its `slide_mpp` overrule what the file states.

        Raises
        ------
        ArgumentError
            If one of its own is invalid; says in which column.
        """
        own = {"mpp": self.mpp, "slide_mpp": self.slide_mpp, "roi": self.roi}
        given = {name: value for name, value in own.items() if value is not None}
        settled = common
        for name, value in given.items():
            try:
                also = {"override_mpp": True} if override_mpp and name == "slide_mpp" else {}
                settled = settled.replace(**{name: value}, **also)
            except ArgumentError as error:
                raise ArgumentError(error.what, self.place(name), error.hint) from error
        return settled

    def place(self, column: str) -> str:
        """Return where one of its values stands, for messages."""
        return f"`{column}`" if self.row is None else f"{self.row}, column {column}"


COLUMNS = tuple(each.name for each in fields(ListedSlide) if each.name != "row")
"""Names of the columns of a list."""


def read_slide_list(path: Path | str) -> tuple[ListedSlide, ...]:
    r"""Read a CSV file with a row for each slide.

    Parameters
    ----------
    path : path-like
        Its first row names the columns: `slide`, and optionally `checkpoint`, `mpp`, `slide_mpp`,
        `roi`, `output`, in any order.  Commas, semicolons or tabs stand between cells.  Relative
        paths are relative to the file; an empty cell is as if there were no such column.

    Returns
    -------
    tuple of ListedSlide
        At least one.

    Raises
    ------
    ArgumentError
        If the file cannot be read, or for the first wrong column or value; names row and column,
        counted as spreadsheets do.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "list.csv")
    ...     _ = table.write_text("slide,slide_mpp\nscans/a.svs,\nscans/b.tif,0.25\n")
    ...     slides = read_slide_list(table)
    >>> [(Path(each.slide).name, each.slide_mpp) for each in slides]
    [('a.svs', None), ('b.tif', '0.25')]
    """
    path = Path(path)
    rows = _rows(path)
    _, names = next(rows, (1, []))
    columns = _check_columns([name.strip().lower() for name in names], path)
    slides = []
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        place = f"{path}, row {number}"
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise ArgumentError(
                f"there are {len(cells)} cells for {len(columns)} columns",
                place,
                "Put a name that holds a comma between quotation marks.",
            )
        texts = zip(columns, (cell.strip() for cell in cells), strict=False)
        slides.append(_listed({name: text for name, text in texts if text}, path.parent, place))
    if not slides:
        raise ArgumentError("the list names no slide", path, "Write a row for each slide.")
    return tuple(slides)


def common_options(
    chosen: Mapping[str, object], slides: Iterable[object]
) -> tuple[SegmentOptions, bool]:
    """Return the settings of all slides, and whether those listed overrule what files state.

    Parameters
    ----------
    chosen : mapping
        What the user has set.  `override_mpp` may lack `slide_mpp` if the list has it.
    slides : iterable
        What the user named, :class:`ListedSlide` among it.

    Raises
    ------
    ArgumentError
        As :class:`SegmentOptions`.
    """
    listed = any(isinstance(each, ListedSlide) and each.slide_mpp is not None for each in slides)
    by_list = listed and bool(chosen.get("override_mpp")) and chosen.get("slide_mpp") is None
    given = {**chosen, "override_mpp": False} if by_list else dict(chosen)
    return SegmentOptions(**given), listed and bool(chosen.get("override_mpp"))


def check_names(slides: Sequence[ListedSlide]) -> None:
    """Refuse lists in which two slides would write the same files.

    Raises
    ------
    ArgumentError
        Names both.
    """
    first: dict[str, ListedSlide] = {}
    for each in slides:
        before = first.setdefault(each.name, each)
        if before is each or each.row is None:
            continue
        same = _same_slide(each, before)
        what = "the slide is listed twice" if same else "two slides would write the same files"
        raise ArgumentError(
            f"{what}: {each.name!r}, as in {before.row or url_or_path(Path(before.slide))}",
            each.place("output" if each.output else "slide"),
            "Remove one of the rows, or give it another name in the column output.",
        )


def _same_slide(one: ListedSlide, other: ListedSlide) -> bool:
    return os.path.abspath(one.slide) == os.path.abspath(other.slide)  # noqa: PTH100


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield rows with their numbers."""
    with translate_errors(
        lambda why: ArgumentError(f"the list of slides cannot be read: {why}", path)
    ):
        text = decode_text(path.read_bytes())
        head = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=head.count)
        if "\0" in text:
            raise ValueError("it is not text")
        yield from enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1
        )


def _check_columns(names: list[str], path: Path) -> list[str]:
    while names and not names[-1]:
        names.pop()
    place = f"{path}, row 1"
    for number, name in enumerate(names):
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(COLUMNS)}."
            raise ArgumentError(f"there is no column {name!r}", place, meant)
        if name in names[:number]:
            raise ArgumentError(f"the column {name!r} stands there twice", place)
    if "slide" not in names:
        raise ArgumentError(
            "there is no column 'slide'", place, f"The first row names: {', '.join(COLUMNS)}."
        )
    return names


def _listed(cells: Mapping[str, str], folder: Path, place: str) -> ListedSlide:
    """Return a row's slide; what is wrong with its values is said before anything is done."""
    if "slide" not in cells:
        raise ArgumentError("no slide is named", f"{place}, column slide")
    roi, checkpoint = cells.get("roi"), cells.get("checkpoint")
    listed = ListedSlide(
        _located(cells["slide"], folder),
        None if checkpoint is None else _named_or_located(checkpoint, folder),
        cells.get("mpp"),
        cells.get("slide_mpp"),
        None if roi is None else _located(roi, folder),
        cells.get("output"),
        place,
    )
    _refuse_missing_checkpoint(listed)
    if isinstance(listed.roi, Path) and not is_remote(listed.roi) and not listed.roi.is_file():
        raise ArgumentError("there is no such file", listed.place("roi"), f"Missing: {listed.roi}")
    return listed


def _refuse_missing_checkpoint(listed: ListedSlide) -> None:
    if isinstance(listed.checkpoint, Path | str):
        place = listed.place("checkpoint")
        try:
            source = read_source(listed.checkpoint)
        except WsisegError as error:
            raise ArgumentError(error.what, place, error.hint) from error
        if isinstance(source, Path) and not source.is_file():
            raise ArgumentError("there is no such file", place, f"Missing: {source}")


def _located(text: str, folder: Path) -> Path:
    path = Path(text)
    return path if is_remote(path) else folder / path


def _named_or_located(text: str, folder: Path) -> Path | str:
    """Return the name or address of a checkpoint as it is, and a file relative to the list."""
    if is_remote(Path(text)):
        return text
    file = folder / text
    return file if file.is_file() or Path(text).name != text else text
