"""Slides that are not what a checkpoint was trained on are refused, unless they are forced."""

from pathlib import Path

import numpy as np
import pytest

from array_slide import ArraySlide, noise
from tiny import tiny_checkpoint
from wsiseg.errors import ResolutionError, UnsuitableSlideError
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan, make_plan
from wsiseg.tiling import open_slide
from wsiseg.tiling.dark_field import is_dark_field
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.tissue import read_overview

DAPI = "slides/slideio/test3-DAPI-2-(387).ndpi"


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(tiny_checkpoint(), choose_runtime("torch", "cpu"))


def stained(height: int = 400, width: int = 500, seed: int = 0) -> Pixels:
    """Return what haematoxylin and eosin look like, without any glass."""
    random = np.random.default_rng(seed)
    colours = np.array([(215, 150, 190), (150, 90, 160), (230, 190, 215)], np.uint8)
    return colours[random.integers(0, 3, (height, width))]


def glowing(*, dye: tuple[int, int, int], share: float = 0.1, seed: int = 0) -> Pixels:
    """Return spots of a dye on a dark ground with some noise."""
    random = np.random.default_rng(seed)
    spots = np.kron(random.random((50, 60)) < share, np.ones((8, 8)))
    strength = spots * random.uniform(0.3, 1, spots.shape)
    lit = strength[..., None] * np.asarray(dye) + random.integers(0, 12, (*spots.shape, 3))
    return lit.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("dye", [(0, 0, 255), (0, 255, 0), (255, 40, 0), (120, 120, 120)])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_dyes_on_a_dark_ground_are_dark_field(dye: tuple[int, int, int], share: float) -> None:
    assert is_dark_field(glowing(dye=dye, share=share))


def framed(pixels: Pixels, frame: int) -> Pixels:
    return np.pad(pixels, ((frame, frame), (frame, frame), (0, 0)))


def brown(necrotic: float = 0.0) -> Pixels:
    """Return dark DAB on a counterstain with some glass, part of it almost black."""
    pixels = np.full((300, 400, 3), (235, 235, 232), np.uint8)
    pixels[40:260, 40:360] = (70, 45, 30)
    pixels[40 : 40 + int(220 * necrotic), 40:360] = (25, 18, 15)
    return pixels


@pytest.mark.parametrize(
    "pixels",
    [
        stained(),
        framed(stained(), 200),
        framed(stained(), 400),
        framed(brown(), 150),
        brown(),
        brown(0.9),
        noise(100, 80),
        np.zeros((50, 60, 3), np.uint8),
        np.full((50, 60, 3), 255, np.uint8),
    ],
    ids=[
        "h&e",
        "frame",
        "wide frame",
        "dab in a frame",
        "dab",
        "necrosis",
        "noise",
        "black",
        "white",
    ],
)
def test_what_light_passed_through_is_not(pixels: Pixels) -> None:
    assert not is_dark_field(pixels)


def plan_of(predictor: Predictor, slide: ArraySlide, **options: object) -> Plan:
    return make_plan(slide, predictor, SegmentOptions(**options))


def test_dark_field_is_refused_and_can_be_forced(predictor: Predictor) -> None:
    slide = ArraySlide(glowing(dye=(0, 0, 255)), mpp=0.5)
    for tissue in ("auto", "none"):
        with pytest.raises(UnsuitableSlideError, match=r"fluorescence.*`force`"):
            plan_of(predictor, slide, tissue=tissue)
        (said,) = plan_of(predictor, slide, tissue=tissue, force=True).warnings
        assert "fluorescence" in said
    # A picture that is taken as it is may be of the night.
    with pytest.raises(UnsuitableSlideError):
        plan_of(predictor, slide, tissue="none", level=0)
    # A street at night has no µm per pixel.
    picture = ArraySlide(slide.read_region(0, slide.levels[0].box), mpp=None)
    said = plan_of(predictor, picture, tissue="none", level=0).warnings
    assert not any("dark" in text for text in said)


def test_a_resolution_far_off_is_said_or_refused(predictor: Predictor) -> None:
    for mpp, says in ((0.5, None), (0.7, None), (0.3, "1.7 times off"), (1.5, "3.0 times off")):
        warnings = plan_of(predictor, ArraySlide(noise(90, 90), mpp=mpp), level=0).warnings
        assert (says is None and not warnings) or says in warnings[0]
    far = ArraySlide(noise(90, 90), mpp=0.1)
    with pytest.raises(ResolutionError, match=r"5.0 times off.*`force`"):
        plan_of(predictor, far, level=0)
    assert "5.0 times off" in plan_of(predictor, far, level=0, force=True).warnings[0]
    with pytest.raises(ResolutionError, match=r"4\.8 times off"):
        plan_of(predictor, far, mpp=2.4)
    # What is enlarged shows no more than the slide has.
    with pytest.raises(ResolutionError, match=r"16\.0 times off"):
        plan_of(predictor, ArraySlide(noise(90, 90), mpp=8.0))
    # And is not what the network was trained on either.
    near = ArraySlide(noise(90, 90), mpp=0.5)
    with pytest.raises(ResolutionError, match=r"see 0\.1 µm per pixel, 5\.0 times off"):
        plan_of(predictor, near, mpp=0.1)
    assert "3.3 times off" in plan_of(predictor, near, mpp=0.15).warnings[0]


def test_of_the_slides_at_hand_only_fluorescence_is_dark(data: Path) -> None:
    dark = set()
    for path in sorted((data / "slides").rglob("*.*")):
        if path.suffix in (".svs", ".tif", ".tiff", ".ndpi", ".jpg", ".dcm"):
            try:
                with open_slide(path) as slide:
                    if is_dark_field(read_overview(slide)[0]):
                        dark.add(str(path.relative_to(data)))
            except (ValueError, OSError):
                continue
    assert dark == {DAPI}
