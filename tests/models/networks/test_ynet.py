"""Y-Net: sizes of its pyramids, labels and diagnosis."""

import pytest
import torch
from torch import nn

from gradients import assert_reached, learn_from
from lively import lively
from wsiseg.errors import ArgumentError
from wsiseg.models import create_model


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


@pytest.mark.parametrize("unit", ["C1", "D1"])
def test_labels_and_diagnosis_of_one_pass_are_those_of_two(unit: str) -> None:
    network = lively("ynet-joint", unit=unit, diagnoses=3)
    x = torch.randn(2, 3, 41, 24)
    with torch.no_grad():
        labels, diagnosis = network.label_and_diagnose(x)
        assert torch.equal(labels, network(x))
        assert torch.equal(diagnosis, network.diagnose(x))
    assert diagnosis.shape == (2, 3)


@pytest.mark.parametrize("unit", ["C1", "D1"])
def test_training_of_both_reaches_every_parameter_but_the_unused_branches(unit: str) -> None:
    torch.manual_seed(1)
    network = create_model("ynet-joint", 4, unit=unit).train()
    learn_from(network.label_and_diagnose(torch.randn(2, 3, 40, 25)))
    assert_reached(network, r".*\.spare\.weight")
    spare = [key for key, _ in network.named_parameters() if ".spare." in key]
    assert bool(spare) == (unit == "C1")


def test_training_works_where_a_single_value_per_channel_is_left() -> None:
    network = create_model("ynet-joint", 4).train()
    labels, diagnosis = network.label_and_diagnose(torch.randn(1, 3, 8, 8))
    assert labels.isfinite().all()
    assert diagnosis.isfinite().all()


def test_segmentation_form_d1_puts_coarse_maps_first_and_the_others_last() -> None:
    first = {
        (name, unit): create_model(name, 3, unit=unit).decoder.coarse_first
        for name in ("ynet", "ynet-joint")
        for unit in ("C1", "D1")
    }
    assert [form for form, coarse_first in first.items() if coarse_first] == [("ynet", "D1")]
