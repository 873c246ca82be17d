"""Y-Net: parameters, operations, sizes of its pyramids, labels and diagnosis."""

import pytest
import torch
from torch import Tensor, nn

from lively import lively
from wsiseg.errors import ArgumentError
from wsiseg.models import create_model
from wsiseg.models.profiling import count_macs, count_parameters

FORMS = [
    (name, {"unit": unit, "align_corners": align_corners})
    for name in ("ynet", "ynet-joint")
    for unit in ("C1", "D1")
    for align_corners in (True, False)
]
ODD_SIZES = [(1, 1), (7, 9), (33, 65)]


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("ynet", "C1", 2_755_488),
        ("ynet", "D1", 7_624_608),
        ("ynet-joint", "C1", 3_913_381),
        ("ynet-joint", "D1", 9_110_437),
    ],
)
def test_parameters_are_exactly_those_of_the_authors_code(
    name: str, unit: str, expected: int
) -> None:
    assert count_parameters(create_model(name, 8, unit=unit)) == expected


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("ynet", "C1", "7.785"),
        ("ynet", "D1", "22.05"),
        ("ynet-joint", "C1", "8.236"),
        ("ynet-joint", "D1", "22.78"),
    ],
)
def test_operations_match_the_authors_code_to_the_printed_digit(
    name: str, unit: str, expected: str
) -> None:
    """Those of the joint network with the diagnosis."""
    macs = count_macs(create_model(name, 8, unit=unit), 384, 384)
    assert f"{macs / 1e9:.{len(expected.split('.')[1])}f}" == expected


def test_defaults_are_those_of_the_paper() -> None:
    network = create_model("ynet-joint", 8)
    assert network.unit == "C1"
    assert network.decoder.align_corners
    assert network.diagnosis.classifier.out_features == 5


@pytest.mark.parametrize("setting", [{"unit": "E1"}, {"align_corners": 1}, {"diagnoses": 0}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        create_model("ynet-joint", 8, **setting)


def pooled_sizes(size: tuple[int, int]) -> list[list[tuple[int, int]]]:
    """Return the sizes of the maps that each level's pyramid projects."""
    network = lively("ynet")
    seen: list[list[tuple[int, int]]] = []

    def watch(branch: nn.Module, sizes: list[tuple[int, int]]) -> None:
        branch.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[2:])))

    for pyramid in (network.decoder.pyramid1, network.decoder.pyramid2, network.decoder.pyramid3):
        seen.append([])
        for branch in pyramid.branches:
            watch(branch, seen[-1])
    with torch.no_grad():
        network(torch.zeros(1, 3, *size))
    return seen


def test_pyramids_have_the_authors_sizes_at_the_authors_size() -> None:
    assert pooled_sizes((384, 384)) == [
        [(n, n) for n in (160, 128, 96, 72)],
        [(n, n) for n in (80, 64, 48, 36)],
        [(n, n) for n in (40, 32, 24, 18)],
    ]


def test_pyramids_follow_the_size_of_other_pictures() -> None:
    assert pooled_sizes((192, 48)) == [
        [(80, 20), (64, 16), (48, 12), (36, 9)],
        [(40, 10), (32, 8), (24, 6), (18, 5)],
        [(20, 5), (16, 4), (12, 3), (9, 2)],
    ]
    assert pooled_sizes((8, 8))[-1] == [(1, 1)] * 4


@pytest.mark.parametrize("classes", [1, 2, 20])
@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_any_class_count_gives_logits_for_any_size(
    name: str, arguments: dict[str, object], classes: int
) -> None:
    network = lively(name, classes, **arguments)
    for height, width in ODD_SIZES:
        x = torch.randn(2, 3, height, width)
        with torch.no_grad():
            logits = network(x)
        assert logits.shape == (2, classes, height, width)
        assert logits.isfinite().all()


@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_odd_sizes_are_padded_with_zeros_and_cropped_back(
    name: str, arguments: dict[str, object]
) -> None:
    network = lively(name, **arguments)
    x = torch.randn(1, 3, 17, 60)
    padded = torch.zeros(1, 3, 24, 64)
    padded[..., :17, :60] = x
    with torch.no_grad():
        assert torch.equal(network(x), network(padded)[..., :17, :60])
        assert torch.equal(network.coarse(x), network(x))
        if name == "ynet-joint":
            assert torch.equal(network.diagnose(x), network.diagnose(padded))


@pytest.mark.parametrize("unit", ["C1", "D1"])
def test_labels_and_diagnosis_of_one_pass_are_those_of_two(unit: str) -> None:
    network = lively("ynet-joint", unit=unit, diagnoses=3)
    x = torch.randn(2, 3, 41, 24)
    with torch.no_grad():
        labels, diagnosis = network.label_and_diagnose(x)
        assert torch.equal(labels, network(x))
        assert torch.equal(diagnosis, network.diagnose(x))
    assert diagnosis.shape == (2, 3)


def spare(key: str) -> bool:
    return ".spare." in key


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_training_reaches_every_parameter_but_the_unused_branches(
    name: str, arguments: dict[str, object], batch: int
) -> None:
    torch.manual_seed(1)
    network = create_model(name, 4, **arguments).train()
    x = torch.randn(batch, 3, 40, 25)
    outputs: tuple[Tensor, ...] = (
        network.label_and_diagnose(x) if name == "ynet-joint" else network.supervised(x)
    )
    torch.stack([(y * torch.randn_like(y)).sum() for y in outputs]).sum().backward()
    unused = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert unused == [key for key, _ in network.named_parameters() if spare(key)]
    assert bool(unused) == (name == "ynet-joint" and arguments["unit"] == "C1")
    for key, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), key


def test_training_works_where_a_single_value_per_channel_is_left() -> None:
    network = create_model("ynet-joint", 4).train()
    labels, diagnosis = network.label_and_diagnose(torch.randn(1, 3, 8, 8))
    assert labels.isfinite().all()
    assert diagnosis.isfinite().all()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_every_form_is_traced_for_any_fitting_size(name: str, arguments: dict[str, object]) -> None:
    network = lively(name, **arguments)
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.randn(1, 3, 32, 32), check_trace=False)
        x = torch.randn(2, 3, 64, 48)
        torch.testing.assert_close(traced(x), network(x), atol=1e-4, rtol=1e-4)


def test_segmentation_form_d1_puts_coarse_maps_first_and_the_others_last() -> None:
    first = {
        (name, unit): create_model(name, 3, unit=unit).decoder.coarse_first
        for name in ("ynet", "ynet-joint")
        for unit in ("C1", "D1")
    }
    assert [form for form, coarse_first in first.items() if coarse_first] == [("ynet", "D1")]
