"""From 8-bit RGB to the network's input."""

import pytest
import torch
from pydantic import ValidationError

from wsiseg.models.importing.espnet import ESPNetLayout
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.normaliser import Normaliser

PUBLISHED = [IMAGENET, *ESPNetLayout.normalisations.values()]

PIXELS = torch.tensor([[[[10, 20, 30], [0, 128, 255]]]], dtype=torch.uint8)
"""Two pixels in one row."""


def every_value() -> torch.Tensor:
    """Return a picture that holds each of the 256 values in each channel."""
    return torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(1, 16, 16, 3)


def test_formula_is_applied_in_its_order() -> None:
    normalisation = Normalisation(
        mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0), divide_first=10.0, divide_last=5.0
    )
    x = normalisation.apply(PIXELS)
    assert x.shape == (1, 3, 1, 2)
    assert x.dtype == torch.float32
    for channel, (mean, std) in enumerate([(1, 2), (2, 4), (3, 8)]):
        for column in range(2):
            value = float(PIXELS[0, 0, column, channel])
            assert x[0, channel, 0, column] == pytest.approx(((value / 10 - mean) / std) / 5)


def test_bgr_turns_the_channels_round_and_leaves_the_lists_alone() -> None:
    settings = {"mean": (30.0, 20.0, 10.0), "std": (1.0, 1.0, 1.0), "divide_first": 1.0}
    blue_first = Normalisation(order="BGR", **settings).apply(PIXELS)
    assert blue_first[0, :, 0, 0].tolist() == [0.0, 0.0, 0.0]
    assert blue_first[0, :, 0, 1].tolist() == [225.0, 108.0, -10.0]
    red_first = Normalisation(order="RGB", **settings).apply(PIXELS)
    assert red_first[0, :, 0, 0].tolist() == [-20.0, 0.0, 20.0]


def test_default_is_the_imagenet_habit() -> None:
    x = IMAGENET.apply(PIXELS)
    assert x[0, 0, 0, 1] == pytest.approx(-0.485 / 0.229)
    assert x[0, 1, 0, 1] == pytest.approx((128 / 255 - 0.456) / 0.224)
    assert x[0, 2, 0, 1] == pytest.approx((1 - 0.406) / 0.225)


def test_espnet_divides_by_255_last() -> None:
    x = ESPNetLayout.normalisations["cityscapes"].apply(PIXELS)
    assert x[0, 0, 0, 0] == pytest.approx((30 - 72.3923111) / 45.3192215 / 255)
    assert x[0, 2, 0, 0] == pytest.approx((10 - 73.15840149) / 44.91483307 / 255)
    x = ESPNetLayout.normalisations["camvid"].apply(PIXELS)
    assert x[0, 0, 0, 0] == pytest.approx((30 - 110.33134258) / 72.12519708 / 255)
    assert x[0, 2, 0, 0] == pytest.approx((10 - 105.03352311) / 69.90261427 / 255)


@pytest.mark.parametrize("normalisation", PUBLISHED)
def test_folded_form_is_the_same_map(normalisation: Normalisation) -> None:
    scale, shift = normalisation.folded()
    pixels = every_value()
    folded = pixels.permute(0, 3, 1, 2).float() * scale + shift
    exact = normalisation.apply(pixels)
    assert scale.shape == shift.shape == (1, 3, 1, 1)
    # A 1000th of the step between two neighbouring 8-bit values.
    assert (folded - exact).abs().max() < 1e-3 * scale.min()


def test_pixels_stay_as_they_were() -> None:
    before = PIXELS.clone()
    IMAGENET.apply(PIXELS)
    assert torch.equal(PIXELS, before)


@pytest.mark.parametrize(
    "settings", [{"order": "GBR"}, {"mean": (1.0, 2.0)}, {"std": "x"}, {"gamma": 2.2}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Normalisation(**settings)


@pytest.mark.parametrize("normalisation", PUBLISHED)
def test_part_of_a_network_is_the_same_map(normalisation: Normalisation) -> None:
    # Another value in each channel, so that their order shows.
    pixels = every_value() * torch.tensor([1, 3, 5], dtype=torch.uint8)
    part = Normaliser(normalisation)
    torch.testing.assert_close(part(pixels), normalisation.apply(pixels), atol=1e-5, rtol=1e-5)
    assert part.state_dict() == {}
