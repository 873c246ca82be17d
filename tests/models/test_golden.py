"""Networks against the numbers that their authors' code gave."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from golden import Golden, digest, read_golden
from wsiseg.models import import_checkpoint, import_state
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.profiling import count_parameters

FAMILIES = {
    "espnet": "espnet",
    "espnetc": "espnet-c",
    "espnetv2_edgenets": "espnetv2",
    "espnetv2_standalone": "espnetv2",
}
"""Our architectures by the family that the golden files name."""

FILES = (
    "edge_espnetv2_s0.5_city_astronaut_256x512",
    "edge_espnetv2_s0.5_pascal_astronaut_384x384",
    "edge_espnetv2_s1.0_city_ihc_256x512",
    "edge_espnetv2_s1.0_pascal_astronaut_384x384",
    "edge_espnetv2_s2.0_city_astronaut_256x512",
    "edge_espnetv2_s2.0_pascal_astronaut_384x384",
    "espnet_camvid_p2q8_astronaut_360x480",
    "espnet_city_p2q3_ihc_256x512",
    "espnet_city_p2q5_astronaut_256x512",
    "espnet_city_p2q8_astronaut_256x512",
    "espnetc_city_p2q3_astronaut_256x512",
    "espnetc_city_p2q5_ihc_256x512",
    "espnetc_city_p2q8_astronaut_256x512",
    "espnetv2std_s0.5_city_ihc_256x512",
    "espnetv2std_s1.0_city_astronaut_256x512",
    "espnetv2std_s1.5_city_astronaut_256x512",
    "synth_edge_espnetv2_s0.5_c5_ihc_256x256",
    "synth_espnet_test_p2q3_c19_astronaut_128x256",
    "synth_espnet_test_p2q3_c5_ihc_256x256",
    "synth_espnet_train_p2q3_c19_ihc_128x256",
    "synth_espnetc_p2q8_c19_astronaut_128x256",
)


def build(golden: Golden, data: Path) -> tuple[SegmentationNetwork, Normalisation]:
    architecture = FAMILIES[golden.meta["arch"]["family"]]
    if golden.state is not None:
        return import_state(golden.state, architecture), IMAGENET
    checkpoint = import_checkpoint(data / "weights" / golden.meta["weights"], architecture)
    return checkpoint.network, checkpoint.card.normalisation


def family(path: Path) -> str:
    with np.load(path) as file:
        return str(json.loads(str(file["meta"]))["arch"]["family"])


def test_every_golden_file_of_the_families_is_tested(data: Path) -> None:
    found = {path.stem for path in (data / "golden").glob("*.npz") if family(path) in FAMILIES}
    assert len(FILES) == 21
    assert found == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_network_gives_the_authors_logits(data: Path, name: str) -> None:
    golden = read_golden(data, name)
    network, normalisation = build(golden, data)
    x = normalisation.apply(golden.pixels)
    assert digest(x) == golden.input_sha256
    with torch.no_grad():
        logits = network.coarse(x)[0].numpy()
    assert logits.shape == golden.shape
    sampled = logits[:, :: golden.stride, :: golden.stride]
    assert np.abs(sampled - golden.sampled).max() <= golden.meta["atol"] <= 1e-3
    agreement = (logits.argmax(axis=0) == golden.argmax).mean()
    assert agreement >= golden.meta["argmax_min_agreement"] >= 0.9999


@pytest.mark.parametrize("name", FILES)
def test_network_has_the_authors_form_and_number_of_parameters(data: Path, name: str) -> None:
    golden = read_golden(data, name)
    network, _ = build(golden, data)
    form = golden.meta["arch"]
    assert count_parameters(network) == golden.meta["params"]
    assert network.classes == form["classes"]
    if "p" in form:
        assert len(network.encoder.level2) == form["p"]
        assert len(network.encoder.level3) == form["q"]
        assert getattr(network, "skip", None) == form.get("form")


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("synth_")])
def test_published_file_is_the_one_that_the_numbers_belong_to(data: Path, name: str) -> None:
    meta = read_golden(data, name).meta
    content = (data / "weights" / meta["weights"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == meta["weights_sha256"]


@pytest.mark.parametrize(
    ("name", "epsilon"),
    [
        ("synth_espnet_test_p2q3_c5_ihc_256x256", 1e-5),
        ("synth_edge_espnetv2_s0.5_c5_ihc_256x256", 1e-3),
        ("espnetv2std_s0.5_city_ihc_256x512", 1e-3),
    ],
)
def test_comparison_notices_another_batch_norm_epsilon(
    data: Path, name: str, epsilon: float
) -> None:
    golden = read_golden(data, name)
    network, normalisation = build(golden, data)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = epsilon
    with torch.no_grad():
        logits = network.coarse(normalisation.apply(golden.pixels))[0].numpy()
    sampled = logits[:, :: golden.stride, :: golden.stride]
    assert np.abs(sampled - golden.sampled).max() > 10 * golden.meta["atol"]
