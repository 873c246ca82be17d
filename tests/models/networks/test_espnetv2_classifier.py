"""ESPNetv2's classifier: published names, and an encoder that is handed over."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from commands import run
from gradients import assert_reached, learn_from
from published import refusal, written
from wsiseg.errors import ArgumentError, CheckpointError, WeightsMismatchError
from wsiseg.models import create_model, import_checkpoint, load_checkpoint
from wsiseg.models.importing.espnetv2_classifier import import_classifier
from wsiseg.models.importing.key_renaming import renamed_state
from wsiseg.models.networks.espnetv2 import ESPNetv2
from wsiseg.models.networks.espnetv2_classifier import ESPNetv2Classifier
from wsiseg.models.normalisation import IMAGENET

VOC = "EdgeNets/espnetv2/espnetv2_s_{}_pascal_384x384.pth"
UNUSED = r"(encoder\.)?down[2345]\.pyramid\.act\.weight|down5\.reinforce\..*"
"""Names of parameters, as a pattern."""

THEIRS = (
    (r"^down5\.pyramid\.act\.", "level5_0.eesp.module_act."),
    (r"^down5\.pyramid\.", "level5_0.eesp."),
    (r"^down5\.reinforce\.", "level5_0.inp_reinf."),
    (r"^down5\.act\.", "level5_0.act."),
    (r"^(level5\.[012])\.act\.", r"\1.module_act."),
    (r"^depthwise\.", "level5.3."),
    (r"^widen\.", "level5.4."),
    (r"\.reduce\.", ".proj_1x1."),
    (r"\.branches\.(\d)\.", r".spp_dw.\1.conv."),
    (r"\.fuse\.", ".br_after_cat."),
    (r"\.expand\.", ".conv_1x1_exp."),
    (r"\.norm\.", ".bn."),
)
"""From our names of what is behind the encoder to the authors'."""


@pytest.fixture
def published(data: Path) -> dict[str, Tensor]:
    """A classifier's state dict with the encoder that was published, the rest made up."""
    torch.manual_seed(0)
    path = data / "weights" / VOC.format(0.5)
    content = torch.load(path, map_location="cpu", weights_only=True)
    state = {
        key.removeprefix("base_net."): value
        for key, value in content.items()
        if key.startswith("base_net.")
    }
    deeper = ESPNetv2Classifier(width=0.5).state_dict()
    behind = {key: value for key, value in deeper.items() if not key.startswith("encoder.")}
    return state | renamed_state(behind, THEIRS)


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (224, 224)])
def test_pictures_of_any_size_get_logits(size: tuple[int, int]) -> None:
    network = ESPNetv2Classifier(7, width=0.5).eval()
    with torch.no_grad():
        logits = network(torch.randn(2, 3, *size))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


@pytest.mark.parametrize("batch", [1, 2])
def test_training_reaches_every_parameter_that_is_used(batch: int) -> None:
    network = ESPNetv2Classifier(7, width=0.5).train()
    learn_from([network(torch.randn(batch, 3, 64, 40))])
    assert_reached(network, UNUSED)


@pytest.mark.parametrize("arguments", [{"classes": 0}, {"width": 0.75}])
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ESPNetv2Classifier(**arguments)


@pytest.mark.parametrize("decoder", ["edgenets", "standalone"])
def test_encoder_is_handed_over_and_nothing_else(decoder: str) -> None:
    classifier = ESPNetv2Classifier(10, width=0.5)
    network = create_model("espnetv2", 4, width=0.5, decoder=decoder)
    assert isinstance(network, ESPNetv2)
    before = {key: value.clone() for key, value in network.decoder.state_dict().items()}
    classifier.copy_encoder_to(network)
    for key, value in classifier.encoder.state_dict().items():
        assert torch.equal(network.encoder.state_dict()[key], value), key
    assert all(torch.equal(network.decoder.state_dict()[k], v) for k, v in before.items())
    with torch.no_grad():
        next(network.encoder.parameters()).fill_(7)
    assert not (next(classifier.encoder.parameters()) == 7).any()


def test_encoder_of_another_width_is_refused() -> None:
    network = create_model("espnetv2", 4, width=1.0)
    assert isinstance(network, ESPNetv2)
    with pytest.raises(WeightsMismatchError, match="of another shape"):
        ESPNetv2Classifier(10, width=0.5).copy_encoder_to(network)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_names_lead_to_the_published_encoder(
    data: Path, published: dict[str, Tensor], prefix: str
) -> None:
    classifier = import_classifier({prefix + key: value for key, value in published.items()})
    assert (classifier.classes, classifier.width, classifier.training) == (1000, 0.5, False)
    expected = import_checkpoint(data / "weights" / VOC.format(0.5), "espnetv2").network
    network = create_model("espnetv2", 21, width=0.5)
    assert isinstance(network, ESPNetv2)
    classifier.copy_encoder_to(network)
    for key, value in expected.encoder.state_dict().items():
        assert torch.equal(network.encoder.state_dict()[key], value), key


def test_every_tensor_is_needed_and_no_other_taken(published: dict[str, Tensor]) -> None:
    with pytest.raises(WeightsMismatchError, match=r"1 left over: aux\.weight"):
        import_classifier({**published, "aux.weight": torch.zeros(3)})
    for key in [key for key in published if "num_batches_tracked" not in key][::23]:
        with pytest.raises(CheckpointError):
            import_classifier({k: v for k, v in published.items() if k != key})


def test_weights_of_the_segmentation_network_are_refused(data: Path) -> None:
    path = data / "weights" / VOC.format(0.5)
    with pytest.raises(CheckpointError, match="not weights of an ESPNetv2 classifier"):
        import_classifier(torch.load(path, map_location="cpu", weights_only=True))


def test_published_classifier_becomes_a_checkpoint_to_train(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    path = written(tmp_path, {f"module.{key}": value for key, value in published.items()})
    checkpoint = import_checkpoint(path, "espnetv2", arguments={"decoder": "standalone"})
    assert checkpoint.card.encoder_only
    assert checkpoint.card.arguments == {"width": 0.5, "decoder": "standalone"}
    assert checkpoint.card.normalisation == IMAGENET
    expected = import_classifier(published).encoder.state_dict()
    found = load_checkpoint(checkpoint.save(tmp_path / "encoder.safetensors"), to_train=True)
    for key, value in found.network.encoder.state_dict().items():
        assert torch.equal(value, expected[key]), key
    again = import_checkpoint(path, "espnetv2", arguments={"decoder": "standalone"})
    assert again.sha256 == checkpoint.sha256


def test_classifier_is_refused_with_what_contradicts_it(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    path = written(tmp_path, published)
    with pytest.raises(ArgumentError, match="no classes of voc"):
        import_checkpoint(path, "espnetv2", "voc")
    assert "of another shape" in refusal(path, "espnetv2", arguments={"width": 1.0})
    del published["level5.4.conv.weight"]
    assert "1 missing: widen.conv.weight" in refusal(written(tmp_path, published), "espnetv2")


def test_classifier_is_imported_by_a_command_and_labels_nothing(
    tmp_path: Path, published: dict[str, Tensor]
) -> None:
    path, target = written(tmp_path, published), tmp_path / "encoder.safetensors"
    done = run("models", "import", path, "--architecture", "espnetv2", "-o", target)
    assert (done.status, done.err) == (0, "")
    assert f"wsiseg train --init {target}" in done.out
    refused = run("segment", path, "-c", target, "-o", tmp_path / "out")
    assert refused.status == 1
    assert "only the encoder" in refused.err
