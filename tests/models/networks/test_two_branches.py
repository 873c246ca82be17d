"""Structure of Fast-SCNN, BiSeNetV2, STDC-Seg and PP-LiteSeg."""

import pytest
import torch

from wsiseg.errors import ArgumentError
from wsiseg.models import create_model

STRIDES = {
    "fast-scnn": (1, 32, 8),
    "bisenetv2": (1, 4, 8, 16, 32),
    "stdc1": (1, 8, 16),
    "stdc2": (1, 8, 16),
    "pp-liteseg": (1, 16, 32),
}
"""Input pixels per logit of what training compares."""


@pytest.mark.parametrize("size", [(64, 96), (37, 70)])
@pytest.mark.parametrize("name", STRIDES)
def test_heads_answer_at_their_strides(name: str, size: tuple[int, int]) -> None:
    network = create_model(name, 3).eval()
    with torch.no_grad():
        outputs = network.supervised(torch.randn(1, 3, *size))
    expected = [tuple(-(-edge // stride) for edge in size) for stride in STRIDES[name]]
    assert [tuple(logits.shape[2:]) for logits in outputs] == expected


def test_backbone_of_pp_liteseg_is_one_of_stdcs() -> None:
    for backbone in ("stdc1", "stdc2"):
        network = create_model("pp-liteseg", 4, backbone=backbone)
        theirs = create_model(backbone, 4).encoder.backbone.state_dict()
        ours = network.encoder[0].state_dict()
        assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    with pytest.raises(ArgumentError, match="stdc3"):
        create_model("pp-liteseg", 4, backbone="stdc3")


@pytest.mark.parametrize("name", ["stdc1", "stdc2"])
def test_boundaries_come_beside_the_logits_at_full_size(name: str) -> None:
    with torch.no_grad():
        outputs = create_model(name, 3).supervised(torch.randn(2, 3, 33, 40))
    assert outputs.boundaries.shape == (2, 2, 33, 40)
