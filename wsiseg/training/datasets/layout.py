"""What every public data set's layout on disk is turned into."""

from __future__ import annotations

import difflib
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from wsiseg.annotations.pictures import PictureLabels
from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.tiling.slides.files import LOSSLESS, PICTURES, is_picture, sample_name, visible
from wsiseg.training.datasets.dataset import DataSet, Sample

Pair = tuple[Path, Path]
"""A picture and its label picture."""


class Layout(ABC):
    """How a public data set lies on the disk.

    A set implements :meth:`pairs`; its classes and the meaning of its labels' values are facts
    about it.

    Attributes
    ----------
    name : str
        What users give as `dataset`.
    classes : tuple of LabelClass
        In the order of the labels.
    meanings : mapping of int to int
        The label, or `IGNORED`, that each value in its label pictures means.
    categories : mapping of str to str
        The category of each class by name, where the set has some; a class may have none.
    splits : tuple of str
        The parts that have labels, by the set's own names.
    unlabelled : tuple of str
        Parts whose labels are not public.
    training_split, validation_split : str
        Which of `splits` are for training and for choosing among checkpoints.
    expects : str
        One sentence about what `root` has to hold.
    """

    name: ClassVar[str]
    classes: ClassVar[tuple[LabelClass, ...]]
    meanings: ClassVar[Mapping[int, int]]
    categories: ClassVar[Mapping[str, str]] = {}
    splits: ClassVar[tuple[str, ...]]
    unlabelled: ClassVar[tuple[str, ...]] = ()
    training_split: ClassVar[str] = "train"
    validation_split: ClassVar[str] = "val"
    expects: ClassVar[str]

    @abstractmethod
    def pairs(self, root: Path, split: str) -> Iterable[Pair]:
        """Yield picture and label picture of every sample of a part, in a fixed order.

        What only one of the two is there for is a sample as well; :meth:`open` counts those and
        refuses them.

        Parameters
        ----------
        root : Path
            A folder.
        split : str
            One of `splits`.

        Raises
        ------
        DataSetError
            If the folder does not hold the set, or not this part of it.
        """

    def meanings_in(self, labels: Path) -> Mapping[int, int]:
        """Return what the values of one label picture mean; `meanings`, unless a set has kinds."""
        return self.meanings

    def find_split(self, name: str) -> str:
        """Return which part is meant; ``train`` and ``val`` may be written out in every set.

        Raises
        ------
        ArgumentError
            If the set has no such part.
        DataSetError
            If nobody has its labels.
        """
        known = {
            **dict.fromkeys(("train", "training"), self.training_split),
            **dict.fromkeys(("val", "validation"), self.validation_split),
            **{split: split for split in self.splits},
        }
        if name in known:
            return known[name]
        if name in self.unlabelled:
            raise DataSetError(
                f"the labels of the {name} part of {self.name} are not public",
                "`split`",
                f"Score on {self.validation_split}; that part is scored by the set's own server.",
            )
        near = difflib.get_close_matches(name, known, n=1)
        raise ArgumentError(
            f"{self.name} has no part {name!r}",
            "`split`",
            f"Did you mean {near[0]}?" if near else f"Its parts are {', '.join(self.splits)}.",
        )

    def open(self, root: Path, split: str) -> DataSet:
        """Return a part of the set.

        Parameters
        ----------
        root : Path
            The set's folder.
        split : str
            See :meth:`find_split`.

        Raises
        ------
        ArgumentError
            If the set has no such part.
        DataSetError
            If the part is not there, or some pictures or labels are missing.
        """
        part = self.find_split(split)
        self.demand_folder(root)
        pairs = self._pairs_there(root, part)
        _refuse_incomplete(pairs)
        samples = (
            Sample(sample_name(image.name), image, PictureLabels(labels, self.meanings_in(labels)))
            for image, labels in pairs
        )
        return DataSet(self.name, self.classes, tuple(samples), self.categories)

    def _pairs_there(self, root: Path, part: str) -> list[Pair]:
        """Return the samples of a part; where there are none, say which parts have some."""
        try:
            pairs = list(self.pairs(root, part))
            if not pairs:
                raise DataSetError(f"the {part} part of {self.name} is empty", root, self.expects)
        except DataSetError as error:
            others = [split for split in self.splits if split != part and self._has(root, split)]
            if not others:
                raise
            raise DataSetError(
                error.what,
                error.where,
                f"Of the parts of {self.name} for `split`, {', '.join(others)} "
                f"{'is' if len(others) == 1 else 'are'} there.",
            ) from error
        return pairs

    def _has(self, root: Path, part: str) -> bool:
        try:
            return any(True for _ in self.pairs(root, part))
        except DataSetError:
            return False

    def demand_folder(self, path: Path) -> Path:
        """Return a folder that has to be there.

        Raises
        ------
        DataSetError
            If it is not.
        """
        if not path.is_dir():
            what = "this is a file, not a folder" if path.is_file() else "there is no such folder"
            raise DataSetError(what, path, self.expects)
        return path


def match_by_name(images: Path, image_ending: str, labels: Path, label_ending: str) -> list[Pair]:
    """Return picture and labels of every name that occurs in either folder, sorted by name.

    Parameters
    ----------
    images, labels : Path
        The folders; one that is missing holds nothing.
    image_ending, label_ending : str
        What follows the name in the files that the set publishes, such as ``_leftImg8bit.png``;
        other kinds of pictures count as well.

    Raises
    ------
    DataSetError
        If two pictures of a folder have the same name.
    """
    shown = pictures_by_name(images, image_ending)
    drawn = pictures_by_name(labels, label_ending, LOSSLESS)
    return [
        (
            shown.get(name, images / f"{name}{image_ending}"),
            drawn.get(name, labels / f"{name}{label_ending}"),
        )
        for name in sorted(shown.keys() | drawn.keys())
    ]


def pictures_by_name(
    folder: Path, ending: str, kinds: tuple[str, ...] = PICTURES
) -> dict[str, Path]:
    """Return the pictures of a folder by their names without an ending.

    Parameters
    ----------
    folder : Path
        Where to look; one that is missing holds nothing.
    ending : str
        What follows the name, such as ``_leftImg8bit.png``.
    kinds : tuple of str
        Endings of the kinds of pictures that count, such as ``.png``.

    Returns
    -------
    dict of str to Path
        The pictures by their names without `ending`.

    Raises
    ------
    DataSetError
        If two pictures have the same name.
    """
    mark = Path(f"_{ending}").stem[1:]
    found: dict[str, Path] = {}
    for path in visible(folder) if folder.is_dir() else ():
        stem = unicodedata.normalize("NFC", path.stem)
        if not stem.endswith(mark) or not is_picture(path, kinds):
            continue
        rival = found.setdefault(stem.removesuffix(mark), path)
        if rival is not path:
            raise DataSetError(
                f"{rival.name} and {path.name} belong to the same sample",
                folder,
                "Keep one of them, or move the other elsewhere.",
            )
    return found


def _refuse_incomplete(pairs: Sequence[Pair]) -> None:
    images = {image for image, _ in pairs if image.is_file()}
    lonely = [labels for image, labels in pairs if image not in images]
    if lonely:
        raise DataSetError(
            f"{len(lonely)} of {len(pairs)} samples have no picture, {lonely[0].stem} is the first",
            pairs[0][0].parent,
            "Every picture and its labels belong together by name.",
        )
    bare = [(image, labels) for image, labels in pairs if not labels.is_file()]
    if bare:
        raise DataSetError(
            f"{len(bare)} of {len(pairs)} pictures have no labels, {bare[0][0].name} is the first",
            bare[0][1].parent,
            "Every picture and its labels belong together by name.",
        )
