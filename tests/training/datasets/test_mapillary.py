import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.errors import AnnotationError, DataSetError
from wsiseg.models.class_sets import CITYSCAPES_CATEGORIES
from wsiseg.tiling import open_slide
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.training.datasets.dataset import Sample
from wsiseg.training.datasets.mapillary import MAPILLARY, MAPILLARY_CATEGORIES
from wsiseg.training.datasets.public import LAYOUTS

LAYOUT = LAYOUTS["mapillary"]
NAME = "__CRyFzoDOXn6unQ6a3DnQ"


def read(sample: Sample) -> Labels:
    with open_slide(sample.image) as slide:
        plane = plane_at_level(slide, 0)
        return sample.labels.open(slide, plane).read(plane.box)


def copy_part(data: Path, part: Path, labels: str, version: str = "v1.2") -> Path:
    """Lay the real picture out as a package does."""
    source = data / "natural" / "mmseg" / "pseudo_mapillary_dataset"
    shutil.copytree(source / "images", part / "images")
    shutil.copytree(source / version, part / labels)
    return part / labels / f"{NAME}.png"


@pytest.mark.parametrize("labels", ["labels", "v1.2/labels"])
@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("training", "training"),
        ("training", "train"),
        ("validation", "val"),
        ("validation", "validation"),
    ],
)
def test_the_real_picture_is_read_in_both_packages(
    data: Path, tmp_path: Path, labels: str, folder: str, split: str
) -> None:
    picture = copy_part(data, tmp_path / folder, labels)
    (sample,) = LAYOUT.open(tmp_path, split).samples
    assert sample.name == NAME
    found = read(sample)
    np.testing.assert_array_equal(found, np.asarray(Image.open(picture)))
    assert {MAPILLARY[v].name for v in np.unique(found)} == {"building", "street light", "pole"}


def test_what_is_unlabelled_is_ignored(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / "training" / folder).mkdir(parents=True)
    values = np.arange(66, dtype=np.uint8)[None]
    Image.fromarray(values).save(tmp_path / "training" / "labels" / "a.png")
    Image.new("RGB", (66, 1)).save(tmp_path / "training" / "images" / "a.jpg")
    labels = read(LAYOUT.open(tmp_path, "train").samples[0])
    np.testing.assert_array_equal(labels, [[*range(65), IGNORED]])


def test_labels_of_version_2_are_not_taken_for_those_of_version_1(
    data: Path, tmp_path: Path
) -> None:
    copy_part(data, tmp_path / "training", "v2.0/labels", "v2.0")
    with pytest.raises(DataSetError, match=r"neither a folder labels nor v1\.2/labels"):
        LAYOUT.open(tmp_path, "train")
    copy_part(data, tmp_path / "validation", "labels", "v2.0")
    with pytest.raises(AnnotationError, match=r"the value 8[45], which means no class"):
        read(LAYOUT.open(tmp_path, "val").samples[0])


def test_classes_and_colours_stand_in_the_published_order(data: Path) -> None:
    path = data / "natural" / "mmseg" / "mapillary_classes.json"
    published = json.loads(path.read_text())["v1.2"]
    assert [list(entry.colour) for entry in MAPILLARY] == published["palette"][:65]
    renamed = {"Barrier", "Lane Marking - Crosswalk", "Lane Marking - General"}
    for entry, name in zip(MAPILLARY, published["classes"][:65], strict=True):
        letters = "".join(c for c in name.lower() if c.isalnum() or c == " ")
        assert entry.name == " ".join(letters.split()) or name in renamed


def test_categories_are_those_of_cityscapes() -> None:
    assert set(MAPILLARY_CATEGORIES.values()) == set(CITYSCAPES_CATEGORIES.values())
    shared = CITYSCAPES_CATEGORIES.keys() & MAPILLARY_CATEGORIES.keys()
    assert len(shared) >= 14
    assert all(MAPILLARY_CATEGORIES[name] == CITYSCAPES_CATEGORIES[name] for name in shared)
    for name in ("bird", "ground animal", "ego vehicle", "car mount", "boat", "trash can"):
        assert name not in MAPILLARY_CATEGORIES
