"""RDRNet, DDRNet and PIDNet against the numbers that the original code gave."""

from pathlib import Path

import numpy as np
import pytest
import torch

from golden import Golden, digest, read_golden
from wsiseg.models import import_state
from wsiseg.models.folding import fold, merge_paths
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.profiling import count_parameters

# (golden file, our architecture)
FILES = [
    ("synth_rdrnet_s_simple_c19_astronaut_128x256", "rdrnet-s-simple"),
    ("synth_mmseg_ddrnet23_slim_c19_ihc_128x256", "ddrnet23-slim"),
    ("synth_mmseg_pidnet_s_c19_ihc_128x256", "pidnet-s"),
]


def assert_equal(network: SegmentationNetwork, golden: Golden) -> None:
    x = IMAGENET.apply(golden.pixels)
    assert golden.meta["pre"] == "pre_imagenet"
    assert digest(x) == golden.input_sha256
    with torch.no_grad():
        logits = network.coarse(x)[0].numpy()
    assert logits.shape == golden.shape
    sampled = logits[:, :: golden.stride, :: golden.stride]
    assert np.abs(sampled - golden.sampled).max() <= golden.meta["atol"] <= 1e-3
    agreement = (logits.argmax(axis=0) == golden.argmax).mean()
    assert agreement >= golden.meta["argmax_min_agreement"] >= 0.9999


def test_every_golden_file_of_these_families_is_tested(data: Path) -> None:
    stems = {path.stem for path in (data / "golden").glob("*.npz")}
    families = ("synth_rdrnet", "synth_mmseg_ddrnet", "synth_mmseg_pidnet")
    assert {stem for stem in stems if stem.startswith(families)} == {name for name, _ in FILES}


@pytest.mark.parametrize(("name", "architecture"), FILES)
def test_network_gives_the_original_logits_folded_or_not(
    data: Path, name: str, architecture: str
) -> None:
    golden = read_golden(data, name)
    assert golden.state is not None
    network = import_state(golden.state, architecture)
    assert count_parameters(network) == golden.meta["params"]
    assert_equal(network, golden)
    assert_equal(merge_paths(network), golden)
    assert_equal(fold(network), golden)


def test_merged_rdrnet_has_the_parameters_that_its_authors_deploy(data: Path) -> None:
    golden = read_golden(data, "synth_rdrnet_s_simple_c19_astronaut_128x256")
    assert golden.state is not None
    network = import_state(golden.state, "rdrnet-s-simple")
    # They keep the auxiliary head, which nothing runs.
    kept = count_parameters(network.get_submodule("auxiliary_head"))
    assert count_parameters(merge_paths(network)) + kept == golden.meta["deploy"]["params"]
