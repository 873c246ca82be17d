"""Networks against the numbers that the original programs gave."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from golden import Golden, assert_equal, digest, read_golden
from wsiseg.models import import_checkpoint, import_state
from wsiseg.models.folding import fold, merge_paths
from wsiseg.models.importing.ynet import YNetLayout
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.profiling import count_parameters

AUTHORS, MMSEG = {"form": "authors"}, {"form": "mmseg"}

FAMILIES: dict[str, tuple[str, dict[str, str]]] = {
    "espnet": ("espnet", {}),
    "espnetc": ("espnet-c", {}),
    "espnetv2_edgenets": ("espnetv2", {}),
    "espnetv2_standalone": ("espnetv2", {}),
    "ynet_seg": ("ynet", {"unit": "C1"}),
    "ynet_joint": ("ynet-joint", {"unit": "C1"}),
    "enet": ("enet", {}),
    "erfnet": ("erfnet", AUTHORS),
    "mmseg_erfnet": ("erfnet", MMSEG),
    "cgnet": ("cgnet", AUTHORS),
    "mmseg_cgnet": ("cgnet", MMSEG),
    "dabnet": ("dabnet", {}),
    "icnet_liminn": ("icnet", AUTHORS | {"backbone": "resnet50"}),
    "mmseg_icnet": ("icnet", MMSEG | {"backbone": "resnet18"}),
    "rdrnet": ("rdrnet-s-simple", {}),
    "mmseg_ddrnet": ("ddrnet23-slim", {}),
    "mmseg_pidnet_s": ("pidnet-s", {}),
    "mmseg_bisenetv1": ("bisenetv1", {}),
    "mmseg_bisenetv2": ("bisenetv2", {}),
    "mmseg_fast_scnn": ("fast-scnn", {}),
    "mmseg_stdc": ("stdc1", {}),
}
"""Our architecture and what is read off the keys, by the family that a file names."""

PUBLISHED = (
    "cgnet_camvid11_ihc_360x480",
    "edge_espnetv2_s0.5_city_astronaut_256x512",
    "edge_espnetv2_s0.5_pascal_astronaut_384x384",
    "edge_espnetv2_s1.0_city_ihc_256x512",
    "edge_espnetv2_s1.0_pascal_astronaut_384x384",
    "edge_espnetv2_s2.0_city_astronaut_256x512",
    "edge_espnetv2_s2.0_pascal_astronaut_384x384",
    "enet_camvid12_ihc_240x320",
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
)
"""Files of numbers from the weights that the authors published."""

DRAWN = (
    "synth_cgnet_c19_astronaut_128x256",
    "synth_dabnet_c19_ihc_128x256",
    "synth_edge_espnetv2_s0.5_c5_ihc_256x256",
    "synth_enet_c19_astronaut_128x256",
    "synth_erfnet_c19_ihc_128x256",
    "synth_espnet_test_p2q3_c19_astronaut_128x256",
    "synth_espnet_test_p2q3_c5_ihc_256x256",
    "synth_espnet_train_p2q3_c19_ihc_128x256",
    "synth_espnetc_p2q8_c19_astronaut_128x256",
    "synth_icnet_liminn_r50_c19_ihc_128x256",
    "synth_mmseg_bisenetv1_r18_c19_astronaut_128x256",
    "synth_mmseg_bisenetv2_c19_ihc_128x256",
    "synth_mmseg_cgnet_c19_ihc_128x256",
    "synth_mmseg_ddrnet23_slim_c19_ihc_128x256",
    "synth_mmseg_erfnet_c19_astronaut_128x256",
    "synth_mmseg_fast_scnn_c19_astronaut_128x256",
    "synth_mmseg_icnet_r18_c19_ihc_128x256",
    "synth_mmseg_pidnet_s_c19_ihc_128x256",
    "synth_mmseg_stdc1_c19_astronaut_128x256",
    "synth_rdrnet_s_simple_c19_astronaut_128x256",
    "synth_ynet_joint_C1_c8_d5_ac_ihc_384x384",
    "synth_ynet_seg_C1_c8_ac_ihc_384x384",
)
"""Files of numbers from drawn weights."""

INPUTS = {
    "pre_unit": Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    "pre_unit_bgr": YNetLayout.normalisations["breast-biopsy"],
    "pre_imagenet": IMAGENET,
}
"""What weights that were drawn are given."""

# What the numbers were made from; the published weights want the channels the other way round.
CGNET_CAMVID = Normalisation(
    order="BGR",
    mean=(105.65775299072266, 103.329833984375, 99.62540435791016),
    std=(1.0, 1.0, 1.0),
    divide_first=1.0,
)


def build(golden: Golden, data: Path) -> tuple[SegmentationNetwork, Normalisation]:
    architecture, _ = FAMILIES[golden.meta["arch"]["family"]]
    if golden.state is not None:
        return import_state(golden.state, architecture), INPUTS[golden.meta["pre"]]
    checkpoint = import_checkpoint(data / "weights" / golden.meta["weights"], architecture)
    if golden.meta["pre"] == "pre_cgnet_camvid":
        return checkpoint.network, CGNET_CAMVID
    return checkpoint.network, checkpoint.card.normalisation


def answer(
    network: SegmentationNetwork, normalisation: Normalisation, golden: Golden
) -> np.ndarray:
    """Return the logits that a file holds, before the last resize or after it."""
    resized = golden.shape[1:] == golden.rgb.shape[:2]
    with torch.no_grad():
        x = normalisation.apply(golden.pixels)
        logits = network(x) if resized else network.coarse(x)
    return logits[0].numpy()


def furthest(network: SegmentationNetwork, normalisation: Normalisation, golden: Golden) -> float:
    """Return the greatest difference of the logits that a file holds."""
    sampled = answer(network, normalisation, golden)[:, :: golden.stride, :: golden.stride]
    return float(np.abs(sampled - golden.sampled).max())


def test_every_file_is_compared(data: Path) -> None:
    assert {path.stem for path in (data / "golden").glob("*.npz")} == {*PUBLISHED, *DRAWN}


@pytest.mark.parametrize("name", [*PUBLISHED, *DRAWN])
def test_network_gives_the_original_logits_folded_or_not(data: Path, name: str) -> None:
    golden = read_golden(data, name)
    network, normalisation = build(golden, data)
    assert digest(normalisation.apply(golden.pixels)) == golden.input_sha256
    for version in (network, fold(network)):
        assert_equal(answer(version, normalisation, golden), golden)
    # And has their form.
    form = golden.meta["arch"]
    assert count_parameters(network) == golden.meta["params"]
    assert network.classes == form["classes"]
    for key, value in FAMILIES[form["family"]][1].items():
        assert getattr(network, key) == value
    if "p" in form:
        depths = len(network.encoder.level2), len(network.encoder.level3)
        assert (*depths, getattr(network, "skip", None)) == (form["p"], form["q"], form.get("form"))


@pytest.mark.parametrize("name", PUBLISHED)
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
        if isinstance(module, nn.BatchNorm2d):
            module.eps = epsilon
    assert furthest(network, normalisation, golden) > 10 * golden.meta["atol"]


def test_comparison_notices_how_maps_of_y_net_are_enlarged(data: Path) -> None:
    golden = read_golden(data, "synth_ynet_seg_C1_c8_ac_ihc_384x384")
    assert golden.state is not None
    network = import_state(golden.state, "ynet", align_corners=False)
    difference = furthest(network, INPUTS[golden.meta["pre"]], golden)
    assert difference > 10 * golden.meta["atol"]


# What a network gives besides


def test_diagnosis_of_y_net(data: Path) -> None:
    name = "synth_ynet_joint_C1_c8_d5_ac_ihc_384x384"
    golden = read_golden(data, name)
    network, normalisation = build(golden, data)
    with np.load(data / "golden" / f"{name}.npz") as file:
        expected = file["diag"]
    with torch.no_grad():
        diagnosis = network.diagnose(normalisation.apply(golden.pixels))
    assert diagnosis.shape == expected.shape == (1, 5)
    assert np.abs(diagnosis.numpy() - expected).max() <= 1e-3


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("synth_erfnet_c19_ihc_128x256", ("out", "encoder")),
        ("synth_icnet_liminn_r50_c19_ihc_128x256", ("sub4", "sub8", "sub16")),
    ],
)
def test_logits_that_training_compares(data: Path, name: str, outputs: tuple[str, ...]) -> None:
    goldens = [read_golden(data, name, output) for output in outputs]
    network, normalisation = build(goldens[0], data)
    with torch.no_grad():
        found = network.supervised(normalisation.apply(goldens[0].pixels))
    for logits, golden in zip(found, goldens, strict=True):
        assert_equal(logits[0].numpy(), golden)


def test_rdrnet_with_merged_paths_is_the_one_that_its_authors_deploy(data: Path) -> None:
    golden = read_golden(data, "synth_rdrnet_s_simple_c19_astronaut_128x256")
    network, normalisation = build(golden, data)
    merged = merge_paths(network)
    assert_equal(answer(merged, normalisation, golden), golden)
    # They keep the auxiliary head, which nothing runs.
    kept = count_parameters(network.get_submodule("auxiliary_head"))
    assert count_parameters(merged) + kept == golden.meta["deploy"]["params"]
