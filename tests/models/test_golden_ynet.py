"""Y-Net against the numbers that its authors' code gave."""

from pathlib import Path

import numpy as np
import pytest
import torch

from golden import digest, read_golden
from wsiseg.models import import_state
from wsiseg.models.importing.ynet import YNetLayout
from wsiseg.models.profiling import count_parameters

FILES = {
    "synth_ynet_joint_C1_c8_d5_ac_ihc_384x384": "ynet-joint",
    "synth_ynet_seg_C1_c8_ac_ihc_384x384": "ynet",
}
PIXELS = YNetLayout.normalisations["breast-biopsy"]


def test_every_golden_file_of_the_family_is_tested(data: Path) -> None:
    assert {path.stem for path in (data / "golden").glob("*ynet_*.npz")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_network_gives_the_authors_logits(data: Path, name: str) -> None:
    golden = read_golden(data, name)
    assert golden.state is not None
    network = import_state(golden.state, FILES[name])
    x = PIXELS.apply(golden.pixels)
    assert digest(x) == golden.input_sha256
    with torch.no_grad():
        logits = network.coarse(x)[0].numpy()
    assert logits.shape == golden.shape
    sampled = logits[:, :: golden.stride, :: golden.stride]
    assert np.abs(sampled - golden.sampled).max() <= golden.meta["atol"] <= 1e-3
    agreement = (logits.argmax(axis=0) == golden.argmax).mean()
    assert agreement >= golden.meta["argmax_min_agreement"] >= 0.9999
    assert count_parameters(network) == golden.meta["params"]


def test_diagnosis_is_the_authors(data: Path) -> None:
    name = "synth_ynet_joint_C1_c8_d5_ac_ihc_384x384"
    golden = read_golden(data, name)
    assert golden.state is not None
    with np.load(data / "golden" / f"{name}.npz") as file:
        expected = file["diag"]
    with torch.no_grad():
        diagnosis = import_state(golden.state, "ynet-joint").diagnose(PIXELS.apply(golden.pixels))
    assert diagnosis.shape == expected.shape == (1, 5)
    assert np.abs(diagnosis.numpy() - expected).max() <= 1e-3


def test_comparison_notices_how_maps_are_enlarged(data: Path) -> None:
    golden = read_golden(data, "synth_ynet_seg_C1_c8_ac_ihc_384x384")
    assert golden.state is not None
    network = import_state(golden.state, "ynet", align_corners=False)
    with torch.no_grad():
        logits = network.coarse(PIXELS.apply(golden.pixels))[0].numpy()
    sampled = logits[:, :: golden.stride, :: golden.stride]
    assert np.abs(sampled - golden.sampled).max() > 10 * golden.meta["atol"]
