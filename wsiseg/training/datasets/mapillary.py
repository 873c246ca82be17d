"""Mapillary Vistas v1.2 (Neuhold et al., ICCV 2017; 65 classes that are scored)."""

from __future__ import annotations

from pathlib import Path

from wsiseg.annotations.labels import IGNORED
from wsiseg.classes import LabelClass
from wsiseg.errors import DataSetError
from wsiseg.training.datasets.layout import Layout, Pair, match_by_name

MAPILLARY = tuple(
    LabelClass(name, colour)
    for name, colour in [
        ("bird", (165, 42, 42)),
        ("ground animal", (0, 192, 0)),
        ("curb", (196, 196, 196)),
        ("fence", (190, 153, 153)),
        ("guard rail", (180, 165, 180)),
        ("other barrier", (90, 120, 150)),
        ("wall", (102, 102, 156)),
        ("bike lane", (128, 64, 255)),
        ("crosswalk plain", (140, 140, 200)),
        ("curb cut", (170, 170, 170)),
        ("parking", (250, 170, 160)),
        ("pedestrian area", (96, 96, 96)),
        ("rail track", (230, 150, 140)),
        ("road", (128, 64, 128)),
        ("service lane", (110, 110, 110)),
        ("sidewalk", (244, 35, 232)),
        ("bridge", (150, 100, 100)),
        ("building", (70, 70, 70)),
        ("tunnel", (150, 120, 90)),
        ("person", (220, 20, 60)),
        ("bicyclist", (255, 0, 0)),
        ("motorcyclist", (255, 0, 100)),
        ("other rider", (255, 0, 200)),
        ("crosswalk zebra", (200, 128, 128)),
        ("lane marking", (255, 255, 255)),
        ("mountain", (64, 170, 64)),
        ("sand", (230, 160, 50)),
        ("sky", (70, 130, 180)),
        ("snow", (190, 255, 255)),
        ("terrain", (152, 251, 152)),
        ("vegetation", (107, 142, 35)),
        ("water", (0, 170, 30)),
        ("banner", (255, 255, 128)),
        ("bench", (250, 0, 30)),
        ("bike rack", (100, 140, 180)),
        ("billboard", (220, 220, 220)),
        ("catch basin", (220, 128, 128)),
        ("cctv camera", (222, 40, 40)),
        ("fire hydrant", (100, 170, 30)),
        ("junction box", (40, 40, 40)),
        ("mailbox", (33, 33, 33)),
        ("manhole", (100, 128, 160)),
        ("phone booth", (142, 0, 0)),
        ("pothole", (70, 100, 150)),
        ("street light", (210, 170, 100)),
        ("pole", (153, 153, 153)),
        ("traffic sign frame", (128, 128, 128)),
        ("utility pole", (0, 0, 80)),
        ("traffic light", (250, 170, 30)),
        ("traffic sign back", (192, 192, 192)),
        ("traffic sign front", (220, 220, 0)),
        ("trash can", (140, 140, 20)),
        ("bicycle", (119, 11, 32)),
        ("boat", (150, 0, 255)),
        ("bus", (0, 60, 100)),
        ("car", (0, 0, 142)),
        ("caravan", (0, 0, 90)),
        ("motorcycle", (0, 0, 230)),
        ("on rails", (0, 80, 100)),
        ("other vehicle", (128, 64, 64)),
        ("trailer", (0, 0, 110)),
        ("truck", (0, 0, 70)),
        ("wheeled slow", (0, 0, 192)),
        ("car mount", (32, 32, 32)),
        ("ego vehicle", (120, 10, 10)),
    ]
)
"""Named after the last part of the published names, ``construction--barrier--curb``."""

_CATEGORIES = {
    "flat": (
        *("curb", "bike lane", "crosswalk plain", "curb cut", "parking", "pedestrian area"),
        *("rail track", "road", "service lane", "sidewalk", "crosswalk zebra", "lane marking"),
        *("catch basin", "manhole", "pothole"),
    ),
    "construction": (
        *("fence", "guard rail", "other barrier", "wall", "bridge", "building", "tunnel"),
    ),
    "object": (
        *("street light", "pole", "traffic sign frame", "utility pole"),
        *("traffic light", "traffic sign front"),
    ),
    "nature": ("mountain", "sand", "terrain", "vegetation"),
    "sky": ("sky",),
    "human": ("person", "bicyclist", "motorcyclist", "other rider"),
    "vehicle": (
        *("bicycle", "bus", "car", "caravan", "motorcycle", "on rails", "other vehicle"),
        *("trailer", "truck"),
    ),
}

MAPILLARY_CATEGORIES = {name: group for group, names in _CATEGORIES.items() for name in names}
"""The Cityscapes category of each class that has one.

A class belongs where Cityscapes draws the same thing: a manhole is road there, the back of a
traffic sign, a bench or a boat is void, and what is void there has no category here.
"""

_UNLABELLED = len(MAPILLARY)
_MEANINGS = {**{index: index for index in range(_UNLABELLED)}, _UNLABELLED: IGNORED}


class Mapillary(Layout):
    """Folders ``training`` and ``validation`` with ``images`` and ``labels`` in each.

    The packages of v2.0 hold the labels of v1.2 as well, in ``v1.2/labels``.
    """

    name = "mapillary"
    classes = MAPILLARY
    meanings = _MEANINGS
    categories = MAPILLARY_CATEGORIES
    splits = ("training", "validation")
    unlabelled = ("test", "testing")
    training_split = "training"
    validation_split = "validation"
    expects = "mapillary wants `root` with training and validation in it."

    def pairs(self, root: Path, split: str) -> list[Pair]:
        """Return what lies in the part's folders; see :class:`Layout`."""
        images = self.demand_folder(root / split / "images")
        return match_by_name(images, ".jpg", _find_labels(root / split), ".png")


def _find_labels(part: Path) -> Path:
    places = part / "labels", part / "v1.2" / "labels"
    for place in places:
        if place.is_dir():
            return place
    raise DataSetError(
        "there is neither a folder labels nor v1.2/labels",
        part,
        "The classes are those of v1.2; labels of v2.0 have others.",
    )


LAYOUT = Mapillary()
