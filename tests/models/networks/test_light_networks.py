"""Structure of ERFNet, ENet, CGNet and DABNet: parameters, operations, sizes, gradients."""

import pytest
import torch

from lively import lively
from wsiseg.errors import ArgumentError
from wsiseg.models import create_model
from wsiseg.models.profiling import count_macs, count_parameters, receptive_field

AUTHORS, MMSEG = {"form": "authors"}, {"form": "mmseg"}
CURRENT, CAMVID = {"form": "current"}, {"form": "camvid"}

# (architecture, arguments, classes, learnable parameters)
PARAMETERS = [
    ("erfnet", AUTHORS, 20, 2_066_836),
    ("erfnet", AUTHORS, 19, 2_066_642),
    ("erfnet", MMSEG, 19, 2_084_095),
    ("enet", CURRENT, 20, 351_804),
    ("enet", CURRENT, 19, 351_660),
    ("enet", CURRENT, 12, 350_652),
    ("enet", CAMVID, 12, 359_780),
    ("cgnet", AUTHORS, 19, 496_306),
    ("cgnet", AUTHORS, 11, 494_258),
    ("cgnet", MMSEG, 19, 496_325),
    ("dabnet", {}, 19, 756_643),
]

# (architecture, arguments, classes, thousand millions at 512 × 1024)
MACS = [
    ("erfnet", AUTHORS, 20, "26.613"),
    ("erfnet", AUTHORS, 19, "26.604"),
    ("erfnet", MMSEG, 19, "29.180"),
    ("enet", CURRENT, 20, "4.056"),
    ("enet", CURRENT, 19, "4.037"),
    ("cgnet", AUTHORS, 19, "6.762"),
    ("dabnet", {}, 19, "10.220"),
]

# (architecture, arguments, output stride)
FORMS = [
    ("erfnet", AUTHORS, 1),
    ("erfnet", MMSEG, 2),
    ("enet", CURRENT, 1),
    ("enet", CAMVID, 1),
    ("cgnet", AUTHORS, 8),
    ("cgnet", MMSEG, 8),
    ("dabnet", {}, 8),
]

ODD_SIZES = [(1, 1), (7, 9), (33, 65)]


@pytest.mark.parametrize(("name", "arguments", "classes", "expected"), PARAMETERS)
def test_parameters_are_exactly_those_of_the_original_code(
    name: str, arguments: dict[str, str], classes: int, expected: int
) -> None:
    assert count_parameters(create_model(name, classes, **arguments)) == expected


@pytest.mark.parametrize(("name", "arguments", "classes", "expected"), MACS)
def test_operations_match_the_original_code_to_the_printed_digit(
    name: str, arguments: dict[str, str], classes: int, expected: str
) -> None:
    assert f"{count_macs(create_model(name, classes, **arguments)) / 1e9:.3f}" == expected


@pytest.mark.parametrize("name", sorted({name for name, _, _ in FORMS}))
def test_default_is_the_authors_form(name: str) -> None:
    (first, *_) = [arguments for known, arguments, _ in FORMS if known == name]
    wanted = create_model(name, 3, **first).state_dict()
    assert create_model(name, 3).state_dict().keys() == wanted.keys()
    if first:
        with pytest.raises(ArgumentError, match="sideways"):
            create_model(name, 3, form="sideways")


@pytest.mark.parametrize("classes", [1, 2, 19, 255])
@pytest.mark.parametrize(("name", "arguments", "stride"), FORMS)
def test_any_class_count_gives_logits_for_any_size(
    name: str, arguments: dict[str, str], stride: int, classes: int
) -> None:
    network = lively(name, classes, **arguments)
    assert network.output_stride == stride
    for height, width in ODD_SIZES:
        x = torch.randn(2, 3, height, width)
        with torch.no_grad():
            logits, coarse = network(x), network.coarse(x)
        assert logits.shape == (2, classes, height, width)
        assert coarse.shape == (2, classes, -(-height // stride), -(-width // stride))
        assert logits.isfinite().all()
        assert coarse.isfinite().all()


@pytest.mark.parametrize(("name", "arguments", "stride"), FORMS)
def test_odd_sizes_are_padded_with_zeros_and_cropped_back(
    name: str, arguments: dict[str, str], stride: int
) -> None:
    network = lively(name, **arguments)
    x = torch.randn(1, 3, 17, 60)
    padded = torch.zeros(1, 3, 24, 64)
    padded[..., :17, :60] = x
    with torch.no_grad():
        assert torch.equal(network(x), network(padded)[..., :17, :60])
        assert torch.equal(
            network.coarse(x),
            network.coarse(padded)[..., : -(-17 // stride), : -(-60 // stride)],
        )


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("classes", [1, 4, 20])
@pytest.mark.parametrize(("name", "arguments", "stride"), FORMS)
def test_training_reaches_every_parameter(
    name: str, arguments: dict[str, str], stride: int, classes: int, batch: int
) -> None:
    torch.manual_seed(1)
    network = create_model(name, classes, **arguments).train()
    outputs = network.supervised(torch.randn(batch, 3, 40, 57))
    torch.stack([(y * torch.randn_like(y)).sum() for y in outputs]).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        # Batch norm takes out a bias before it, so only rounding moves that.
        assert parameter.dim() == 1 or parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize(("name", "arguments", "stride"), FORMS)
def test_pictures_of_a_batch_do_not_know_each_other(
    name: str, arguments: dict[str, str], stride: int
) -> None:
    network = lively(name, **arguments)
    x = torch.randn(3, 3, 48, 32)
    with torch.no_grad():
        together = network(x)
        alone = torch.cat([network(picture[None]) for picture in x])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "arguments", "stride"), FORMS)
def test_every_form_is_traced_for_any_fitting_size(
    name: str, arguments: dict[str, str], stride: int
) -> None:
    network = lively(name, **arguments)
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.randn(1, 3, 32, 32), check_trace=False)
        x = torch.randn(2, 3, 64, 48)
        torch.testing.assert_close(traced(x), network(x), atol=1e-4, rtol=1e-4)


def test_encoder_of_erfnet_is_supervised_at_an_eighth() -> None:
    network = lively("erfnet")
    x = torch.randn(1, 3, 37, 64)
    with torch.no_grad():
        full, coarse = network.supervised(x)
        assert torch.equal(full, network(x))
    assert coarse.shape == (1, 6, 5, 8)
    (only,) = lively("erfnet", form="mmseg").supervised(x)
    assert only.shape == (1, 6, 37, 64)


@pytest.mark.parametrize(
    ("name", "field"), [("erfnet", 1239), ("enet", 1241), ("cgnet", None), ("dabnet", 1095)]
)
def test_receptive_field(name: str, field: int | None) -> None:
    # One gate is enough to see everything.
    depth = {"blocks2": 2, "blocks3": 2} if name == "cgnet" else {}
    assert receptive_field(lively(name, **depth)) == field


@pytest.mark.parametrize("depth", [{"blocks2": 1}, {"blocks3": 1}, {"blocks3": -1}])
def test_stages_of_cgnet_without_a_residual_block_are_refused(depth: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="at least 2"):
        create_model("cgnet", 5, **depth)


def test_depths_of_cgnet_are_those_asked_for() -> None:
    network = create_model("cgnet", 5, blocks2=4, blocks3=7)
    assert (len(network.encoder.level2), len(network.encoder.level3)) == (3, 6)
