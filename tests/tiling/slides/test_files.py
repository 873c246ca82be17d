"""What counts as a picture or slide in a folder, by name."""

from pathlib import Path

import pytest

from wsiseg.tiling.slides.files import LOSSLESS, is_picture, may_be_slide, sample_name, visible


def test_what_nobody_put_there_is_not_seen(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.png", "._a.png", ".DS_Store", "Thumbs.db", "desktop.ini", "~$a.tif"):
        (tmp_path / name).touch()
    for name in ("__MACOSX", "@eaDir", ".cache", "c"):
        (tmp_path / name).mkdir()
    assert [path.name for path in visible(tmp_path)] == ["a.png", "b.PNG", "c"]


def test_pictures_are_told_by_their_ending_whatever_its_case(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "linked.png").symlink_to(tmp_path / "folder.png")
    assert is_picture(tmp_path / "a.PNG")
    assert is_picture(tmp_path / "a.Jpeg")
    assert not is_picture(tmp_path / "a.jpeg", LOSSLESS)
    assert not is_picture(tmp_path / "a.svs")
    assert not is_picture(tmp_path / "folder.png")
    assert not is_picture(tmp_path / "linked.png")


def test_whatever_is_not_known_to_be_something_else_may_be_a_slide(tmp_path: Path) -> None:
    assert may_be_slide(tmp_path / "a.svs")
    assert may_be_slide(tmp_path / "IM0001")
    assert not may_be_slide(tmp_path / "a.GEOJSON")
    assert not may_be_slide(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.svs", "a"),
        ("a.b.svs", "a.b"),
        ("a.ome.zarr", "a"),
        ("a.OME.TIF", "a"),
        ("a.geojson.gz", "a"),
        ("a", "a"),
        ("e\u0301.svs", "\u00e9"),
    ],
)
def test_a_name_ends_before_its_ending(name: str, stem: str) -> None:
    assert sample_name(name) == stem
