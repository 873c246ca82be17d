"""Measures masks: areas, regions, components and densities, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Unpack

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.mask import ignore, open_mask
from wsiseg.measurements.keywords import MeasureKeywords
from wsiseg.measurements.options import MeasureOptions
from wsiseg.measurements.results import MeasureResult, describe_repeated, total
from wsiseg.measurements.slides import MaskMeasurer
from wsiseg.measurements.tables import Table, check_writable, join_tables, write_tables
from wsiseg.remote.remote_path import as_place
from wsiseg.settings import keywords_from
from wsiseg.store.disk import refuse_address
from wsiseg.store.label_images import is_store
from wsiseg.store.outputs import COMPANIONS, STORE, output_folder


@keywords_from(MeasureOptions)
def measure(
    masks: Path | str | Iterable[Path | str],
    output: Path | str | None = None,
    *,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    **options: Unpack[MeasureKeywords],
) -> MeasureResult:
    """Measure what the classes of masks cover, and the objects in them.

    Parameters
    ----------
    masks : path-like or iterable of path-like
        Finished masks, ``NAME.ome.zarr``, or folders of masks.
    output : path-like, optional
        A file: ``.csv`` or ``.parquet`` for one table, beside which the others stand, or ``.json``
        for all; or a folder, in which each table is a file.  Left out, nothing is written.
    overwrite : bool
        Whether existing files are replaced.
    progress : callable, optional
        Called with the share that is done, 0 to 1; may raise to cancel.
    **options
        Fields of :class:`wsiseg.measurements.options.MeasureOptions`.

    Returns
    -------
    MeasureResult
        What the classes cover, and all tables.

    Raises
    ------
    ArgumentError
        If a setting is wrong, or the file's name has an ending of no known kind.
    AnnotationError
        If a mask is none, unfinished or cannot be read; or if regions are missing, cannot be read
        or all lie outside the mask.
    OutputExistsError
        If a file exists and may not be replaced.
    OutputError
        If it cannot be written, or what writes it is not installed.

    Examples
    --------
    >>> import wsiseg
    >>> found = wsiseg.measure("out/biopsy.ome.zarr", components=True)
    >>> nucleus = found.classes[2]
    >>> nucleus.name, 0.2 < nucleus.share < 0.5, nucleus.components > 10
    ('nucleus', True, True)
    >>> list(found.tables)
    ['classes', 'components']
    """
    settings = MeasureOptions(**options)
    if output is not None:
        refuse_address(Path(output))
    files = {} if output is None else _plan_files(Path(output), settings)
    _check_files(files.values(), overwrite=overwrite)
    hears = progress or ignore
    paths = find_masks([masks] if isinstance(masks, Path | str) else masks)
    measurers = [MaskMeasurer(open_mask(path), settings) for path in paths]
    for number, measurer in enumerate(measurers):
        measurer.measure(partial(_tell, hears, number, len(measurers)))
    every = [measurer.tables() for measurer in measurers]
    tables = {name: join_tables([each[name] for each in every]) for name in every[0]}
    if output is not None:
        _write(Path(output), files, tables)
    slides = tuple(measurer.summary() for measurer in measurers)
    together = describe_repeated(slides)
    noted = [(path, text) for path, m in zip(paths, measurers, strict=True) for text in m.warnings]
    return MeasureResult(
        output=None if output is None else Path(output),
        files=files,
        classes=total(slides),
        slides=slides,
        tables=tables,
        warnings=(
            *(text if len(paths) == 1 else f"{path.name}: {text}" for path, text in noted),
            *together,
        ),
    )


def _tell(hears: ProgressCallback, done: int, masks: int, share: float) -> None:
    hears((done + share) / masks)


def find_masks(given: Iterable[Path | str]) -> list[Path]:
    """Return masks, those in folders sorted by their names.

    Stores of probabilities or uncertainty whose mask is given, too, are left out, so that
    ``out/*.ome.zarr`` names what it seems to.

    Parameters
    ----------
    given : iterable of path-like
        Masks, or folders of masks.

    Raises
    ------
    ArgumentError
        If there are none, or one is given twice.
    """
    found: list[Path] = []
    for path in map(as_place, given):
        inside = [] if is_store(path) or not path.is_dir() else sorted(path.glob(f"*{STORE}"))
        # What is no folder of masks is refused with the reason when it is opened.
        found += [each for each in inside if not _mask_of(each)] or [path]
    masks = set(found)
    found = [path for path in found if _mask_of(path) not in masks]
    if not found:
        raise ArgumentError("there is no mask to measure", "`masks`")
    seen: set[Path] = set()
    for path in found:
        if path.resolve() in seen:
            raise ArgumentError("a mask is given twice", path)
        seen.add(path.resolve())
    return found


def _mask_of(path: Path) -> Path | None:
    """Return the mask beside which a store of probabilities or uncertainty lies."""
    for ending in COMPANIONS:
        if path.name.endswith(ending):
            return path.with_name(path.name.removesuffix(ending) + STORE)
    return None


def _plan_files(output: Path, options: MeasureOptions) -> dict[str, Path]:
    """Return the file of each table."""
    wanted = {
        "components": options.components,
        "regions": options.regions is not None,
        "density": options.every is not None,
    }
    asked = [name for name, chosen in wanted.items() if chosen]
    if is_store(output):
        raise OutputError(
            "the output is a store, not a folder for tables", output, "Choose another `output`."
        )
    if output.is_dir() or not output.suffix:
        check_writable(f".{options.format}")
        return {name: output / f"{name}.{options.format}" for name in ("classes", *asked)}
    check_writable(output.suffix.lower())
    if not output.parent.is_dir():
        raise OutputError("there is no such folder", output.parent)
    if output.suffix.lower() == ".json":
        return dict.fromkeys(("classes", *asked), output)
    # One table a file: what else is asked for stands beside it.
    first, *others = asked or ["classes"]
    beside = {name: output.with_name(f"{output.stem}.{name}{output.suffix}") for name in others}
    return {first: output} | beside


def _check_files(files: Iterable[Path], *, overwrite: bool) -> None:
    for path in files:
        if path.is_dir():
            raise OutputError(
                "a folder has the name of the output", path, "Choose another `output`."
            )
        if path.exists() and not overwrite:
            raise OutputExistsError("the output already exists", path, "`overwrite` replaces it.")


def _write(output: Path, files: Mapping[str, Path], tables: Mapping[str, Table]) -> None:
    with _folder_of(output, list(files.values())):
        for path in dict.fromkeys(files.values()):
            write_tables(path, {name: tables[name] for name, file in files.items() if file == path})


@contextmanager
def _folder_of(output: Path, files: Sequence[Path]) -> Iterator[None]:
    """Make the folder of the files, if they go to one, as a context manager."""
    if output in files:
        yield
        return
    with output_folder(output):
        yield
