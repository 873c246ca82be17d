"""Which of a checkpoint's classes are which of a data set's."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.classes import LabelClass
from wsiseg.errors import DataSetError
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.public import LAYOUTS

_NONE = IGNORED
"""A prediction that is none of the classes that are scored."""

_MISSPELT = 0.75
"""How alike, as difflib says, a name is to that which it is meant to be: nuclei to nucleus."""


@dataclass(frozen=True)
class ClassMatching:
    """What true and predicted labels are turned into before they are compared.

    Attributes
    ----------
    names : tuple of str
        What is scored.
    truth, predicted : ndarray
        uint8 ``(256,)``: the new label of each old one; 255 for ignored truth, and for
        predictions that are none of the names.
    categories : mapping of str to str
        The category of each name, where there are some.
    rest : mapping of str to tuple of str
        The name of the data that stands for all classes of the checkpoint that the data do not
        name, and those classes; empty where no name does.
    extra : tuple of str
        Classes of the checkpoint that are none of the names.
    """

    names: tuple[str, ...]
    truth: Labels
    predicted: Labels
    categories: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra: tuple[str, ...] = ()


def match_classes(known: Sequence[LabelClass], dataset: DataSet) -> ClassMatching:
    """Match a checkpoint's classes with a data set's by name, or else by category.

    A checkpoint may have classes besides, such as an author's *void*; predicting them is wrong
    wherever something is annotated. But a user's labels may know fewer classes than the
    checkpoint, as masks of nuclei do that tell nothing but nuclei from background: one name that
    the checkpoint does not know, beside others that it does, stands for all its classes that the
    data do not name.

    Parameters
    ----------
    known : sequence of LabelClass
        The checkpoint's classes, in the order of its labels.
    dataset : DataSet
        The data to be scored on.

    Returns
    -------
    ClassMatching
        Tables from the labels of both to those that are compared.

    Raises
    ------
    DataSetError
        If the checkpoint does not know a class that cannot stand for others, or that is spelt
        almost as one of its own, and there are no categories that both have.
    """
    own = [entry.name for entry in known]
    wanted = [entry.name for entry in dataset.classes]
    missing = [name for name in wanted if name not in own]
    others = tuple(name for name in own if name not in wanted)
    if not missing:
        return ClassMatching(
            tuple(wanted),
            _table(wanted, wanted),
            _table(own, wanted),
            dataset.categories,
            extra=others,
        )
    by_category = _categories_of(own)
    if by_category and dataset.categories:
        names = list(dict.fromkeys(by_category.values()))
        return ClassMatching(
            tuple(names),
            _table([dataset.categories.get(name) for name in wanted], names),
            _table([by_category.get(name) for name in own], names),
            extra=tuple(name for name in own if name not in by_category),
        )
    # The classes of a public set mean what its authors say, and nothing else.
    public = any(dataset.classes == layout.classes for layout in LAYOUTS.values())
    if len(missing) == 1 < len(wanted) and others and not public:
        (rest,) = missing
        _refuse_misspelt(rest, others, dataset.name)
        return ClassMatching(
            tuple(wanted),
            _table(wanted, wanted),
            _table([name if name in wanted else rest for name in own], wanted),
            dataset.categories,
            rest={rest: others},
        )
    hint = f"It knows {', '.join(own)}"
    if not public:
        hint += "; `class_map` can give the data those names, and one other name to all the rest"
    raise DataSetError(
        f"the checkpoint does not know {', '.join(missing[:5])}{', …' if missing[5:] else ''}",
        dataset.name,
        f"{hint}.",
    )


def _refuse_misspelt(name: str, own: Sequence[str], place: str) -> None:
    """Raise if a name seems to mean one of the checkpoint's classes."""
    near = difflib.get_close_matches(name, own, n=1, cutoff=_MISSPELT)
    # "non-nucleus" is all but the nuclei.
    if near and near[0] not in name:
        raise DataSetError(
            f"the checkpoint does not know {name}",
            place,
            f"Did you mean {near[0]}? If it means all the rest, name it otherwise.",
        )


def _categories_of(names: Sequence[str]) -> Mapping[str, str]:
    """Return the categories of the public set whose classes a checkpoint has."""
    for layout in LAYOUTS.values():
        if layout.categories and all(entry.name in names for entry in layout.classes):
            return layout.categories
    return {}


def _table(names: Sequence[str | None], wanted: Sequence[str]) -> Labels:
    table = np.full(256, _NONE, np.uint8)
    for index, name in enumerate(names):
        if name in wanted:
            table[index] = wanted.index(name)
    return table
