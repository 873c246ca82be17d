"""ICNet and BiSeNetV1 against the numbers that the original code gave."""

from pathlib import Path

import pytest
import torch

from golden import Golden, assert_equal, digest, read_golden
from wsiseg.models import import_state
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.profiling import count_parameters

FAMILIES = {
    "icnet": ("icnet", {"form": "authors", "backbone": "resnet50"}),
    "mmseg_bisenetv1": ("bisenetv1", {}),
    "mmseg_icnet": ("icnet", {"form": "mmseg", "backbone": "resnet18"}),
}
"""Our architecture and what is read off the keys, by the family that a file's name begins with."""

FILES = (
    "synth_icnet_liminn_r50_c19_ihc_128x256",
    "synth_mmseg_bisenetv1_r18_c19_astronaut_128x256",
    "synth_mmseg_icnet_r18_c19_ihc_128x256",
)


def family(stem: str) -> str:
    """Return the family that a golden file's name begins with."""
    stem = stem.removeprefix("synth_")
    return "_".join(stem.split("_")[: 2 if stem.startswith("mmseg_") else 1])


def build(golden: Golden, name: str) -> SegmentationNetwork:
    assert golden.state is not None
    assert golden.meta["pre"] == "pre_imagenet"
    return import_state(golden.state, FAMILIES[family(name)][0])


def test_every_golden_file_of_these_families_is_tested(data: Path) -> None:
    stems = {path.stem for path in (data / "golden").glob("*.npz")}
    assert {stem for stem in stems if family(stem) in FAMILIES} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_network_gives_the_original_logits_and_is_of_their_form(data: Path, name: str) -> None:
    golden = read_golden(data, name)
    network = build(golden, name)
    x = IMAGENET.apply(golden.pixels)
    assert digest(x) == golden.input_sha256
    # MMSegmentation's files end before the last resize, the others after it.
    output = network.coarse if "mmseg" in name else network
    with torch.no_grad():
        assert_equal(output(x)[0].numpy(), golden)
    assert count_parameters(network) == golden.meta["params"]
    assert network.classes == golden.meta["arch"]["classes"]
    for key, value in FAMILIES[family(name)][1].items():
        assert getattr(network, key) == value


def test_cascade_gives_the_original_logits_at_every_scale(data: Path) -> None:
    name = "synth_icnet_liminn_r50_c19_ihc_128x256"
    goldens = [read_golden(data, name, output) for output in ("sub4", "sub8", "sub16")]
    network = build(goldens[0], name)
    x = IMAGENET.apply(goldens[0].pixels)
    with torch.no_grad():
        outputs = network.supervised(x)
        assert torch.equal(outputs[0], network.coarse(x))
    for logits, golden in zip(outputs, goldens, strict=True):
        assert_equal(logits[0].numpy(), golden)
