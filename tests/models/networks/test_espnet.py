"""ESPNet and ESPNet-C: sizes, borders, and how far they see."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lively import lively
from wsiseg.errors import ArgumentError
from wsiseg.models import create_model
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.profiling import receptive_field

ARCHITECTURES = ("espnet-c", "espnet")


def build(name: str, classes: int, alpha3: int, skip: str | None) -> SegmentationNetwork:
    form = {} if skip is None else {"skip": skip}
    return create_model(name, classes, alpha2=2, alpha3=alpha3, **form)


def small(name: str) -> SegmentationNetwork:
    """Return the shallowest form."""
    return lively(name, alpha2=1, alpha3=1)


def seeing(network: SegmentationNetwork) -> SegmentationNetwork:
    """Make every logit the sum, with positive weights, of exactly those pixels that it can see.

    A picture of zeros then gives zeros, and nothing that goes in can cancel out.
    """
    for parameter in network.parameters():
        parameter.data.abs_()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.constant_(module.weight, 1.0 / 16)
    return network.double().eval()


def rows_seen_by_encoder(first: int, last: int, alpha2: int, alpha3: int) -> tuple[int, int]:
    """Return the first and last input row behind a span of rows at 1/8."""
    for _ in range(alpha3 + 1):  # the dilation of 16, in the module that shrinks as well
        first, last = first - 16, last + 16
    first, last = 2 * first - 1, 2 * last + 1
    for _ in range(alpha2 + 1):
        first, last = first - 16, last + 16
    first, last = 2 * first - 1, 2 * last + 1
    return 2 * first - 1, 2 * last + 1


def rows_seen(name: str, logit: int, alpha2: int, alpha3: int) -> tuple[int, int]:
    """Return the first and last input row that a row of logits depends on, by the paper."""
    if name == "espnet-c":
        # Bilinear: the two coarse rows whose centres lie around.
        above = (2 * logit + 1 - 8) // 16
        return rows_seen_by_encoder(above, above + 1, alpha2, alpha3)
    first, last = logit // 2 - 1, logit // 2 + 1  # a deconvolution, then 3×3 at 1/2
    first, last = first // 2 - 16, last // 2 + 16  # a deconvolution, then the pyramid at 1/4
    return rows_seen_by_encoder(first // 2, last // 2, alpha2, alpha3)


def test_strides_are_those_of_the_paper() -> None:
    assert small("espnet-c").output_stride == 8
    assert small("espnet").output_stride == 1


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("depth", [{"alpha2": 0}, {"alpha3": 0}, {"alpha2": -1}])
def test_levels_without_a_module_are_refused(name: str, depth: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="at least 1"):
        create_model(name, 5, **depth)


def test_unknown_form_of_the_skip_is_refused() -> None:
    with pytest.raises(ArgumentError, match="sideways"):
        create_model("espnet", 5, skip="sideways")


@pytest.mark.parametrize("depth", ["many", 2.5, None])
def test_depths_of_the_wrong_kind_are_refused(depth: object) -> None:
    with pytest.raises(ArgumentError, match="alpha3"):
        create_model("espnet", 5, alpha3=depth)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_full_size_and_coarse_logits_belong_together(name: str) -> None:
    network = small(name)
    x = torch.randn(1, 3, 40, 24)
    with torch.no_grad():
        resized = F.interpolate(
            network.coarse(x), size=(40, 24), mode="bilinear", align_corners=False
        )
        assert torch.equal(network(x), resized)


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("espnet", (40, 24), (40, 24)),
        ("espnet", (37, 21), (37, 21)),
        ("espnet-c", (40, 24), (5, 3)),
        ("espnet-c", (37, 21), (5, 3)),
    ],
)
def test_the_encoder_is_supervised_at_an_eighth_and_the_network_at_full_size(
    name: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    network = small(name)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        (logits,) = network.supervised(x)
        expected = network.coarse(x) if name == "espnet-c" else network(x)
    assert logits.shape == (2, 6, *shape)
    assert torch.equal(logits, expected)


def test_few_classes_keep_five_channels_up_to_the_last_deconvolution() -> None:
    for classes, width in [(1, 5), (4, 5), (5, 5), (6, 6), (20, 20)]:
        network = create_model("espnet", classes, alpha2=1, alpha3=1)
        assert network.up1.weight.shape == (width, classes, 2, 2)
        assert network.up2.weight.shape == (width, width, 2, 2)


def test_both_skip_forms_differ_in_one_convolution_only() -> None:
    shapes = [
        {key: tuple(value.shape) for key, value in build("espnet", 7, 3, skip).state_dict().items()}
        for skip in ("test", "train")
    ]
    different = {key for key in shapes[0] if shapes[0][key] != shapes[1][key]}
    assert shapes[0].keys() == shapes[1].keys()
    assert {shapes[0][key] for key in different} == {(7, 7 + 16, 3, 3)}
    assert {shapes[1][key] for key in different} == {(7, 7 + 19, 3, 3)}


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (7, 10), (64, 32)])
def test_shrinking_is_average_pooling_with_zeros_around(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    shrink = small("espnet-c").encoder.shrink
    assert not list(shrink.parameters())
    torch.testing.assert_close(shrink(x), F.avg_pool2d(x, 3, stride=2, padding=1))


@pytest.mark.parametrize(
    ("name", "alpha2", "alpha3"),
    [("espnet", 1, 1), ("espnet", 2, 3), ("espnet-c", 1, 1), ("espnet-c", 2, 8)],
)
def test_receptive_field_is_the_papers(name: str, alpha2: int, alpha3: int) -> None:
    spans = [rows_seen(name, logit, alpha2, alpha3) for logit in range(8)]
    widest = max(last - first + 1 for first, last in spans)
    assert receptive_field(create_model(name, 5, alpha2=alpha2, alpha3=alpha3)) == widest


def test_receptive_field_of_the_shallowest_network_is_919_pixels() -> None:
    assert receptive_field(small("espnet")) == 919


def logits_lit_by(network: SegmentationNetwork, length: int, rows: list[int]) -> Tensor:
    """Tell, for each of `rows` lit alone in a dark picture, which rows of logits are not dark."""
    pictures = torch.zeros(len(rows), 3, length, 8, dtype=torch.float64)
    for picture, row in zip(pictures, rows, strict=True):
        picture[:, row] = 1.0
    with torch.no_grad():
        lit: Tensor = (network(pictures) != 0).any(dim=3).any(dim=1)
    return lit


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logit_changes_with_the_last_pixel_of_its_field_and_not_with_the_next(name: str) -> None:
    network = seeing(small(name))
    length = 1200
    for logit in (600, 605, 607):
        first, last = rows_seen(name, logit, 1, 1)
        lit = logits_lit_by(network, length, [first - 1, first, last, last + 1])
        assert lit[:, logit].tolist() == [False, True, True, False]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_no_pixel_reaches_further_than_the_receptive_field_says(name: str) -> None:
    network = seeing(small(name))
    field = receptive_field(network.float())
    assert field is not None
    rows = list(range(1000, 1008))
    lit = logits_lit_by(network.double(), 2000, rows)
    behind: dict[int, list[int]] = {}
    for row, hit in zip(rows, lit, strict=True):
        for logit in hit.nonzero().flatten().tolist():
            # Shifting by the input multiple maps all of them onto the eight logits 1000 to 1007.
            shift = (logit - 1000) // 8 * 8
            behind.setdefault(logit - shift, []).append(row - shift)
    assert sorted(behind) == rows
    assert max(max(seen) - min(seen) + 1 for seen in behind.values()) == field


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_content_shifted_by_the_input_multiple_shifts_the_logits(name: str) -> None:
    network = small(name)
    field = receptive_field(network)
    assert field is not None
    margin, shift = field // 2 + 8, network.input_multiple
    height = 2 * margin + 64
    generator = torch.Generator().manual_seed(4)
    long = torch.randn(1, 3, height + shift, 16, generator=generator)
    with torch.no_grad():
        here, there = network(long[:, :, :height]), network(long[:, :, shift:])
    inner = there[:, :, margin - shift : height - margin - shift]
    expected = here[:, :, margin : height - margin]
    assert expected.shape[2] == 64
    torch.testing.assert_close(inner, expected, atol=1e-5, rtol=1e-4)
    # Near the border the padding shows, so the comparison above can fail.
    assert not torch.allclose(there[:, :, :8], here[:, :, shift : shift + 8], atol=1e-3)
    for one, other in itertools.pairwise(range(0, 64, 16)):
        assert not torch.equal(expected[:, :, one], expected[:, :, other])


def test_a_width_keeps_all_but_the_last_layer_for_other_classes():
    streets, tissue = create_model("espnet", 20), create_model("espnet", 3, width=20)
    assert streets.shared_arguments == {"width": 20}
    differing = [
        name
        for (name, one), other in zip(
            streets.state_dict().items(), tissue.state_dict().values(), strict=True
        )
        if one.shape != other.shape
    ]
    assert differing == ["up1.weight"]
    assert tissue(torch.zeros(1, 3, 40, 24)).shape == (1, 3, 40, 24)
    with pytest.raises(ArgumentError, match="at least 5"):
        create_model("espnet", 3, width=4)
