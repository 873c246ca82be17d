"""Structure of RDRNet, DDRNet and PIDNet: sizes, gradients, paths."""

import pytest
import torch
from torch import Tensor, nn

from lively import lively
from wsiseg.models import create_model
from wsiseg.models.folding import merge_paths
from wsiseg.models.networks.supervision import LogitsWithBoundaries
from wsiseg.models.profiling import count_parameters, receptive_field

NAMES = [
    *(f"rdrnet-{size}" for size in ("s-simple", "s", "m", "l")),
    *("ddrnet23-slim", "ddrnet23"),
    *(f"pidnet-{size}" for size in "sml"),
]
SMALL = ["rdrnet-s-simple", "ddrnet23-slim", "pidnet-s"]
CONTEXTS = ["rppm", "ppm", "dappm", "pappm", "none"]
FUSIONS = ["both", "first", "second", "none"]

# The default of each network, and what RDRNet's paper compares (figure 8).
FORMS = [
    *[(name, {}) for name in SMALL],
    *[("rdrnet-s-simple", {"context": context}) for context in CONTEXTS[1:]],
    *[("rdrnet-s-simple", {"fusion": fusion}) for fusion in FUSIONS[1:]],
]


@pytest.mark.parametrize("name", SMALL)
def test_sizes_are_padded_to_multiples_of_8_and_no_further(name: str) -> None:
    network = lively(name, 4)
    x = torch.randn(1, 3, 70, 117)
    padded = torch.zeros(1, 3, 72, 120)
    padded[..., :70, :117] = x
    with torch.no_grad():
        assert network.coarse(x).shape == (1, 4, 9, 15)
        assert torch.equal(network(x), network(padded)[..., :70, :117])
        wider = torch.nn.functional.pad(padded, (0, 8, 0, 56))
        assert not torch.equal(network(padded), network(wider)[..., :72, :120])


@pytest.mark.parametrize("name", SMALL)
def test_training_sees_the_main_logits_first_and_all_at_full_size(name: str) -> None:
    network = lively(name, 4)
    x = torch.randn(2, 3, 70, 61)
    with torch.no_grad():
        outputs = network.supervised(x)
        assert torch.equal(outputs[0], network(x))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 4, 70, 61)] * 2
    assert isinstance(outputs, LogitsWithBoundaries) == name.startswith("pidnet")
    if isinstance(outputs, LogitsWithBoundaries):
        assert outputs.boundaries.shape == (2, 1, 70, 61)


@pytest.mark.parametrize("name", SMALL)
def test_network_without_its_auxiliary_heads_says_so_to_training(name: str) -> None:
    with pytest.raises(RuntimeError, match="was left out for inference"):
        merge_paths(lively(name, 4)).supervised(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("name", NAMES)
def test_last_layer_is_the_main_classifier(name: str) -> None:
    # Fine-tuning on other classes begins that one anew.
    weighted = [n for n, m in create_model(name, 2).named_modules() if isinstance(m, nn.Conv2d)]
    assert weighted[-1] == "head.classifier"


@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_features_have_the_strides_and_channels_of_the_paper(
    name: str, arguments: dict[str, str]
) -> None:
    network = lively(name, 4, **arguments)
    shapes: dict[str, tuple[int, ...]] = {}

    def look(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        shapes[names[module]] = tuple(result.shape[1:])

    encoder = network.encoder
    three = name.startswith("pidnet")
    detail, semantic, context = (
        (encoder.detail[2], encoder.context[2], encoder.pyramid)
        if three
        else (encoder.detail6, encoder.semantic6, encoder.context)
    )
    names = {encoder.stem: "stem", detail: "detail", semantic: "semantic", context: "context"}
    for module in names:
        module.register_forward_hook(look)
    with torch.no_grad():
        network(torch.randn(1, 3, 128, 192))
    assert shapes == {
        "stem": (64, 16, 24),
        "detail": (128, 16, 24),
        "semantic": (512, 2, 3),
        "context": (128, 2, 3),
    }


@pytest.mark.parametrize("name", SMALL)
def test_pyramids_see_the_whole_picture(name: str) -> None:
    assert receptive_field(create_model(name, 4), limit=128) is None


def test_fusion_is_left_out_where_it_is_not_wanted() -> None:
    held = {
        fusion: {
            stage
            for stage in ("fusion4", "fusion5")
            if getattr(create_model("rdrnet-s", 2, fusion=fusion).encoder, stage) is not None
        }
        for fusion in FUSIONS
    }
    assert held == {
        "both": {"fusion4", "fusion5"},
        "first": {"fusion4"},
        "second": {"fusion5"},
        "none": set(),
    }


def test_rppm_costs_no_more_than_pappm_once_it_is_merged() -> None:
    rppm, pappm = (
        count_parameters(merge_paths(create_model("rdrnet-s", 19, context=context)))
        for context in ("rppm", "pappm")
    )
    # But for the bias that its batch norms have become.
    assert rppm - pappm == 4 * 128


def test_batch_norms_of_rdrnet_are_set_as_its_authors_did() -> None:
    network = create_model("rdrnet-s", 3)
    for part, epsilon, momentum in (
        (network.encoder, 1e-3, 0.03),
        (network.get_submodule("head"), 1e-5, 0.1),
        (network.get_submodule("auxiliary_head"), 1e-5, 0.1),
    ):
        norms = [m for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
        assert {(norm.eps, norm.momentum) for norm in norms} == {(epsilon, momentum)}
