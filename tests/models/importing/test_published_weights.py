"""Published weights work at once: on the pictures that they are for, and with no setting."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wsiseg.models import import_checkpoint

OF_CAMVID = [
    ("ESPNet/decoder/espnet_p_2_q_8_camvid.pth", "espnet"),
    ("PyTorch-ENet/ENet_default_camvid12_commit921e40c.pth", "enet"),
    ("CGNet/model_blob3986643f.pth", "cgnet"),
]
VOID = 11


@pytest.mark.parametrize(("file", "architecture"), OF_CAMVID)
def test_weights_of_camvid_label_its_frames(data: Path, file: str, architecture: str) -> None:
    """With red and blue in each other's place, none of them gets two thirds right."""
    checkpoint = import_checkpoint(data / "weights" / file, architecture)
    frames = sorted((data / "camvid" / "val").glob("*.png"))[::12]
    right = wanted = 0
    for frame in frames:
        pixels = np.asarray(Image.open(frame).convert("RGB"))
        labels = np.asarray(Image.open(data / "camvid" / "valannot" / frame.name))
        with torch.no_grad():
            logits = checkpoint.network(checkpoint.preprocess(pixels[None]))
        known = labels != VOID
        right += int((logits.argmax(1)[0].numpy() == labels)[known].sum())
        wanted += int(known.sum())
    assert right / wanted > 0.85
