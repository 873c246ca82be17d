"""Structure of the networks on ResNets and VGG: sizes, gradients, heads."""

import pytest
import torch
from torch import nn

from lively import lively
from wsiseg.errors import ArgumentError
from wsiseg.models import create_model
from wsiseg.models.profiling import count_parameters, receptive_field

LIMINN = {"form": "authors", "backbone": "resnet50"}
MMSEG18 = {"form": "mmseg", "backbone": "resnet18"}
CAFFE = {"form": "caffe"}
FIFTY = {"backbone": "resnet50"}
NARROW = {"width": 64}

# (architecture, arguments, output stride, strides of what training compares)
FORMS = [
    ("icnet", {}, 4, (4, 8, 16)),
    ("icnet", {"backbone": "resnet18"}, 4, (4, 8, 16)),
    ("icnet", MMSEG18, 8, (8, 8, 16)),
    ("icnet", CAFFE, 4, (4, 8, 16)),
    ("bisenetv1", {}, 8, (1, 8, 16)),
    ("pspnet", FIFTY, 8, (1, 8)),
    ("deeplabv2", {}, 8, (8,)),
    ("fcn8s", NARROW, 8, (1,)),
    ("segnet", {}, 1, (1,)),
    ("sqnet", {}, 1, (1,)),
]

# (architecture, width of the receptive field in pixels, None for the whole picture)
FIELDS = [("sqnet", 337), ("icnet", None), ("bisenetv1", None)]


def test_last_resize_of_icnet_aligns_corners_where_its_authors_align_them() -> None:
    x = torch.randn(1, 3, 64, 64)
    for arguments, aligned in ((LIMINN, True), (CAFFE, True), (MMSEG18, False)):
        network = lively("icnet", 3, **arguments)
        with torch.no_grad():
            logits, coarse = network(x), network.coarse(x)
        corners = (..., [0, -1], [0, -1])
        assert torch.allclose(logits[corners], coarse[corners], atol=1e-5)
        expected = nn.functional.interpolate(
            coarse, size=(64, 64), mode="bilinear", align_corners=aligned
        )
        torch.testing.assert_close(logits, expected)


def test_default_of_icnet_is_the_authors_form_with_fifty_layers() -> None:
    with torch.device("meta"):
        network, wanted = create_model("icnet", 3), create_model("icnet", 3, **LIMINN)
    assert network.state_dict().keys() == wanted.state_dict().keys()


@pytest.mark.parametrize("backbone", ["resnet18", "resnet101"])
def test_caffes_form_of_icnet_has_one_backbone(backbone: str) -> None:
    with pytest.raises(ArgumentError, match=f"got {backbone}"):
        create_model("icnet", 3, form="caffe", backbone=backbone)


def test_fcn_has_the_parameters_that_are_quoted_with_a_learnt_last_enlargement() -> None:
    with torch.device("meta"):
        network = create_model("fcn8s", 21)
    # SegNet's authors count 134.5 million (Badrinarayanan et al., TPAMI 2017, table 6).
    assert f"{(count_parameters(network) + 16**2 * 21**2) / 1e6:.1f}" == "134.5"


def test_fcn_begins_with_bilinear_enlargement() -> None:
    network = create_model("fcn8s", 5, width=8)
    x = torch.randn(2, 5, 6, 7)
    expected = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    for layer in (network.up8, network.up16):
        with torch.no_grad():
            enlarged = layer(x)
        # Beyond the border it sees zeros.
        inner = (..., slice(1, -1), slice(1, -1))
        torch.testing.assert_close(enlarged[inner], expected[inner])


@pytest.mark.parametrize("width", [0, -1])
def test_fcn_needs_a_width(width: int) -> None:
    with pytest.raises(ArgumentError, match="at least 1"):
        create_model("fcn8s", 3, width=width)


@pytest.mark.parametrize(("name", "arguments"), [("fcn8s", {"width": 512}), ("sqnet", {})])
def test_networks_without_batch_norm_begin_with_logits_of_their_pixels_size(
    name: str, arguments: dict[str, int]
) -> None:
    torch.manual_seed(0)
    network = create_model(name, 4, **arguments).eval()
    with torch.no_grad():
        spread = float(network(torch.randn(1, 3, 96, 96)).std())
    assert 0.1 < spread < 10


@pytest.mark.parametrize(("name", "arguments", "stride", "supervised"), FORMS)
def test_heads_answer_at_their_strides(
    name: str, arguments: dict[str, str], stride: int, supervised: tuple[int, ...]
) -> None:
    network = create_model(name, 3, **arguments).eval()
    assert network.output_stride == stride
    height, width = network.input_multiple + 7, 2 * network.input_multiple - 1
    with torch.no_grad():
        outputs = network.supervised(torch.randn(1, 3, height, width))
    sizes = [(1, 3, -(-height // s), -(-width // s)) for s in supervised]
    assert [tuple(logits.shape) for logits in outputs] == sizes


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_receptive_field(name: str, field: int | None) -> None:
    assert receptive_field(create_model(name, 3)) == field
