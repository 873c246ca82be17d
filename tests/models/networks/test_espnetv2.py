"""ESPNetv2 with both decoders: sizes, costs, borders, and what training compares."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wsiseg.errors import ArgumentError
from wsiseg.models import create_model
from wsiseg.models.layers.efficient_pyramid import SCALES, EfficientPyramid
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.profiling import count_macs, count_parameters, receptive_field
from wsiseg.models.registry import find_architecture

# (decoder, width, learnable parameters with 20, 19 and for VOC 21 classes)
PARAMETERS = [
    ("edgenets", 0.5, (80_342, 79_452, 80_353)),
    ("edgenets", 1.0, (234_010, 232_992, 234_021)),
    ("edgenets", 1.25, (343_106, 342_024, 343_117)),
    ("edgenets", 1.5, (468_362, 467_216, 468_373)),
    ("edgenets", 2.0, (789_242, 787_968, 789_253)),
    ("standalone", 0.5, (99_418, 99_222)),
    ("standalone", 1.0, (340_782, 340_474)),
    ("standalone", 1.25, (515_038, 514_682)),
    ("standalone", 1.5, (725_166, 724_762)),
    ("standalone", 2.0, (1_253_038, 1_252_538)),
]

# (decoder, width, thousand millions at 512 × 1024 with 20 classes)
MACS = [
    ("edgenets", 0.5, "0.596"),
    ("edgenets", 1.0, "1.085"),
    ("edgenets", 1.25, "1.409"),
    ("edgenets", 1.5, "1.713"),
    ("edgenets", 2.0, "2.698"),
    ("standalone", 0.5, "0.564"),
    ("standalone", 1.0, "1.689"),
    ("standalone", 1.25, "2.445"),
    ("standalone", 1.5, "3.361"),
    ("standalone", 2.0, "5.671"),
]

DECODERS = ("edgenets", "standalone")
ODD_SIZES = [(1, 1), (7, 9), (33, 65)]
UNUSED = {f"encoder.down{level}.pyramid.act.weight" for level in (2, 3, 4)}


def small(
    decoder: str, classes: int = 6, seed: int = 0, **arguments: object
) -> SegmentationNetwork:
    """Return the narrowest form with batch norms that do something, in evaluation mode."""
    torch.manual_seed(seed)
    network = create_model("espnetv2", classes, width=0.5, decoder=decoder, **arguments)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.uniform_(module.bias, 0.2, 1.0)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.2, 1.0)
    return network.eval()


@pytest.mark.parametrize(("decoder", "width", "expected"), PARAMETERS)
def test_parameters_are_exactly_those_of_the_authors_code(
    decoder: str, width: float, expected: tuple[int, ...]
) -> None:
    for classes, count in zip((20, 19, 21), expected, strict=False):
        network = create_model("espnetv2", classes, width=width, decoder=decoder)
        assert count_parameters(network) == count


@pytest.mark.parametrize(("decoder", "width", "expected"), MACS)
def test_operations_match_the_authors_code_to_the_printed_digit(
    decoder: str, width: float, expected: str
) -> None:
    network = create_model("espnetv2", 20, width=width, decoder=decoder)
    assert f"{count_macs(network) / 1e9:.3f}" == expected


def test_default_is_width_one_with_the_decoder_of_edgenets() -> None:
    assert count_parameters(create_model("espnetv2", 20)) == 234_010


def test_settings_choose_width_and_decoder() -> None:
    settings = find_architecture("espnetv2").parse({"width": "2.0", "decoder": "standalone"})
    assert count_parameters(create_model("espnetv2", 20, **settings)) == 1_253_038


@pytest.mark.parametrize("width", [0.0, 0.75, 3.0, -1.0, math.nan])
def test_widths_that_were_never_published_are_refused(width: float) -> None:
    with pytest.raises(ArgumentError, match=r"one of 0\.5, 1\.0, 1\.25, 1\.5, 2\.0"):
        create_model("espnetv2", 5, width=width)


@pytest.mark.parametrize("arguments", [{"pyramid": -1}, {"pyramid": 10, "decoder": "standalone"}])
def test_pyramids_that_make_no_sense_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match="pyramid"):
        create_model("espnetv2", 5, **arguments)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("classes", [-1, 0, 256])
def test_class_counts_that_a_mask_cannot_hold_are_refused(decoder: str, classes: int) -> None:
    with pytest.raises(ArgumentError, match=rf"1 to 255, got {classes}"):
        create_model("espnetv2", classes, decoder=decoder)


@pytest.mark.parametrize("classes", [1, 2, 3, 8, 255])
@pytest.mark.parametrize("decoder", DECODERS)
def test_any_class_count_gives_logits_for_any_size(decoder: str, classes: int) -> None:
    network = small(decoder, classes)
    for size in ODD_SIZES:
        x = torch.randn(2, 3, *size)
        with torch.no_grad():
            logits = network(x)
            assert torch.equal(network.coarse(x), logits)
        assert logits.shape == (2, classes, *size)
        assert logits.isfinite().all()
        assert logits.dtype == torch.float32


@pytest.mark.parametrize(
    ("classes", "width"), [(1, 1), (2, 1), (3, 1), (4, 2), (20, 10), (33, 16), (255, 16)]
)
def test_pyramids_are_half_as_wide_as_there_are_classes(classes: int, width: int) -> None:
    network = create_model("espnetv2", classes, width=0.5)
    widths = {m.merge.conv.out_channels for m in network.modules() if type(m) is EfficientPyramid}
    assert widths == {width}


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("size", [*ODD_SIZES, (48, 41), (17, 64)])
def test_odd_sizes_are_padded_with_zeros_and_cropped_back(
    decoder: str, size: tuple[int, int]
) -> None:
    network = small(decoder)
    height, width = size
    x = torch.randn(1, 3, height, width)
    padded = torch.zeros(1, 3, -(-height // 16) * 16, -(-width // 16) * 16)
    padded[..., :height, :width] = x
    with torch.no_grad():
        assert torch.equal(network(x), network(padded)[..., :height, :width])


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


@pytest.mark.parametrize("classes", [1, 5, 20])
@pytest.mark.parametrize(("batch", "size"), [(1, (40, 56)), (2, (16, 16))])
@pytest.mark.parametrize("decoder", DECODERS)
def test_one_backward_pass_reaches_every_parameter_that_the_authors_use(
    decoder: str, batch: int, size: tuple[int, int], classes: int
) -> None:
    torch.manual_seed(1)
    network = create_model("espnetv2", classes, width=0.5, decoder=decoder).train()
    outputs = network.supervised(torch.randn(batch, 3, *size))
    sum((logits * torch.randn_like(logits)).sum() for logits in outputs).backward()
    without = {key for key, parameter in network.named_parameters() if parameter.grad is None}
    assert without == UNUSED
    for key, parameter in network.named_parameters():
        if key not in UNUSED:
            assert parameter.grad.isfinite().all(), key
            assert parameter.grad.abs().max() > 0, key


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


@pytest.mark.parametrize("decoder", DECODERS)
def test_pictures_of_a_batch_do_not_know_each_other(decoder: str) -> None:
    network = small(decoder)
    x = torch.randn(3, 3, 48, 32)
    with torch.no_grad():
        together = network(x)
        alone = torch.cat([network(picture[None]) for picture in x])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5), (16, 24), (50, 7)])
def test_scales_of_a_pyramid_are_rounded_up_and_at_least_five(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    pyramid = EfficientPyramid(4, 6, 2).eval()
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
    pyramid = EfficientPyramid(4, 6, 2, even=True).eval()
    x = torch.randn(2, 4, *size)
    with torch.no_grad():
        plain = pyramid(x)
        pyramid.even = False
        torch.testing.assert_close(plain, pyramid(x), atol=1e-6, rtol=1e-5)


def test_only_maps_that_are_surely_even_are_pooled_plainly() -> None:
    network = small("edgenets")
    sizes: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, EfficientPyramid) and module.even:
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


@pytest.mark.parametrize("width", [0.5, 2.0])
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_traced_network_takes_other_sizes(decoder: str, width: float) -> None:
    torch.manual_seed(0)
    network = create_model("espnetv2", 4, width=width, decoder=decoder).eval()
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.randn(1, 3, 32, 32), check_trace=False)
        for size in [(16, 48), (208, 96)]:
            x = torch.randn(2, 3, *size)
            torch.testing.assert_close(traced(x), network(x), atol=1e-5, rtol=1e-5)
