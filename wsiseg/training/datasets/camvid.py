"""CamVid in the layout of the SegNet tutorial (Brostow et al., ECCV 2008; 480×360, 11 classes)."""

from __future__ import annotations

from pathlib import Path

from wsiseg.annotations.labels import IGNORED
from wsiseg.models.class_sets import CAMVID
from wsiseg.training.datasets.layout import Layout, Pair, match_by_name

_VOID = 11
_MEANINGS = {**{index: index for index in range(len(CAMVID))}, _VOID: IGNORED}


class CamVid(Layout):
    """Folders ``train``, ``val``, ``test`` with label pictures beside them in ``trainannot``, ….

    Lists such as ``train.txt`` name more pictures than a partial copy holds, so the folders count.
    """

    name = "camvid"
    classes = CAMVID
    meanings = _MEANINGS
    splits = ("train", "val", "test")
    expects = "camvid wants `root` with train, trainannot, val and valannot in it."

    def pairs(self, root: Path, split: str) -> list[Pair]:
        """Return what lies in the part's folders; see :class:`Layout`."""
        images, labels = root / split, root / f"{split}annot"
        for folder in (images, labels):
            self.demand_folder(folder)
        return match_by_name(images, ".png", labels, ".png")


LAYOUT = CamVid()
