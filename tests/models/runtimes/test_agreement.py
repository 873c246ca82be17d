"""Every network gives the same labels on every runtime, in fp32, on tissue and on noise."""

import numpy as np
import pytest

from lively import lively
from wsiseg.demo.tissue import tissue_tiles
from wsiseg.models import list_architectures
from wsiseg.models.folding import fold
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.runtimes import RUNTIMES, choose_runtime
from wsiseg.models.tile_network import TileNetwork

UNPOOLED = {"segnet": 0.005}
"""Share of labels that may move with a maximum which rounding puts into another place."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each.name, marks=[] if each.name == "espnet-c" else pytest.mark.long)
        for each in list_architectures()
        if each.family != "tests"
    ],
)
def test_runtimes_agree_on_the_labels(name: str) -> None:
    network = TileNetwork(fold(lively(name, 6)), IMAGENET).eval()
    noise = np.random.default_rng(0).integers(0, 256, (1, 192, 192, 3), np.uint8)
    tiles = np.concatenate([tissue_tiles(192), noise])
    found: dict[str, np.ndarray] = {}
    for runtime in ("torch", "openvino", "onnx"):
        if not RUNTIMES[runtime].is_installed():
            pytest.skip(f"{runtime} is an extra, wsiseg[{RUNTIMES[runtime].extra}]")
        choice = choose_runtime(runtime, "cpu", "fp32", threads=1)
        found[runtime] = choice.compile(network, (192, 192), 2).run(tiles)["labels"]
    assert len(np.unique(found["torch"])) > 1
    for runtime in ("openvino", "onnx"):
        same = (found[runtime] == found["torch"]).mean()
        assert same >= 0.9999 - UNPOOLED.get(name, 0), runtime
