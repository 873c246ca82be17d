"""Cityscapes with its fine annotations (Cordts et al., CVPR 2016; 2048×1024, 19 classes)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from wsiseg.annotations.labels import IGNORED
from wsiseg.errors import DataSetError
from wsiseg.models.class_sets import CITYSCAPES, CITYSCAPES_CATEGORIES
from wsiseg.tiling.slides.files import LOSSLESS, visible
from wsiseg.training.datasets.layout import Layout, Pair, match_by_name, pictures_by_name

_PICTURE = "_leftImg8bit.png"
_LABEL_IDS = "_gtFine_labelIds.png"
_TRAIN_IDS = "_gtFine_labelTrainIds.png"

_SCORED_IDS = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)
"""The labelIds of the 19 classes, in the order of their trainIds."""

_LAST_ID = 33
_OF_LABEL_IDS = {
    # The licence plate has the id -1, which is 255 in a picture of 8 bits.
    **dict.fromkeys((*range(_LAST_ID + 1), 255), IGNORED),
    **{value: label for label, value in enumerate(_SCORED_IDS)},
}
_OF_TRAIN_IDS = {**{index: index for index in range(len(CITYSCAPES))}, 255: IGNORED}


class Cityscapes(Layout):
    """Pictures in ``leftImg8bit/SPLIT/CITY``, labels in ``gtFine/SPLIT/CITY``.

    Labels are ``labelIds`` as they were published or, where a part has none, ``labelTrainIds`` as
    the set's own scripts make them.
    """

    name = "cityscapes"
    classes = CITYSCAPES
    meanings = _OF_LABEL_IDS
    categories = CITYSCAPES_CATEGORIES
    splits = ("train", "val")
    unlabelled = ("test",)
    expects = "cityscapes wants `root` with leftImg8bit and gtFine in it."

    def pairs(self, root: Path, split: str) -> Iterator[Pair]:
        """Yield the part's pictures, city by city; see :class:`Layout`."""
        images = self.demand_folder(root / "leftImg8bit" / split)
        labels = self.demand_folder(root / "gtFine" / split)
        ending = _kind_of_labels(labels)
        folders = (path for part in (images, labels) for path in visible(part))
        for city in sorted({path.name for path in folders if path.is_dir()}):
            yield from match_by_name(images / city, _PICTURE, labels / city, ending)

    def meanings_in(self, labels: Path) -> Mapping[int, int]:
        """Return what the values of labelIds or labelTrainIds mean; see :class:`Layout`."""
        made = labels.stem.endswith(_TRAIN_IDS.removesuffix(".png"))
        return _OF_TRAIN_IDS if made else _OF_LABEL_IDS


def _kind_of_labels(folder: Path) -> str:
    """Return the ending of the label pictures, of which a part must have one kind."""
    cities = [path for path in visible(folder) if path.is_dir()]
    published, made = (
        {name for city in cities for name in pictures_by_name(city, ending, LOSSLESS)}
        for ending in (_LABEL_IDS, _TRAIN_IDS)
    )
    only_made = sorted(made - published)
    if published and only_made:
        raise DataSetError(
            f"{len(published)} samples have labelIds and {len(only_made)} only labelTrainIds, "
            f"{only_made[0]} is the first",
            folder,
            "Get the missing labelIds, or move all labelIds elsewhere.",
        )
    return _TRAIN_IDS if only_made else _LABEL_IDS


LAYOUT = Cityscapes()
