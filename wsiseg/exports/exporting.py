"""Exports masks: the checks that all formats share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from wsiseg.errors import ArgumentError, OutputError, OutputExistsError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, ExportOptions
from wsiseg.exports.formats import FORMATS
from wsiseg.exports.keywords import ExportKeywords
from wsiseg.exports.mask import ignore, open_mask
from wsiseg.store.disk import refuse_address


@dataclass(frozen=True)
class ExportResult:
    """What an export has written.

    Attributes
    ----------
    output : Path
        The file.
    bytes : int
        Its size.
    features : int or None
        How many objects it holds, where the format has some.
    warnings : tuple of str
        What was left out or assumed.
    """

    output: Path
    bytes: int
    features: int | None
    warnings: tuple[str, ...]


def export(
    mask: str | Path,
    to: str,
    output: str | Path,
    *,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    **options: Unpack[ExportKeywords],
) -> ExportResult:
    """Write a mask to a file for other programs.

    Parameters
    ----------
    mask : path
        A finished mask, ``NAME.ome.zarr``.
    to : str
        The format: ``geojson``, for instance.
    output : path
        The file.
    overwrite : bool
        Whether an existing file is replaced.
    progress : callable, optional
        Called with the share that is done, 0 to 1; may raise to cancel.
    **options
        Settings of the format.

    Returns
    -------
    ExportResult
        The file, its size, and how many objects it holds.

    Raises
    ------
    ArgumentError
        If there is no such format, or a setting is wrong.
    AnnotationError
        If the mask is none, is unfinished or cannot be read.
    OutputExistsError
        If the file exists and may not be replaced.
    OutputError
        If it cannot be written.

    Examples
    --------
    >>> import wsiseg
    >>> written = wsiseg.export("out/biopsy.ome.zarr", "geojson", "biopsy.geojson")
    >>> written.output.name, written.features > 10
    ('biopsy.geojson', True)
    """
    form = FORMATS.find(to, "`to`")
    settings = read_options(to, form, options)
    output = Path(output)
    refuse_address(output)
    _check_output(output, to, form, overwrite=overwrite)
    opened = open_mask(Path(mask))
    written = form.write(opened, output, settings, progress or ignore)
    return ExportResult(output, output.stat().st_size, written.features, written.warnings)


def read_options(to: str, form: ExportFormat, options: Mapping[str, object]) -> ExportOptions:
    """Return the settings of a format.

    Parameters
    ----------
    to : str
        The name of the format.
    form : ExportFormat
        The format.
    options : mapping
        What the user chose.

    Raises
    ------
    ArgumentError
        If a setting is wrong, or one of other formats.
    """
    for name in options:
        if name not in form.options.model_fields:
            others = [key for key, each in FORMATS.items() if name in each.options.model_fields]
            if others:
                raise ArgumentError(
                    f"{to} has no `{name}`", None, f"It is for {', '.join(others)}."
                )
    return form.options(**options)


def _check_output(output: Path, to: str, form: ExportFormat, *, overwrite: bool) -> None:
    if not output.name.lower().endswith(form.suffixes):
        known = " or ".join(form.suffixes)
        raise ArgumentError(
            f"the name of {to} files must end with {known}", f"`output` {output.name}"
        )
    if not output.parent.is_dir():
        raise OutputError("there is no such folder", output.parent)
    if output.is_dir():
        raise OutputError("a folder has the name of the output", output, "Choose another `output`.")
    if output.exists() and not overwrite:
        raise OutputExistsError("the output already exists", output, "`overwrite` replaces it.")
