"""PASCAL VOC 2012 segmentation (Everingham et al., IJCV 2010; 21 classes).

The augmented training set has the labels of SBD (Hariharan et al., ICCV 2011) beside it.
"""

from __future__ import annotations

from pathlib import Path

from wsiseg.annotations.labels import IGNORED
from wsiseg.errors import DataSetError
from wsiseg.models.class_sets import VOC
from wsiseg.tiling.slides.files import LOSSLESS, PICTURES, sample_name
from wsiseg.training.datasets.layout import Layout, Pair, pictures_by_name
from wsiseg.training.datasets.lists import read_list

_PICTURES, _LABELS, _AUGMENTED = "JPEGImages", "SegmentationClass", "SegmentationClassAug"
_HOMES = ("", "VOC2012", "VOCdevkit/VOC2012")
_MEANINGS = {**{index: index for index in range(len(VOC))}, IGNORED: IGNORED}


class Voc(Layout):
    """Pictures and labels that the lists in ``ImageSets/Segmentation`` name.

    The part ``trainaug`` takes its labels from ``SegmentationClassAug``.  Where its list is
    missing it is all that is labelled there without what the list ``val`` names.
    """

    name = "voc"
    classes = VOC
    meanings = _MEANINGS
    splits = ("train", "val", "trainval", "trainaug")
    unlabelled = ("test",)
    expects = (
        "voc wants `root` with JPEGImages and SegmentationClass in it, or VOC2012 around them."
    )

    def pairs(self, root: Path, split: str) -> list[Pair]:
        """Return what the part's list names; see :class:`Layout`."""
        home = self._find_home(root)
        labels = self.demand_folder(home / (_AUGMENTED if split == "trainaug" else _LABELS))
        names = self._names(home, split)
        folder = home / _PICTURES
        shown = pictures_by_name(folder, ".jpg")
        drawn = pictures_by_name(labels, ".png", LOSSLESS)
        return [
            (shown.get(name, folder / f"{name}.jpg"), drawn.get(name, labels / f"{name}.png"))
            for name in names
        ]

    def _find_home(self, root: Path) -> Path:
        for home in (root / place for place in _HOMES):
            if (home / _PICTURES).is_dir():
                return home
        raise DataSetError(f"there is no folder {_PICTURES}", root, self.expects)

    @staticmethod
    def _names(home: Path, split: str) -> list[str]:
        listed = home / "ImageSets" / "Segmentation" / f"{split}.txt"
        if split != "trainaug" or listed.is_file():
            return _read_list(listed)
        held_out = set(_read_list(listed.with_name("val.txt")))
        labelled = pictures_by_name(home / _AUGMENTED, ".png", LOSSLESS)
        return sorted(labelled.keys() - held_out)


def _read_list(path: Path) -> list[str]:
    """Return the names in a list, each once.

    Lists of the augmented set that go round name files, ``/JPEGImages/2007_000032.jpg``, and
    their labels after a blank.
    """
    expected = "It names one picture in each line, such as 2007_000032."
    if not path.is_file():
        raise DataSetError(f"there is no list of the {path.stem} part", path, expected)
    return list(dict.fromkeys(_stem(line.split()[0]) for line in read_list(path, expected)))


def _stem(name: str) -> str:
    file = name.replace("\\", "/").rpartition("/")[2]
    return sample_name(file) if file.lower().endswith(PICTURES) else file


LAYOUT = Voc()
