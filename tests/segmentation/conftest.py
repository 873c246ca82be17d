"""Four pictures, of which the second is none."""

import numpy as np
import pytest
from PIL import Image

from cohorts import SLIDES


@pytest.fixture
def slides(tmp_path):
    for number, name in enumerate(SLIDES):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 96, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    return [tmp_path / f"{name}.png" for name in SLIDES]
