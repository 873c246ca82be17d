"""The slide in a TIFF is its largest picture, wherever it stands."""

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

import vendor_slides as made
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.pixels import Pixels

SLIDE = made.patches()
THUMBNAIL = SLIDE[::4, ::4].copy()
LABEL = np.full((60, 200, 3), 7, np.uint8)


def write(path: Path, *pages: tuple[Pixels, dict[str, object]]) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for pixels, options in pages:
            settings = {**made.LOSSLESS, "tile": (64, 64), **options}
            writer.write(pixels, **settings)
    return path


STRIPS: dict[str, object] = {"tile": None}
REDUCED: dict[str, object] = {"subfiletype": 1}
ORDERS = {
    "thumbnail in tiles": [(THUMBNAIL, {}), (SLIDE, {}), (SLIDE[::2, ::2].copy(), REDUCED)],
    "thumbnail in strips": [(THUMBNAIL, STRIPS), (SLIDE, {}), (SLIDE[::2, ::2].copy(), REDUCED)],
    "label first": [(LABEL, STRIPS), (SLIDE, {}), (SLIDE[::2, ::2].copy(), {})],
    "macro and label first": [
        (LABEL, {"subfiletype": 9}),
        (LABEL[:40].copy(), {"subfiletype": 1}),
        (SLIDE, {}),
        (SLIDE[::2, ::2].copy(), REDUCED),
    ],
    "slide last": [(LABEL, STRIPS), (SLIDE[::2, ::2].copy(), REDUCED), (SLIDE, {})],
    "slide first": [(SLIDE, {}), (SLIDE[::2, ::2].copy(), REDUCED), (LABEL, STRIPS)],
}


def check(slide: Slide) -> None:
    assert slide.levels[0].box.shape == SLIDE.shape[:2]
    np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), SLIDE)


@pytest.mark.parametrize("order", ORDERS)
def test_the_largest_pyramid_is_the_slide(order: str, tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif", *ORDERS[order])
    with open_slide(path) as slide:
        assert slide.reader == "tifffile"
        check(slide)
        assert [level.downsample for level in slide.levels] == [1, 2]
        np.testing.assert_array_equal(slide.read_region(1, slide.levels[1].box), SLIDE[::2, ::2])
        others = sum(len(page[0]) not in (512, 256) for page in ORDERS[order])
        assert len(slide.facts.associated) == others
        assert sum("not part of it" in said for said in slide.facts.warnings) == 1
        for name in slide.facts.associated:
            assert max(slide.read_associated(name).shape[:2]) < 256
    with open_slide(path, "pillow") as slide:
        check(slide)
    if shown_by_openslide(path) == SLIDE.shape[:2]:
        with open_slide(path, "openslide") as slide:
            check(slide)
    else:
        with pytest.raises(
            ValueError,
            match=r"OpenSlide shows a page of|not a slide that OpenSlide knows",
        ):
            open_slide(path, "openslide")


def shown_by_openslide(path: Path) -> tuple[int, int] | None:
    try:
        with openslide.OpenSlide(path) as handle:
            width, height = handle.dimensions
    except openslide.OpenSlideError:
        return None
    return height, width


def test_an_aperio_slide_behind_its_thumbnail(tmp_path: Path) -> None:
    text = "Aperio Image Library v11\r\n512x512|MPP = 0.25"
    pages = [(THUMBNAIL, {**STRIPS, "description": text}), (SLIDE, {"description": text})]
    path = write(tmp_path / "slide.svs", *pages)
    for reader in ("tifffile", "pillow"):
        with open_slide(path, reader) as slide:
            check(slide)
            assert slide.mpp == 0.25
    with open_slide(path) as slide:
        assert slide.facts.associated == ("thumbnail",)
        assert "thumbnail of 128×128" in slide.facts.warnings[0]


def test_the_tags_of_the_slide_count_not_those_of_its_thumbnail(tmp_path: Path) -> None:
    def tags(mpp: float) -> dict[str, object]:
        return {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}

    path = write(tmp_path / "slide.tif", (THUMBNAIL, tags(2)), (SLIDE, tags(0.5)))
    for reader in ("tifffile", "pillow"):
        with open_slide(path, reader) as slide:
            assert slide.mpp == pytest.approx(0.5)


def test_pages_of_one_size_are_a_stack(tmp_path: Path) -> None:
    path = write(tmp_path / "slide.tif", (THUMBNAIL, {}), (SLIDE, {}), (SLIDE, {}))
    for reader in (None, "tifffile", "pillow"):
        with pytest.raises(ValueError, match="stack of 2"):
            open_slide(path, reader)


@pytest.mark.parametrize("mpp", [0.25, None])
def test_pillow_keeps_what_a_tiff_says_of_its_pixels(mpp: float | None, tmp_path: Path) -> None:
    """In a form that no other reader takes, and in one that all take."""
    tags = {} if mpp is None else {"resolution": (1e4 / mpp, 2e4 / mpp)}
    options = {"resolutionunit": "CENTIMETER" if tags else None, "metadata": None, **tags}
    tifffile.imwrite(tmp_path / "a.tif", SLIDE, photometric="rgb", **options)
    for reader in ("tifffile", "pillow"):
        with open_slide(tmp_path / "a.tif", reader) as slide:
            assert slide.mpp == (mpp and pytest.approx(mpp / 2))
            assert slide.levels[0].box.shape == ((512, 1024) if mpp else (512, 512))
            assert slide.read_region(0, Box(0, 0, 4, 4)).shape == (4, 4, 3)


def test_pillow_and_tifffile_state_one_resolution_of_all_files(data: Path) -> None:
    compared = 0
    for path in sorted((data / "slides").rglob("*.*")) + sorted((data / "reported").glob("*.*")):
        stated = []
        for reader in ("tifffile", "pillow"):
            try:
                with open_slide(path, reader) as slide:
                    stated.append((slide.mpp, slide.facts.mpp_source, slide.levels[0].box))
            except (ValueError, OSError):
                break
        if len(stated) == 2:
            compared += 1
            assert stated[0] == stated[1], path
    assert compared > 10
