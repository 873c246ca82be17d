"""The file of the demonstration slide."""

import numpy as np
import pytest
import tifffile

import wsiseg
from wsiseg.demo.sections import paint_sections
from wsiseg.demo.slide import build_demo_slide, demo_slide_stands
from wsiseg.errors import OutputExistsError


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return build_demo_slide(tmp_path_factory.mktemp("demo") / "demo.tiff", 700, 900, seed=4)


def test_the_slide_is_a_pyramid_of_the_painted_pixels(path):
    with wsiseg.open_slide(path) as slide:
        assert [level.box.shape for level in slide.levels] == [
            (700, 900),
            (350, 450),
            (175, 225),
            (87, 112),
        ]
        assert slide.mpp == pytest.approx(0.5)
        pixels = slide.read_region(0, slide.levels[0].box)
    away = np.abs(pixels.astype(int) - paint_sections(700, 900, 0.5, seed=4))
    assert away.mean() < 5
    assert [each.name for each in path.parent.iterdir()] == ["demo.tiff"]


def test_a_slide_that_was_built_stands(path, tmp_path):
    assert demo_slide_stands(path)
    assert not demo_slide_stands(tmp_path / "none.tiff")


@pytest.mark.parametrize("software", ["wsiseg demo", "wsiseg demo 1", "wsiseg demo 20"])
def test_a_slide_of_another_version_does_not_stand(tmp_path, software):
    path = tmp_path / "demo.tiff"
    tifffile.imwrite(path, np.zeros((8, 9, 3), np.uint8), software=software, metadata=None)
    assert not demo_slide_stands(path)


@pytest.mark.parametrize("software", ["tifffile.py", "", None])
def test_a_slide_of_another_program_is_nobodys_to_replace(tmp_path, software):
    path = tmp_path / "demo.tiff"
    tifffile.imwrite(path, np.zeros((8, 9, 3), np.uint8), software=software, metadata=None)
    with pytest.raises(OutputExistsError, match="not built by wsiseg demo"):
        demo_slide_stands(path)
