"""The comparison job: several checkpoints scored on the same samples, and how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from wsiseg.checkpoints import take_checkpoint
from wsiseg.csv_tables import Cell, to_csv
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.settings import keywords_from
from wsiseg.store.disk import translate_write_errors, write_atomically, write_json
from wsiseg.text import plural
from wsiseg.training.class_matching import match_classes
from wsiseg.training.data_options import DataOptions
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.opening import open_data
from wsiseg.training.evaluating import colours_of, score, write_scores
from wsiseg.training.keywords import EvaluateKeywords
from wsiseg.training.listener import TrainingListener
from wsiseg.training.metrics import UnitCounts, describe_difference, pair_units
from wsiseg.training.metrics.differences import LEVEL
from wsiseg.training.options import EvaluateOptions
from wsiseg.training.worst_pictures import WorstPictures, folder_names, write_worst

_FEW = 10
"""Units below which the ends of an interval are rough: fewer hardly show how samples vary."""

COLUMNS = (
    "checkpoint",
    "class",
    *("iou", "iou_difference", "iou_low", "iou_high"),
    *("dice", "dice_difference", "dice_low", "dice_high"),
)
"""Columns of ``comparison.csv``."""

_SHARED = ("miou", "mean_dice", "class_iou", "class_dice")


@keywords_from(EvaluateOptions)
def compare(
    data: DataOptions | DataSet,
    checkpoints: Sequence[Checkpoint | Path | str],
    output: Path | str | None = None,
    *,
    listener: TrainingListener | None = None,
    **options: Unpack[EvaluateKeywords],
) -> dict[str, Any]:
    """Score several checkpoints on the same pictures or slides, and compare them with the first.

    Parameters
    ----------
    data : DataOptions or DataSet
        The labelled data to score them on.
    checkpoints : sequence of Checkpoint or path-like
        The reference, then those to compare with it.
    output : path-like, optional
        Folder for ``comparison.json`` and ``comparison.csv``, for what :func:`wsiseg.evaluate`
        writes of the first, and for overlays of each one's `worst` pictures.
    listener : TrainingListener, optional
        Receives progress, notes and warnings.
    **options
        Fields of :class:`wsiseg.training.options.EvaluateOptions`.

    Returns
    -------
    dict
        See :func:`score_each`.

    Raises
    ------
    WsisegError
        As :func:`score_each`, or if the output cannot be written.

    Examples
    --------
    >>> data = DataOptions(
    ...     images="fields/images", labels="fields/labels", class_map="0=tissue,1=nucleus"
    ... )
    >>> scores = compare(data, ["nuclei", "nuclei"], slide_mpp=0.5)
    >>> scores["compared"][0]["difference"]["mean_dice"]
    {'value': 0.0, 'low': 0.0, 'high': 0.0}
    >>> scores["interval"]["units"]
    '2 pictures'
    """
    settings = EvaluateOptions(**options)
    loaded = [take_checkpoint(each) for each in checkpoints]
    dataset = (
        data
        if isinstance(data, DataSet)
        else open_data(data, validation=True, classes=loaded[0].classes if loaded else None)
    )
    names = [each.name for each in loaded]
    worst = None if output is None else [WorstPictures(settings.worst) for _ in loaded]
    scores = score_each(loaded, names, dataset, settings, listener, worst=worst)
    if output is not None:
        write_comparison(scores, Path(output))
    if output is not None and worst is not None:
        kept = dict(zip(folder_names(names), worst, strict=True))
        colours = colours_of(dataset, loaded[0])
        write_worst(kept, Path(output), tuple(scores["class_iou"]), colours)
    return scores


def score_each(
    checkpoints: Sequence[Checkpoint],
    names: Sequence[str],
    dataset: DataSet,
    options: EvaluateOptions | None = None,
    listener: TrainingListener | None = None,
    *,
    worst: Sequence[WorstPictures] | None = None,
) -> dict[str, Any]:
    """Score checkpoints one after the other, and tell how they differ from the first.

    Each is matched with the labels' classes, and read at its resolution, on its own.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
        Two at least.
    names : sequence of str
        What they are called, in the same order.
    dataset : DataSet
        On what.
    options : EvaluateOptions, optional
        How.
    listener : TrainingListener, optional
        Receives progress, notes and warnings.
    worst : sequence of WorstPictures, optional
        Keep the pictures with the lowest scores of each.

    Returns
    -------
    dict
        The scores of the first, see :func:`wsiseg.training.score`, with

        - ``checkpoint``: its name;
        - ``compared``: a dict for each of the others with ``checkpoint``, ``miou``, ``mean_dice``,
          ``class_iou``, ``class_dice``, ``scored_as``, ``settings``, ``pictures``, and
          ``difference``, see
          :func:`wsiseg.training.metrics.describe_difference`;
        - ``interval``: ``level`` (0.95), ``units`` (what was drawn, "85 pictures"), and ``remark``,
          why there is no interval or how rough it is, or None.

    Raises
    ------
    ArgumentError
        If there are fewer than two.
    DataSetError, AnnotationError, SlideError
        If samples and labels do not fit, a checkpoint does not know their classes, or checkpoints
        cannot be scored by the same classes.
    """
    if len(checkpoints) < 2:
        raise ArgumentError(
            "a comparison needs two checkpoints", ", ".join(names) or None, "Name another."
        )
    options = options or EvaluateOptions()
    listener = listener or TrainingListener()
    classes = _shared_classes(checkpoints, names, dataset)
    # Borders are told of the first only: they have no sums to draw from.
    plain = options.replace(boundary=False, tolerance=None)
    counts, scores = [], []
    for number, (checkpoint, name) in enumerate(zip(checkpoints, names, strict=True)):
        listener.noted(f"{number + 1} of {len(checkpoints)}: {name}")
        counts.append(UnitCounts(len(classes)))
        settings = plain if number else options
        kept = None if worst is None else worst[number]
        scores.append(score(checkpoint, dataset, settings, listener, units=counts[-1], worst=kept))
    units = pair_units(counts)
    interval = _describe_interval(units.shape[1], dataset)
    _tell_resolutions([each["settings"] for each in scores], listener)
    compared = [
        {
            "checkpoint": names[number],
            **{key: scores[number][key] for key in (*_SHARED, "scored_as", "settings", "pictures")},
            "difference": describe_difference(units[0], units[number], classes),
        }
        for number in range(1, len(scores))
    ]
    return {**scores[0], "checkpoint": names[0], "compared": compared, "interval": interval}


def write_comparison(scores: dict[str, Any], folder: Path) -> None:
    """Write ``comparison.json`` and ``comparison.csv``, and the files of the first checkpoint.

    Parameters
    ----------
    scores : dict
        As :func:`score_each` returns them.
    folder : Path
        Is made if it is missing; existing files are overwritten.

    Raises
    ------
    OutputError
        If they cannot be written.
    RuntimeUnavailableError
        If matplotlib is not installed.
    """
    write_scores(scores, folder)
    with translate_write_errors(folder):
        told = ("checkpoint", *_SHARED, "scored_as", "settings", "pictures")
        reference = {key: scores[key] for key in told}
        kept = {key: scores[key] for key in ("compared", "interval", "data", "images")}
        write_json(folder / "comparison.json", {"reference": reference, **kept})
        write_atomically(folder / "comparison.csv", _to_csv(scores))


def _shared_classes(
    checkpoints: Sequence[Checkpoint], names: Sequence[str], dataset: DataSet
) -> tuple[str, ...]:
    """Return the names that all are scored by, before anything is scored."""
    scored = [match_classes(each.classes, dataset).names for each in checkpoints]
    for name, classes in zip(names, scored, strict=True):
        if classes != scored[0]:
            raise DataSetError(
                f"{names[0]} is scored by {len(scored[0])} classes of {dataset.name}, {name} by "
                f"{len(classes)}",
                hint="Checkpoints of one public set's classes can be compared.",
            )
    return scored[0]


def _tell_resolutions(settings: Sequence[dict[str, Any]], listener: TrainingListener) -> None:
    """Tell where checkpoints were scored at different resolutions, as each is used to its own."""
    for name, unit in (("mpp", " µm/px"), ("scale", " of the size")):
        found = [each[name] for each in settings]
        if len(set(found)) > 1:
            shown = ", ".join("as they are" if f is None else f"{f:g}{unit}" for f in found)
            listener.noted(f"the resolutions differ ({shown}); `{name}` sets one for all")


def _describe_interval(units: int, dataset: DataSet) -> dict[str, Any]:
    kind = "annotated field" if dataset.sparse else "picture"
    remark = None
    if units < 2:
        remark = f"there is no interval with fewer than 2 {kind}s"
    elif units < _FEW:
        remark = f"the interval is rough with fewer than {_FEW} {kind}s"
    return {"level": LEVEL, "units": plural(units, kind), "remark": remark}


def _to_csv(scores: dict[str, Any]) -> str:
    """Return a row for each checkpoint and class, and one for the mean of each."""
    rows: list[list[Cell]] = []
    for entry in (scores, *scores["compared"]):
        difference = entry.get("difference", {key: {} for key in _SHARED})
        for name in entry["class_iou"]:
            row: list[Cell] = [entry["checkpoint"], name]
            for key in ("class_iou", "class_dice"):
                row += _cells(entry[key][name], difference[key].get(name, {}))
            rows.append(row)
        means = [_cells(entry[key], difference[key]) for key in ("miou", "mean_dice")]
        rows.append([entry["checkpoint"], "mean", *means[0], *means[1]])
    return to_csv(COLUMNS, rows)


def _cells(score: float | None, difference: dict[str, float | None]) -> list[Cell]:
    figures = [score, *(difference.get(key) for key in ("value", "low", "high"))]
    return ["" if figure is None else f"{figure:.6f}" for figure in figures]
