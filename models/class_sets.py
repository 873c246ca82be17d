"""Class names and colours of the public data sets, in the order of their training indices."""

from __future__ import annotations

from wsiseg.classes import LabelClass

CITYSCAPES = (
    LabelClass("road", (128, 64, 128)),
    LabelClass("sidewalk", (244, 35, 232)),
    LabelClass("building", (70, 70, 70)),
    LabelClass("wall", (102, 102, 156)),
    LabelClass("fence", (190, 153, 153)),
    LabelClass("pole", (153, 153, 153)),
    LabelClass("traffic light", (250, 170, 30)),
    LabelClass("traffic sign", (220, 220, 0)),
    LabelClass("vegetation", (107, 142, 35)),
    LabelClass("terrain", (152, 251, 152)),
    LabelClass("sky", (70, 130, 180)),
    LabelClass("person", (220, 20, 60)),
    LabelClass("rider", (255, 0, 0)),
    LabelClass("car", (0, 0, 142)),
    LabelClass("truck", (0, 0, 70)),
    LabelClass("bus", (0, 60, 100)),
    LabelClass("train", (0, 80, 100)),
    LabelClass("motorcycle", (0, 0, 230)),
    LabelClass("bicycle", (119, 11, 32)),
)

_CATEGORIES = {
    "flat": ("road", "sidewalk"),
    "construction": ("building", "wall", "fence"),
    "object": ("pole", "traffic light", "traffic sign"),
    "nature": ("vegetation", "terrain"),
    "sky": ("sky",),
    "human": ("person", "rider"),
    "vehicle": ("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}

CITYSCAPES_CATEGORIES = {name: group for group, names in _CATEGORIES.items() for name in names}
"""The category of each Cityscapes class, by name."""

CAMVID = (
    LabelClass("sky", (128, 128, 128)),
    LabelClass("building", (128, 0, 0)),
    LabelClass("pole", (192, 192, 128)),
    LabelClass("road", (128, 64, 128)),
    LabelClass("pavement", (60, 40, 222)),
    LabelClass("tree", (128, 128, 0)),
    LabelClass("sign", (192, 128, 128)),
    LabelClass("fence", (64, 64, 128)),
    LabelClass("car", (64, 0, 128)),
    LabelClass("pedestrian", (64, 64, 0)),
    LabelClass("bicyclist", (0, 128, 192)),
)

VOC = tuple(
    LabelClass(name, colour)
    for name, colour in [
        ("background", (0, 0, 0)),
        ("aeroplane", (128, 0, 0)),
        ("bicycle", (0, 128, 0)),
        ("bird", (128, 128, 0)),
        ("boat", (0, 0, 128)),
        ("bottle", (128, 0, 128)),
        ("bus", (0, 128, 128)),
        ("car", (128, 128, 128)),
        ("cat", (64, 0, 0)),
        ("chair", (192, 0, 0)),
        ("cow", (64, 128, 0)),
        ("dining table", (192, 128, 0)),
        ("dog", (64, 0, 128)),
        ("horse", (192, 0, 128)),
        ("motorbike", (64, 128, 128)),
        ("person", (192, 128, 128)),
        ("potted plant", (0, 64, 0)),
        ("sheep", (128, 64, 0)),
        ("sofa", (0, 192, 0)),
        ("train", (128, 192, 0)),
        ("tv monitor", (0, 64, 128)),
    ]
)

BREAST_TISSUE = (
    LabelClass("background", (255, 255, 255)),
    LabelClass("benign epithelium", (130, 0, 130)),
    LabelClass("malignant epithelium", (0, 0, 130)),
    LabelClass("normal stroma", (255, 150, 255)),
    LabelClass("desmoplastic stroma", (150, 150, 255)),
    LabelClass("secretion", (0, 255, 0)),
    LabelClass("blood", (255, 255, 0)),
    LabelClass("necrosis", (255, 0, 0)),
)

CLASS_SETS = {
    "cityscapes": CITYSCAPES,
    "camvid": CAMVID,
    "voc": VOC,
    "breast-biopsy": BREAST_TISSUE,
}
"""The sets that networks were published for, by the name that ``--dataset`` takes."""

VOID = LabelClass("void", (0, 0, 0))
"""The extra class that some authors train for pixels without a label."""
