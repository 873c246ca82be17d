"""A mask with its probabilities."""

import numpy as np
import pytest

from measured import LABELS, MPP, SIDE
from stored_masks import write_mask


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a mask and its probabilities."""
    made = tmp_path_factory.mktemp("masks")
    likely = np.random.default_rng(0).integers(0, 256, (3, *LABELS.shape)).astype(np.uint8)
    write_mask(made, LABELS, mpp=MPP, slide_scale=SIDE, probabilities=likely)
    np.save(made / "likely.npy", likely)
    return made


@pytest.fixture(scope="module")
def mask(folder):
    return folder / "a.ome.zarr"
