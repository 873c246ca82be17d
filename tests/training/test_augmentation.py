"""Changes of pixels and labels together."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import hed2rgb, rgb2hed

from array_slide import noise
from labelled import placed, striped
from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.augmentation import (
    AUGMENTATIONS,
    TISSUE,
    Augmentation,
    balance_white,
    resize,
    restain,
)

STILL = Augmentation()
TURNING = Augmentation(mirror=True, flip=True, quarter_turns=True)
COLOURING = {
    "brightness": Augmentation(brightness=0.3),
    "contrast": Augmentation(contrast=0.3),
    "saturation": Augmentation(saturation=0.3),
    "hue": Augmentation(hue=0.1),
    "stain": Augmentation(stain=0.25),
    "blur": Augmentation(blur=2.0),
    "white_balance": Augmentation(white_balance=0.1),
    "sharpening": Augmentation(sharpening=1.0),
    "compression": Augmentation(compression=30),
}
ALL = replace(
    TURNING,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    hue=0.1,
    stain=0.25,
    white_balance=0.1,
    blur=2.0,
    sharpening=1.0,
    compression=30,
)

every_preset = pytest.mark.parametrize("name", AUGMENTATIONS)
every_colouring = pytest.mark.parametrize("name", COLOURING)


def change(
    how: Augmentation, pixels: Pixels, labels: Labels | None = None, seed: int = 0
) -> tuple[Pixels, Labels]:
    if labels is None:
        labels = striped(*pixels.shape[:2])
    return how(pixels, labels, np.random.default_rng(seed))


def flat(colour: tuple[int, int, int], edge: int = 4) -> Pixels:
    return np.full((edge, edge, 3), colour, np.uint8)


def seen_orientations(how: Augmentation, shape: tuple[int, int], tries: int = 400) -> list[bytes]:
    pixels = placed(*shape)
    return [change(how, pixels, seed=seed)[0].tobytes() for seed in range(tries)]


@every_preset
def test_the_same_numbers_give_the_same_tile(name: str) -> None:
    how, pixels, labels = AUGMENTATIONS[name], noise(32, 32), striped(32, 32)
    for seed in range(5):
        first, second = (change(how, pixels, labels, seed) for _ in range(2))
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_other_numbers_give_another_tile() -> None:
    pixels = noise(16, 16)
    assert len({change(TISSUE, pixels, seed=seed)[0].tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize("shape", [(24, 24), (16, 40), (40, 16)])
@pytest.mark.parametrize("how", [*AUGMENTATIONS.values(), ALL])
def test_shapes_and_types_stay(how: Augmentation, shape: tuple[int, int]) -> None:
    for seed in range(12):
        pixels, labels = change(how, noise(*shape), striped(*shape), seed)
        assert pixels.shape == (*shape, 3)
        assert labels.shape == shape
        assert pixels.dtype == labels.dtype == np.uint8
        assert pixels.flags["C_CONTIGUOUS"]
        assert labels.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("shape", [(20, 20), (12, 30)])
def test_labels_turn_with_their_pixels(shape: tuple[int, int]) -> None:
    labels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    painted = np.repeat(labels[..., None], 3, axis=2)
    for seed in range(60):
        pixels, turned = change(TURNING, painted, labels, seed)
        np.testing.assert_array_equal(pixels, np.repeat(turned[..., None], 3, axis=2))


@every_colouring
def test_labels_stay_where_only_colours_change(name: str) -> None:
    labels = striped(16, 16)
    for seed in range(10):
        np.testing.assert_array_equal(
            change(COLOURING[name], noise(16, 16), labels, seed)[1], labels
        )


@pytest.mark.parametrize(
    ("how", "shape", "count"),
    [
        (TURNING, (6, 6), 8),
        (TURNING, (6, 8), 4),
        (Augmentation(quarter_turns=True), (6, 6), 4),
        (Augmentation(quarter_turns=True), (6, 8), 2),
        (Augmentation(mirror=True), (6, 6), 2),
        (Augmentation(flip=True), (6, 6), 2),
    ],
)
def test_all_orientations_come_up_alike(
    how: Augmentation, shape: tuple[int, int], count: int
) -> None:
    seen = seen_orientations(how, shape)
    assert len(set(seen)) == count
    expected = len(seen) / count
    # Four standard deviations of a binomial distribution.
    slack = 4 * np.sqrt(expected * (1 - 1 / count))
    assert all(abs(seen.count(one) - expected) < slack for one in set(seen))


def test_a_mirror_swaps_left_and_right_and_a_flip_top_and_bottom() -> None:
    pixels = placed(6, 9)
    mirrored = seen_orientations(Augmentation(mirror=True), (6, 9))
    assert set(mirrored) == {pixels.tobytes(), pixels[:, ::-1].tobytes()}
    flipped = seen_orientations(Augmentation(flip=True), (6, 9))
    assert set(flipped) == {pixels.tobytes(), pixels[::-1].tobytes()}


@every_colouring
def test_settings_do_not_shift_each_others_numbers(name: str) -> None:
    """Turned first and coloured then, or both at once: the same tile."""
    colouring = COLOURING[name]
    strength = {name: getattr(colouring, name)}
    pixels = noise(16, 16)
    for seed in range(10):
        turned = change(TURNING, pixels, seed=seed)
        expected = change(colouring, *turned, seed)
        together = change(replace(TURNING, **strength), pixels, seed=seed)
        np.testing.assert_array_equal(together[1], expected[1])
        difference = np.abs(together[0].astype(int) - expected[0])
        # Pillow's blur rounds along one axis after the other, so turning may cost a grey level.
        assert difference.max() <= (name == "blur")


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.5, 2.0), (0.7, 0.7)])
def test_every_range_of_magnifications_draws_one_number(scale: tuple[float, float]) -> None:
    random, other = np.random.default_rng(3), np.random.default_rng(3)
    Augmentation(scale=scale).magnification(random)
    other.random()
    assert random.random() == other.random()


def test_magnifications_are_even_on_a_logarithmic_scale() -> None:
    random, how = np.random.default_rng(0), Augmentation(scale=(0.5, 2.0))
    drawn = np.array([how.magnification(random) for _ in range(4000)])
    assert 0.5 <= drawn.min() < 0.51
    assert 1.97 < drawn.max() <= 2.0
    counts = np.histogram(np.log2(drawn), bins=4, range=(-1, 1))[0]
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(1000 * 0.75)


def test_magnifications_may_be_even_in_themselves() -> None:
    random, how = np.random.default_rng(0), Augmentation(scale=(0.5, 2.0), logarithmic=False)
    drawn = np.array([how.magnification(random) for _ in range(4000)])
    counts = np.histogram(drawn, bins=4, range=(0.5, 2.0))[0]
    assert counts.sum() == 4000
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(1000 * 0.75)


@pytest.mark.parametrize("scale", [1.0, 0.3, 1.7])
def test_a_range_of_one_magnification_is_exact(scale: float) -> None:
    how = Augmentation(scale=(scale, scale))
    assert {how.magnification(np.random.default_rng(seed)) for seed in range(20)} == {scale}


def test_without_strengths_nothing_changes() -> None:
    pixels, labels = noise(17, 23), striped(17, 23)
    for seed in range(40):
        changed = change(STILL, pixels, labels, seed)
        np.testing.assert_array_equal(changed[0], pixels)
        np.testing.assert_array_equal(changed[1], labels)


@every_colouring
def test_each_strength_alone_does_something(name: str) -> None:
    pixels = noise(16, 16)
    changed = [change(COLOURING[name], pixels, seed=seed)[0] for seed in range(20)]
    unlike = [one.tobytes() != pixels.tobytes() for one in changed]
    # Every second tile is blurred or compressed, every other one sharpened; the remaining
    # settings always draw some strength.
    halved = ("blur", "sharpening", "compression")
    assert sum(unlike) >= (5 if name in halved else 19)


@pytest.mark.parametrize("name", ["contrast", "blur"])
def test_neither_contrast_nor_blur_changes_a_flat_tile(name: str) -> None:
    pixels = flat((120, 120, 120), 16)
    for seed in range(20):
        np.testing.assert_array_equal(change(COLOURING[name], pixels, seed=seed)[0], pixels)


@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_neither_saturation_nor_hue_changes_greys(name: str) -> None:
    pixels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    for seed in range(20):
        np.testing.assert_array_equal(change(COLOURING[name], pixels, seed=seed)[0], pixels)


def test_brightness_multiplies_by_one_plus_minus_its_strength() -> None:
    seen = [change(COLOURING["brightness"], flat((100,) * 3), seed=s)[0] for s in range(300)]
    assert all(len(np.unique(one)) == 1 for one in seen)
    greys = [int(one[0, 0, 0]) for one in seen]
    assert 70 <= min(greys) <= 72
    assert 128 <= max(greys) <= 130


def test_no_strength_is_too_large() -> None:
    how = Augmentation(brightness=3.0, contrast=3.0, saturation=3.0, stain=0.5, hue=2.0, blur=50.0)
    for seed in range(20):
        assert change(how, noise(8, 8), seed=seed)[0].shape == (8, 8, 3)
    dark = Augmentation(brightness=3.0)
    assert min(change(dark, flat((9, 9, 9)), seed=seed)[0].max() for seed in range(20)) == 0


def turn_of_hue(before: Pixels, after: Pixels) -> float:
    """Return by how much of the circle the first pixel's hue was turned, -0.5 to 0.5."""
    old, new = (colorsys.rgb_to_hsv(*(one[0, 0] / 255))[0] for one in (before, after))
    return (new - old + 0.5) % 1 - 0.5


def test_hues_turn_together_and_no_further_than_asked() -> None:
    colours = (flat((220, 30, 30)), flat((30, 200, 90)), flat((90, 60, 210)))
    turns = []
    for seed in range(60):
        found = [turn_of_hue(c, change(COLOURING["hue"], c, seed=seed)[0]) for c in colours]
        assert max(found) - min(found) < 0.02
        turns.append(found[0])
    assert max(map(abs, turns)) < 0.1 + 0.01
    assert max(turns) > 0.08
    assert min(turns) < -0.08


def test_hue_leaves_saturation_and_value() -> None:
    pixels = flat((200, 120, 60))
    before = colorsys.rgb_to_hsv(*(pixels[0, 0] / 255))
    for seed in range(20):
        after = colorsys.rgb_to_hsv(*(change(COLOURING["hue"], pixels, seed=seed)[0][0, 0] / 255))
        np.testing.assert_allclose(after[1:], before[1:], atol=0.02)


def test_a_blur_is_as_wide_as_it_may_be_half_of_the_time() -> None:
    pixels = np.zeros((31, 31, 3), np.uint8)
    pixels[15, 15] = 255
    changed = [change(Augmentation(blur=2.0), pixels, seed=seed)[0] for seed in range(200)]
    left = sum(np.array_equal(one, pixels) for one in changed)
    # Very small radii change nothing either.
    assert 70 <= left <= 145
    reach = max(np.abs(np.argwhere(one[..., 0]) - 15).max() for one in changed)
    assert 3 <= reach <= 8


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ({0: 74, 1: 26}, True),
        ({0: 75, 1: 25}, False),
        ({1: 59, 2: 21, IGNORED: 900}, True),
        ({3: 10, IGNORED: 5}, False),
        ({IGNORED: 8}, False),
    ],
)
def test_tiles_of_nearly_one_class_are_not_wanted(counts: dict[int, int], wanted: bool) -> None:
    labels = np.repeat(np.array([*counts], np.uint8), [*counts.values()])[None]
    assert Augmentation(dominance=0.75).wants(labels) == wanted
    assert STILL.wants(labels)


def test_restaining_by_ones_is_the_identity() -> None:
    colours = np.concatenate([noise(300, 300).reshape(-1, 3), [[0, 0, 0], [255, 255, 255]]])
    np.testing.assert_array_equal(restain(colours.astype(np.uint8), np.ones(3)), colours)


def stained(rows: int = 40) -> tuple[np.ndarray, Pixels]:
    """Return amounts of haematoxylin, eosin and DAB, and the colours that they make."""
    amounts = np.random.default_rng(2).uniform(0.005, 0.05, (rows, rows, 3))
    return amounts, np.round(hed2rgb(amounts) * 255).astype(np.uint8)


@pytest.mark.parametrize("strengths", [(1.3, 1, 1), (1, 0.7, 1), (1, 1, 1.4), (0.8, 1.2, 0.9)])
def test_restaining_is_what_scikit_image_makes_of_more_stain(
    strengths: tuple[float, float, float],
) -> None:
    amounts, pixels = stained()
    expected = hed2rgb(amounts * strengths) * 255
    restained = restain(pixels, np.asarray(strengths, float))
    assert np.abs(restained - expected).max() < 2.5
    np.testing.assert_allclose(rgb2hed(restained), amounts * strengths, atol=0.0025)


def test_glass_stays_glass_however_it_is_stained() -> None:
    glass = flat((255, 255, 255))
    np.testing.assert_array_equal(restain(glass, np.array([2.0, 0.3, 1.5])), glass)


def test_half_as_much_density_is_the_square_root() -> None:
    grey = restain(flat((63, 63, 63)), np.full(3, 0.5))
    np.testing.assert_array_equal(grey, flat((127, 127, 127)))


shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(shapes, shapes, st.integers(0, 2**32 - 1))
def test_resizing_invents_no_class(
    shape: tuple[int, int], wanted: tuple[int, int], seed: int
) -> None:
    labels = np.random.default_rng(seed).choice(np.uint8([0, 7, 90, IGNORED]), shape)
    pixels, resized = resize(noise(*shape), labels, wanted)
    assert pixels.shape == (*wanted, 3)
    assert resized.shape == wanted
    assert set(np.unique(resized)) <= set(np.unique(labels))


@pytest.mark.parametrize("wanted", [(32, 32), (64, 48), (160, 200), (77, 101), (320, 320)])
def test_resized_labels_lie_under_their_pixels(wanted: tuple[int, int]) -> None:
    labels = np.zeros((80, 100), np.uint8)
    labels[10:45, 20:75] = 1
    labels[60:, 80:] = 1
    pixels, resized = resize(np.repeat(200 * labels[..., None], 3, axis=2), labels, wanted)
    painted = pixels[..., 0]
    assert (resized[painted < 70] == 0).all()
    assert (resized[painted > 130] == 1).all()
    # A shift by one pixel would show.
    assert (resized[:, 1:][painted[:, :-1] > 130] == 0).any()


def test_a_tile_of_the_right_size_is_left_alone() -> None:
    pixels, labels = noise(9, 13), striped(9, 13)
    same = resize(pixels, labels, (9, 13))
    np.testing.assert_array_equal(same[0], pixels)
    np.testing.assert_array_equal(same[1], labels)


def test_white_balance_multiplies_each_colour_by_its_own_gain() -> None:
    how = Augmentation(white_balance=0.1)
    seen = np.array([change(how, flat((100, 100, 100)), seed=s)[0][0, 0] for s in range(300)])
    logs = np.log(seen / 100)
    assert abs(logs.mean()) < 0.02
    np.testing.assert_allclose(logs.std(axis=0), 0.1, rtol=0.15)
    assert np.abs(np.corrcoef(logs.T) - np.eye(3)).max() < 0.2


def test_no_gain_makes_anything_brighter_than_white() -> None:
    white = balance_white(flat((250, 128, 0)), np.array([1.5, 1.5, 1.5]))
    np.testing.assert_array_equal(white[0, 0], (255, 192, 0))


def test_sharpening_adds_detail_and_leaves_flat_places() -> None:
    edge = np.full((16, 16, 3), 80, np.uint8)
    edge[:, 8:] = 160
    sharpened = [change(Augmentation(sharpening=1.0), edge, seed=s)[0] for s in range(20)]
    assert max(int(np.ptp(tile)) for tile in sharpened) > 100
    for tile in sharpened:
        assert (tile[:, 0] == 80).all()
        assert (tile[:, -1] == 160).all()


def test_compression_is_that_of_jpeg_half_of_the_time() -> None:
    pixels = noise(32, 32)
    tiles = [change(Augmentation(compression=30), pixels, seed=s)[0] for s in range(200)]
    untouched = sum(np.array_equal(tile, pixels) for tile in tiles)
    assert 70 < untouched < 130
    # Noise is what JPEG keeps least of.
    assert max(float(np.abs(tile.astype(int) - pixels).mean()) for tile in tiles) > 20
