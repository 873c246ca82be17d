"""ESPNetv2 with both decoders: sizes, borders, and what training compares."""

import math

import pytest
import torch
import torch.nn.functional as F

from lively import lively
from wsiseg.errors import ArgumentError
from wsiseg.models import create_model
from wsiseg.models.networks.espnetv2 import SCALES, EfficientPyrPool
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.profiling import receptive_field

DECODERS = ("edgenets", "standalone")
UNUSED = {f"encoder.down{level}.pyramid.act.weight" for level in (2, 3, 4)}


def small(decoder: str) -> SegmentationNetwork:
    """Return the narrowest form."""
    return lively("espnetv2", width=0.5, decoder=decoder)


@pytest.mark.parametrize("width", [0.0, 0.75, 3.0, -1.0, math.nan])
def test_widths_that_were_never_published_are_refused(width: float) -> None:
    with pytest.raises(ArgumentError, match=r"one of 0\.5, 1\.0, 1\.25, 1\.5, 2\.0"):
        create_model("espnetv2", 5, width=width)


@pytest.mark.parametrize("arguments", [{"pyramid": -1}, {"pyramid": 10, "decoder": "standalone"}])
def test_pyramids_that_make_no_sense_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match="pyramid"):
        create_model("espnetv2", 5, **arguments)


@pytest.mark.parametrize(
    ("classes", "width"), [(1, 1), (2, 1), (3, 1), (4, 2), (20, 10), (33, 16), (255, 16)]
)
def test_pyramids_are_half_as_wide_as_there_are_classes(classes: int, width: int) -> None:
    network = create_model("espnetv2", classes, width=0.5)
    widths = {m.merge.conv.out_channels for m in network.modules() if type(m) is EfficientPyrPool}
    assert widths == {width}


def test_training_compares_the_deepest_logits_of_the_standalone_form_as_well() -> None:
    network = small("standalone")
    x = torch.randn(2, 3, 37, 53)
    seen: list[torch.Tensor] = []
    handle = network.decoder.project3.register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        main, auxiliary = network.supervised(x)
        assert torch.equal(main, network(x))
    handle.remove()
    assert main.shape == auxiliary.shape == (2, 6, 37, 53)
    # From 6 × 8 to 48 × 64, three times by two, corners aligned.
    expected = seen[0]
    assert expected.shape == (2, 6, 6, 8)
    for factor in (2, 4, 8):
        size = (6 * factor, 8 * factor)
        expected = F.interpolate(expected, size=size, mode="bilinear", align_corners=True)
    torch.testing.assert_close(auxiliary, expected[..., :37, :53])


def test_training_compares_one_result_of_the_form_of_edgenets() -> None:
    network = small("edgenets")
    x = torch.randn(2, 3, 37, 53)
    with torch.no_grad():
        (logits,) = network.supervised(x)
        assert torch.equal(logits, network(x))


@pytest.mark.parametrize("decoder", DECODERS)
def test_slopes_behind_strided_pyramids_change_nothing(decoder: str) -> None:
    network = small(decoder)
    x = torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        before = network(x)
        for key, parameter in network.named_parameters():
            if key in UNUSED:
                parameter.fill_(torch.nan)
        assert torch.equal(network(x), before)


@pytest.mark.parametrize("shape", [(3, 5), (16, 24), (50, 7)])
def test_scales_of_a_pyramid_are_rounded_up_and_at_least_five(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    pyramid = EfficientPyrPool(4, 6, 2).eval()
    sizes: list[tuple[int, ...]] = []
    for branch in pyramid.branches:
        branch.register_forward_hook(lambda *call: sizes.append(tuple(call[2].shape[2:])))
    with torch.no_grad():
        assert pyramid(torch.randn(1, 4, *shape)).shape == (1, 6, *shape)
    full = (1, 1)
    expected = [
        shape if scale == full else tuple(max(5, math.ceil(e * scale[0] / scale[1])) for e in shape)
        for scale in SCALES
    ]
    assert sizes == expected


@pytest.mark.parametrize("size", [(4, 4), (6, 10), (16, 24), (40, 4)])
def test_plain_pooling_of_even_maps_is_adaptive_pooling(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    pyramid = EfficientPyrPool(4, 6, 2, even=True).eval()
    x = torch.randn(2, 4, *size)
    with torch.no_grad():
        plain = pyramid(x)
        pyramid.even = False
        torch.testing.assert_close(plain, pyramid(x), atol=1e-6, rtol=1e-5)


def test_only_maps_that_are_surely_even_are_pooled_plainly() -> None:
    network = small("edgenets")
    sizes: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, EfficientPyrPool) and module.even:
            module.register_forward_pre_hook(lambda _, call: sizes.append(tuple(call[0].shape[2:])))
    with torch.no_grad():
        network(torch.zeros(1, 3, 1, 17))
    assert sizes == [(4, 8), (8, 16)]


def test_gates_see_the_whole_picture_and_the_standalone_form_does_not() -> None:
    assert receptive_field(small("edgenets"), limit=1024) is None
    assert receptive_field(small("standalone")) is not None


def test_a_pyramid_width_keeps_all_but_the_last_layer_for_other_classes() -> None:
    streets = create_model("espnetv2", 20)
    assert streets.shared_arguments == {"pyramid": 10}
    tissue = create_model("espnetv2", 3, pyramid=10)
    differing = [
        name
        for (name, one), other in zip(
            streets.state_dict().items(), tissue.state_dict().values(), strict=True
        )
        if one.shape != other.shape
    ]
    assert differing == [f"decoder.pyramid1.expand.{kind}" for kind in ("weight", "bias")]
    assert tissue(torch.zeros(2, 3, 40, 24)).shape == (2, 3, 40, 24)
    assert not create_model("espnetv2", 20, decoder="standalone").shared_arguments


@pytest.mark.parametrize("decoder", DECODERS)
def test_encoders_of_both_forms_are_alike(decoder: str) -> None:
    network = create_model("espnetv2", 4, width=1.5, decoder=decoder)
    shapes = {key: value.shape for key, value in network.encoder.state_dict().items()}
    other = create_model("espnetv2", 9, width=1.5).encoder.state_dict()
    assert shapes == {key: value.shape for key, value in other.items()}
