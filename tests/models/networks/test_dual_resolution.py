"""Structure of RDRNet, DDRNet and PIDNet: parameters, operations, sizes, gradients, paths."""

import pytest
import torch
from torch import Tensor, nn

from wsiseg.models import create_model
from wsiseg.models.folding import merge_paths
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.networks.supervision import WithBoundaries
from wsiseg.models.profiling import count_macs, count_parameters, receptive_field

# (architecture, learnable parameters, of those in auxiliary heads, for inference)
PARAMETERS = [
    ("rdrnet-s-simple", 8_833_126, 38_355, 7_125_363),
    ("rdrnet-s", 8_946_406, 76_563, 7_200_435),
    ("rdrnet-m", 30_867_366, 150_419, 25_870_291),
    ("rdrnet-l", 43_345_830, 300_563, 36_653_011),
    ("ddrnet23-slim", 5_734_278, 38_355, 5_695_923),
    ("ddrnet23", 20_299_238, 150_419, 20_148_819),
    ("pidnet-s", 7_720_871, 95_220, 7_625_651),
    ("pidnet-m", 28_762_983, 224_596, 28_538_387),
    ("pidnet-l", 37_314_183, 374_740, 36_939_443),
]

# (architecture, thousand millions at 512 × 1024, and with merged paths)
MACS = [
    ("rdrnet-s-simple", "12.346", "10.228"),
    ("rdrnet-s", "12.960", "10.842"),
    ("rdrnet-m", "48.617", "40.396"),
    ("rdrnet-l", "70.950", "59.508"),
    ("ddrnet23-slim", "9.070", "9.070"),
    ("ddrnet23", "35.77", "35.77"),
    ("pidnet-s", "11.80", "11.80"),
    ("pidnet-m", "44.33", "44.33"),
    ("pidnet-l", "68.73", "68.73"),
]

NAMES = [name for name, *_ in PARAMETERS]
SMALL = ["rdrnet-s-simple", "ddrnet23-slim", "pidnet-s"]
CONTEXTS = ["rppm", "ppm", "dappm", "pappm", "none"]
FUSIONS = ["both", "first", "second", "none"]

# What the brief comparison of the paper's figure 8 changes.
FORMS = [
    *[(name, {}) for name in SMALL],
    *[("rdrnet-s-simple", {"context": context}) for context in CONTEXTS[1:]],
    *[("rdrnet-s-simple", {"fusion": fusion}) for fusion in FUSIONS[1:]],
]


def lively(name: str, classes: int = 4, **arguments: str) -> SegmentationNetwork:
    """Return a network with batch norms that do something, in evaluation mode."""
    torch.manual_seed(0)
    network = create_model(name, classes, **arguments)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.uniform_(module.bias, 0.1, 0.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.4, 1.6)
    return network.eval()


@pytest.mark.parametrize(("name", "total", "auxiliary", "inference"), PARAMETERS)
def test_parameters_are_exactly_those_of_the_original_code(
    name: str, total: int, auxiliary: int, inference: int
) -> None:
    network = create_model(name, 19)
    assert count_parameters(network) == total
    heads = [network.get_submodule(head) for head in network.auxiliary]
    assert sum(count_parameters(head) for head in heads) == auxiliary
    assert count_parameters(merge_paths(network)) == inference


@pytest.mark.parametrize(("name", "trained", "merged"), MACS)
def test_operations_match_the_original_code_to_the_printed_digit(
    name: str, trained: str, merged: str
) -> None:
    network = create_model(name, 19)
    for form, printed in ((network, trained), (merge_paths(network), merged)):
        digits = len(printed.split(".")[1])
        assert f"{count_macs(form) / 1e9:.{digits}f}" == printed


def test_operations_of_rdrnet_at_2048_by_1024_are_those_that_its_authors_print() -> None:
    merged = merge_paths(create_model("rdrnet-s-simple", 19))
    assert count_macs(merged, 1024, 2048) / 1e9 == pytest.approx(40.91, abs=0.01)


@pytest.mark.parametrize("classes", [1, 255])
@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_any_class_count_gives_logits_for_any_size(
    name: str, arguments: dict[str, str], classes: int
) -> None:
    network = lively(name, classes, **arguments)
    for height, width in ((1, 1), (65, 33)):
        x = torch.randn(2, 3, height, width)
        with torch.no_grad():
            logits, coarse = network(x), network.coarse(x)
        assert logits.shape == (2, classes, height, width)
        assert coarse.shape == (2, classes, -(-height // 8), -(-width // 8))
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_sizes_between_are_padded_to_64_or_rounded_up_at_every_stage(name: str) -> None:
    network = lively(name)
    x = torch.randn(1, 3, 72, 120)
    padded = torch.zeros(1, 3, 128, 128)
    padded[..., :72, :120] = x
    with torch.no_grad():
        assert torch.equal(network(x), network(padded)[..., :72, :120])
        assert network.dense(x).shape == (1, 4, 9, 15)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_training_reaches_every_parameter(name: str, arguments: dict[str, str], batch: int) -> None:
    torch.manual_seed(1)
    network = create_model(name, 3, **arguments).train()
    outputs = network.supervised(torch.randn(batch, 3, 63, 70))
    wanted = [*outputs, outputs.boundaries] if isinstance(outputs, WithBoundaries) else outputs
    torch.stack([(y * torch.randn_like(y)).sum() for y in wanted]).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", SMALL)
def test_training_sees_the_main_logits_first_and_all_at_full_size(name: str) -> None:
    network = lively(name)
    x = torch.randn(2, 3, 70, 61)
    with torch.no_grad():
        outputs = network.supervised(x)
        assert torch.equal(outputs[0], network(x))
    assert [tuple(logits.shape) for logits in outputs] == [(2, 4, 70, 61)] * 2
    assert isinstance(outputs, WithBoundaries) == name.startswith("pidnet")
    if isinstance(outputs, WithBoundaries):
        assert outputs.boundaries.shape == (2, 1, 70, 61)


@pytest.mark.parametrize("name", SMALL)
def test_network_without_its_auxiliary_heads_says_so_to_training(name: str) -> None:
    with pytest.raises(RuntimeError, match="was left out for inference"):
        merge_paths(lively(name)).supervised(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("name", NAMES)
def test_last_layer_is_the_main_classifier(name: str) -> None:
    # Fine-tuning on other classes begins that one anew.
    weighted = [n for n, m in create_model(name, 2).named_modules() if isinstance(m, nn.Conv2d)]
    assert weighted[-1] == "head.classifier"


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("arguments", [{"context": "ppm"}, {"context": "none", "fusion": "none"}])
def test_other_forms_are_traced_for_any_fitting_size(arguments: dict[str, str]) -> None:
    network = lively("rdrnet-s-simple", **arguments)
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.randn(1, 3, 64, 64), check_trace=False)
        x = torch.randn(2, 3, 192, 128)
        torch.testing.assert_close(traced(x), network(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "arguments"), FORMS)
def test_features_have_the_strides_and_channels_of_the_paper(
    name: str, arguments: dict[str, str]
) -> None:
    network = lively(name, **arguments)
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
    assert receptive_field(lively(name), limit=128) is None


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
