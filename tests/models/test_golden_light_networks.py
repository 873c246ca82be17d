"""ERFNet, ENet, CGNet and DABNet against the numbers that the original code gave."""

import hashlib
from pathlib import Path

import pytest
import torch

from golden import Golden, assert_equal, digest, read_golden
from wsiseg.models import import_checkpoint, import_state
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.profiling import count_parameters

UNIT = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
# What the numbers were made from; the published weights want the channels the other way round.
CGNET_CAMVID = Normalisation(
    order="BGR",
    mean=(105.65775299072266, 103.329833984375, 99.62540435791016),
    std=(1.0, 1.0, 1.0),
    divide_first=1.0,
)
INPUTS = {"pre_unit": UNIT, "pre_imagenet": IMAGENET, "pre_cgnet_camvid": CGNET_CAMVID}

FAMILIES = {
    "erfnet": ("erfnet", {"form": "authors"}),
    "mmseg_erfnet": ("erfnet", {"form": "mmseg"}),
    "enet": ("enet", {}),
    "cgnet": ("cgnet", {"form": "authors"}),
    "mmseg_cgnet": ("cgnet", {"form": "mmseg"}),
    "dabnet": ("dabnet", {}),
}
"""Our architecture and the form read off the keys, by the family that the golden files name."""

FILES = (
    "cgnet_camvid11_ihc_360x480",
    "enet_camvid12_ihc_240x320",
    "synth_cgnet_c19_astronaut_128x256",
    "synth_dabnet_c19_ihc_128x256",
    "synth_enet_c19_astronaut_128x256",
    "synth_erfnet_c19_ihc_128x256",
    "synth_mmseg_cgnet_c19_ihc_128x256",
    "synth_mmseg_erfnet_c19_astronaut_128x256",
)


def family(stem: str) -> str:
    """Return the family that a golden file's name begins with."""
    stem = stem.removeprefix("synth_")
    return "_".join(stem.split("_")[: 2 if stem.startswith("mmseg_") else 1])


def build(golden: Golden, data: Path) -> tuple[SegmentationNetwork, Normalisation]:
    architecture, _ = FAMILIES[golden.meta["arch"]["family"]]
    if golden.state is not None:
        return import_state(golden.state, architecture), INPUTS[golden.meta["pre"]]
    checkpoint = import_checkpoint(data / "weights" / golden.meta["weights"], architecture)
    return checkpoint.network, INPUTS[golden.meta["pre"]]


def test_every_golden_file_of_these_families_is_tested(data: Path) -> None:
    stems = {path.stem for path in (data / "golden").glob("*.npz")}
    assert {stem for stem in stems if family(stem) in FAMILIES} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_network_gives_the_original_logits(data: Path, name: str) -> None:
    golden = read_golden(data, name)
    network, normalisation = build(golden, data)
    x = normalisation.apply(golden.pixels)
    assert digest(x) == golden.input_sha256
    # MMSegmentation's files end before the last resize, the authors' after it.
    output = network.coarse if "mmseg" in name else network
    with torch.no_grad():
        assert_equal(output(x)[0].numpy(), golden)


def test_encoder_gives_the_original_logits(data: Path) -> None:
    golden = read_golden(data, "synth_erfnet_c19_ihc_128x256", "encoder")
    network, normalisation = build(golden, data)
    with torch.no_grad():
        _, logits = network.supervised(normalisation.apply(golden.pixels))
    assert_equal(logits[0].numpy(), golden)


@pytest.mark.parametrize("name", FILES)
def test_network_has_the_original_form_and_number_of_parameters(data: Path, name: str) -> None:
    golden = read_golden(data, name)
    network, _ = build(golden, data)
    _, arguments = FAMILIES[golden.meta["arch"]["family"]]
    assert count_parameters(network) == golden.meta["params"]
    assert network.classes == golden.meta["arch"]["classes"]
    for key, value in arguments.items():
        assert getattr(network, key) == value


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("synth_")])
def test_published_file_is_the_one_that_the_numbers_belong_to(data: Path, name: str) -> None:
    meta = read_golden(data, name).meta
    content = (data / "weights" / meta["weights"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == meta["weights_sha256"]
