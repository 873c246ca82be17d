"""Opening data sets, and splitting them into training and validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wsiseg.annotations.class_map import IGNORE, ClassMap, names_nothing, read_pairs
from wsiseg.annotations.labels import IGNORED
from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.class_sets import VOID
from wsiseg.segmentation.colouring import check_reference
from wsiseg.training.data_options import MASKS_NEED_A_MAP, DataOptions
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.folders import open_pictures, open_slides
from wsiseg.training.datasets.lists import read_list
from wsiseg.training.datasets.public import LAYOUTS
from wsiseg.training.options import TrainOptions

_SHOWN, _TOLD = 3, 8


def open_data(
    options: DataOptions, *, validation: bool = False, classes: Sequence[LabelClass] | None = None
) -> DataSet:
    """Open what the options name: nothing is read but folders, lists and a reference.

    Without a class map, annotations of slides are read too, for the names in them.

    Parameters
    ----------
    options : DataOptions
        What is wanted.
    validation : bool
        Where no split is named, take the one for validation.
    classes : sequence of LabelClass, optional
        Those of the checkpoint to score: what the values of masks mean without a class map, in
        this order; 255 is then ignored.

    Raises
    ------
    DataSetError, AnnotationError, ArgumentError
        If something is missing or does not fit.
    StainError, SlideError
        If the reference for stains cannot be used.

    Examples
    --------
    >>> data = DataOptions(
    ...     images="fields/images", labels="fields/labels", class_map="0=tissue,1=nucleus"
    ... )
    >>> dataset = open_data(data)
    >>> [sample.name for sample in dataset.samples]
    ['kidney', 'liver']
    >>> [entry.name for entry in dataset.classes]
    ['tissue', 'nucleus']
    """
    check_reference(options.colours)
    only = None if options.only is None else set(read_list(options.only))
    if options.dataset is not None:
        assert options.root is not None
        layout = LAYOUTS.find(options.dataset, "`dataset`")
        usual = layout.validation_split if validation else layout.training_split
        dataset = layout.open(options.root, options.split or usual)
    else:
        dataset = _open_folders(options, only, classes)
    if options.only is not None:
        dataset = _keep(dataset, read_stems(options.only, dataset))
    if options.without is not None:
        dataset = _leave(dataset, read_stems(options.without, dataset))
        if not dataset.samples:
            raise DataSetError("every sample is left out", options.without)
    how: dict[str, Any] = {"reader": options.reader, "colours": options.colours}
    samples = tuple(replace(sample, **how) for sample in dataset.samples)
    return replace(dataset, samples=samples)


def _open_folders(
    options: DataOptions, only: set[str] | None, classes: Sequence[LabelClass] | None
) -> DataSet:
    pairs, colours, order = (
        ({}, {}, ()) if options.class_map is None else read_pairs(options.class_map)
    )
    if options.images is not None:
        assert options.labels is not None
        folders = options.images, options.labels
        if options.class_map is None:
            class_map, note = _map_of(classes)
            dataset = open_pictures(*folders, class_map, options.instances, only)
            return replace(dataset, note=note)
        class_map = ClassMap.build(pairs, colours, order)
        return open_pictures(*folders, class_map, options.instances, only)
    assert options.slides is not None
    assert options.annotations is not None
    every_name = options.class_map is None or names_nothing(pairs)
    return open_slides(
        options.slides,
        options.annotations,
        None if every_name else ClassMap.build(pairs, colours, order),
        options.coordinates,
        only,
        nameless=pairs,
        colours=colours,
        strict=options.strict,
    )


def _map_of(classes: Sequence[LabelClass] | None) -> tuple[ClassMap, str]:
    """Return the class map of masks whose values are a checkpoint's labels, and a note on it."""
    if classes is None:
        raise ArgumentError(*MASKS_NEED_A_MAP)
    names = {str(index): entry.name for index, entry in enumerate(classes)}
    # What the authors call so are pixels that nobody labelled.
    void = [value for value, name in names.items() if name == VOID.name]
    pairs = names | dict.fromkeys(void, IGNORE)
    shown = [f"{value} {name}" for value, name in names.items() if value not in void]
    told = ", ".join(shown[:_TOLD]) + (", …" if len(shown) > _TOLD else "")
    told += "".join(f"; {value} is {VOID.name}, and ignored" for value in void)
    class_map = ClassMap.build(
        {str(IGNORED): IGNORE, **pairs},
        {entry.name: entry.colour for entry in classes if entry.name != VOID.name},
    )
    return class_map, f"the values of the masks are taken as the checkpoint's classes: {told}"


def split_data(options: TrainOptions) -> tuple[DataSet, DataSet]:
    """Split data into a training and a validation set.

    A public set has a part for validation, unless that is the part to train on.  Of a user's own
    pictures and slides, those that the list `val_only` names are the validation set, or else a
    share of `val_fraction`, drawn by the seed.

    Raises
    ------
    DataSetError
        If no training sample would be left.
    """
    whole = open_data(options.data)
    if options.val_only is None and options.data.dataset is not None:
        part, validation_part = _parts(options.data)
        if part != validation_part:
            others = {"split": validation_part, "only": None, "without": None}
            scored = open_data(options.data.replace(**others))
            # Some parts hold others: VOC's trainval holds its val.
            pictures = {s.image for s in scored.samples}
            rest = tuple(s for s in whole.samples if s.image not in pictures)
            return replace(whole, samples=rest), scored
    if options.val_only is not None:
        names = read_stems(options.val_only, whole)
    else:
        names = _draw([s.name for s in whole.samples], options.val_fraction, options.seed)
    training = _leave(whole, names)
    if not training.samples:
        raise DataSetError(
            "no training sample is left",
            None,
            "Use fewer samples for validation: see `val_fraction` and `val_only`.",
        )
    return training, _keep(whole, names)


def _parts(options: DataOptions) -> tuple[str, str]:
    """Return the part of a public set to train on, and its usual validation part."""
    assert options.dataset is not None
    layout = LAYOUTS.find(options.dataset, "`dataset`")
    return layout.find_split(options.split or layout.training_split), layout.validation_split


def read_stems(path: Path, dataset: DataSet) -> set[str]:
    """Return the names that a file lists, one a line.

    Parameters
    ----------
    path : Path
        A text, see :func:`wsiseg.training.datasets.lists.read_list`.
    dataset : DataSet
        The data whose samples are named.

    Returns
    -------
    set of str
        Names of samples.

    Raises
    ------
    DataSetError
        If it cannot be read, or names something that is not in the data.
    """
    names = set(read_list(path))
    unknown = sorted(names - {s.name for s in dataset.samples})
    if unknown:
        shown = ", ".join(unknown[:_SHOWN]) + (", …" if len(unknown) > _SHOWN else "")
        raise DataSetError(
            f"the list names {shown}, which is not in the data",
            path,
            "Names stand one a line, without folder and ending.",
        )
    return names


def _keep(dataset: DataSet, names: set[str]) -> DataSet:
    return replace(dataset, samples=tuple(s for s in dataset.samples if s.name in names))


def _leave(dataset: DataSet, names: set[str]) -> DataSet:
    return replace(dataset, samples=tuple(s for s in dataset.samples if s.name not in names))


def _draw(names: list[str], share: float, seed: int) -> set[str]:
    """Return a share of the names, rounded, but one at least and not all."""
    if share == 0 or len(names) == 1:
        return set()
    count = min(len(names) - 1, max(1, round(share * len(names))))
    order = np.random.default_rng([seed, 2]).permutation(len(names))
    return {names[i] for i in order[:count]}
