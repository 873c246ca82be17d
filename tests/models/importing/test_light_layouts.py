"""Checkpoints of ERFNet, ENet, CGNet and DABNet under their authors' names."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from golden import read_golden
from published import assert_exact
from wsiseg.classes import LabelClass
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import import_checkpoint, load_checkpoint
from wsiseg.models.class_sets import CAMVID, CITYSCAPES, VOID
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.weights import load_strictly

ENET = "PyTorch-ENet/ENet_default_camvid12_commit921e40c.pth"
CGNET = "CGNet/model_blob3986643f.pth"

UNIT = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

# (golden file, architecture, its arguments, normalisation where ours is certain)
DRAWN = [
    ("synth_erfnet_c19_ihc_128x256", "erfnet", {"form": "authors"}, UNIT),
    ("synth_mmseg_erfnet_c19_astronaut_128x256", "erfnet", {"form": "mmseg"}, IMAGENET),
    ("synth_enet_c19_astronaut_128x256", "enet", {"form": "current"}, UNIT),
    (
        "synth_cgnet_c19_astronaut_128x256",
        "cgnet",
        {"form": "authors", "blocks2": 3, "blocks3": 21},
        None,
    ),
    (
        "synth_mmseg_cgnet_c19_ihc_128x256",
        "cgnet",
        {"form": "mmseg", "blocks2": 3, "blocks3": 21},
        None,
    ),
    ("synth_dabnet_c19_ihc_128x256", "dabnet", {}, None),
]

# The tests of one file follow each other, as its weights are drawn anew for each of another.
every_file = pytest.mark.parametrize(
    ("name", "architecture", "arguments", "normalisation"), DRAWN, scope="module"
)


@pytest.mark.parametrize(
    ("file", "architecture", "arguments", "classes", "normalisation"),
    [
        (ENET, "enet", {"form": "camvid"}, (*CAMVID, VOID), UNIT),
        (
            CGNET,
            "cgnet",
            {"form": "authors", "blocks2": 3, "blocks3": 21},
            CAMVID,
            Normalisation(
                order="RGB",
                mean=(105.65775299072266, 103.329833984375, 99.62540435791016),
                std=(1.0, 1.0, 1.0),
                divide_first=1.0,
            ),
        ),
    ],
)
def test_published_file_says_what_it_is(
    data: Path,
    tmp_path: Path,
    file: str,
    architecture: str,
    arguments: dict[str, object],
    classes: tuple[LabelClass, ...],
    normalisation: Normalisation,
) -> None:
    checkpoint = import_checkpoint(data / "weights" / file, architecture)
    assert checkpoint.card.arguments == arguments
    assert checkpoint.card.training["dataset"] == "camvid"
    assert checkpoint.card.normalisation == normalisation
    assert checkpoint.classes == classes
    assert not checkpoint.network.training
    loaded = load_checkpoint(checkpoint.save(tmp_path / "camvid.safetensors"))
    x = checkpoint.preprocess(torch.randint(0, 256, (1, 32, 48, 3), dtype=torch.uint8))
    assert loaded.card == checkpoint.card
    with torch.no_grad():
        assert torch.equal(loaded.network(x), checkpoint.network(x))


@every_file
def test_cityscapes_is_told_by_nineteen_classes(
    data: Path,
    tmp_path: Path,
    name: str,
    architecture: str,
    arguments: dict[str, object],
    normalisation: Normalisation | None,
) -> None:
    state = read_golden(data, name).state
    path = tmp_path / "weights.pth"
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    card = import_checkpoint(path, architecture).card
    assert card.arguments == arguments
    assert [entry.name for entry in card.classes] == [c.name for c in CITYSCAPES]
    assert card.training["dataset"] == "cityscapes"
    if normalisation is not None:
        assert card.normalisation == normalisation


@every_file
def test_every_tensor_is_needed_and_no_other_taken(
    data: Path,
    name: str,
    architecture: str,
    arguments: dict[str, object],
    normalisation: Normalisation | None,
) -> None:
    assert_exact(read_golden(data, name).state, architecture)


@pytest.mark.parametrize(
    ("file", "architecture"), [(ENET, "erfnet"), (ENET, "cgnet"), (CGNET, "dabnet")]
)
def test_weights_of_another_architecture_are_refused(
    data: Path, file: str, architecture: str
) -> None:
    with pytest.raises(CheckpointError, match=f"not weights of {architecture}"):
        import_checkpoint(data / "weights" / file, architecture)


@pytest.mark.parametrize(
    ("file", "architecture", "form"), [(ENET, "enet", "current"), (CGNET, "cgnet", "mmseg")]
)
def test_form_that_contradicts_the_file_is_refused(
    data: Path, file: str, architecture: str, form: str
) -> None:
    with pytest.raises(WeightsMismatchError):
        import_checkpoint(data / "weights" / file, architecture, arguments={"form": form})


def test_loader_that_lets_tensors_be_missing_is_noticed(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault planted for the shortened form of `assert_exact`."""
    state = read_golden(data, DRAWN[2][0]).state

    def load(network: nn.Module, given: Mapping[str, Tensor], where: object) -> None:
        # Whatever else does not fit is refused.
        held = network.state_dict()
        missing = held.keys() - given.keys()
        load_strictly(network, {**given, **{key: held[key] for key in missing}}, where)

    monkeypatch.setattr("wsiseg.models.importing.published_state.load_strictly", load)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        assert_exact(state, "enet")
