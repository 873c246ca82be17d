"""Which network a file of published weights is of, by its keys and shapes."""

import os
from pathlib import Path

import pytest
import torch

from golden import read_golden
from published import as_espnets_authors, written
from wsiseg.errors import CheckpointError
from wsiseg.models import create_model, import_checkpoint
from wsiseg.models.class_sets import CAMVID, VOID
from wsiseg.models.importing import guess_architecture
from wsiseg.models.importing.published_state import read_state


@pytest.mark.parametrize(
    ("file", "architecture"),
    [
        ("ESPNet/decoder/espnet_p_2_q_5.pth", "espnet"),
        ("ESPNet/encoder/espnet_p_2_q_3.pth", "espnet-c"),
        ("CGNet/model_blob3986643f.pth", "cgnet"),
        ("PyTorch-ENet/ENet_default_camvid12_commit921e40c.pth", "enet"),
        ("ESPNetv2_standalone/espnetv2_segmentation_s_0.5.pth", "espnetv2"),
    ],
)
def test_the_network_is_told_by_the_keys(data: Path, file: str, architecture: str) -> None:
    assert guess_architecture(data / "weights" / file) == architecture


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("espnet", {"alpha2": 1, "alpha3": 2, "skip": "test"}),
        ("espnet", {"alpha2": 2, "alpha3": 1, "skip": "train"}),
        ("espnet-c", {"alpha2": 1, "alpha3": 2}),
    ],
)
def test_weights_of_our_own_under_their_names(
    tmp_path: Path, usual_rights: None, architecture: str, arguments: dict[str, object]
) -> None:
    """Where the published files are not at hand."""
    network = create_model(architecture, 12, **arguments).eval()
    file = written(tmp_path, as_espnets_authors(network))
    assert guess_architecture(file) == architecture
    imported = import_checkpoint(file)
    assert imported.card.architecture == architecture
    assert dict(imported.card.arguments) == arguments
    assert [entry.name for entry in imported.classes] == [*(c.name for c in CAMVID), VOID.name]
    state = imported.network.state_dict()
    for key, value in network.state_dict().items():
        assert torch.equal(state[key], value)
    saved = imported.save(tmp_path / "imported.safetensors")
    assert os.name == "nt" or saved.stat().st_mode & 0o777 == 0o644


def test_the_names_in_the_files_are_those(data: Path) -> None:
    for file, name in {"decoder": "espnet", "encoder": "espnet-c"}.items():
        published = read_state(data / "weights" / "ESPNet" / f"{file}/espnet_p_2_q_3.pth")
        named = as_espnets_authors(create_model(name, 20, alpha2=2, alpha3=3))
        counts = {key for key in named if key.endswith("num_batches_tracked")}
        assert named.keys() - counts == published.keys()


def test_what_keys_do_not_tell_has_to_be_named(data: Path, tmp_path: Path) -> None:
    drawn = read_golden(data, "synth_espnet_test_p2q3_c5_ihc_256x256").state
    assert drawn is not None
    strange = written(tmp_path, {"conv.weight": torch.zeros(8, 3, 3, 3)}, "strange.pth")
    with pytest.raises(CheckpointError, match=r"begins with conv\.weight .*`architecture`"):
        guess_architecture(strange)
    # Of the layout, and of a shape that it never has.
    spoilt = drawn | {"encoder.level1.conv.weight": torch.zeros(16, 3, 5, 5)}
    with pytest.raises(CheckpointError, match="cannot be told from the file: it may be espnet"):
        import_checkpoint(written(tmp_path, spoilt, "spoilt.pth"))
