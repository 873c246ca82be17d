"""MMSegmentation's files of Fast-SCNN, BiSeNetV2 and STDC-Seg."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden import read_golden
from published import assert_exact
from wsiseg.errors import WeightsMismatchError
from wsiseg.models import import_checkpoint, import_state
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.models.importing import guess_architecture
from wsiseg.models.normalisation import IMAGENET

FILES = [
    ("synth_mmseg_fast_scnn_c19_astronaut_128x256", "fast-scnn"),
    ("synth_mmseg_bisenetv2_c19_ihc_128x256", "bisenetv2"),
    ("synth_mmseg_stdc1_c19_astronaut_128x256", "stdc1"),
]

# The tests of one file follow each other, as its weights are drawn anew for each of another.
every_file = pytest.mark.parametrize(("name", "architecture"), FILES, scope="module")

LAPLACIAN = "auxiliary_head.2.laplacian_kernel"
"""A constant of STDC-Seg that the importer passes over."""


def published_state(data: Path, name: str) -> dict[str, Tensor]:
    state = read_golden(data, name).state
    assert state is not None
    return state


@every_file
def test_published_file_becomes_a_checkpoint_of_cityscapes(
    data: Path, tmp_path: Path, name: str, architecture: str
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"meta": {}, "state_dict": published_state(data, name)}, path)
    assert guess_architecture(path) == architecture
    card = import_checkpoint(path).card
    assert card.architecture == architecture
    assert [entry.name for entry in card.classes] == [c.name for c in CITYSCAPES]
    assert card.normalisation == IMAGENET


@every_file
def test_every_tensor_is_needed_and_no_other_taken(
    data: Path, name: str, architecture: str
) -> None:
    assert_exact(published_state(data, name), architecture, spare=(LAPLACIAN,))


def test_stdc1_is_no_stdc2(data: Path) -> None:
    with pytest.raises(WeightsMismatchError, match="missing"):
        import_state(published_state(data, FILES[-1][0]), "stdc2")
