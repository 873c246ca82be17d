"""Published checkpoints of ESPNetv2, which come in two layouts."""

from pathlib import Path

import pytest
import torch

from golden import read_golden
from wsiseg.errors import ArgumentError, CheckpointError, WeightsMismatchError
from wsiseg.models import create_model, import_checkpoint, import_state, load_checkpoint
from wsiseg.models.class_sets import CITYSCAPES, VOC, VOID
from wsiseg.models.importing.edgenets import EdgeNetsLayout
from wsiseg.models.importing.espnet import ESPNetLayout
from wsiseg.models.importing.espnetv2_standalone import StandaloneLayout
from wsiseg.models.normalisation import IMAGENET

CITY = "EdgeNets/espnetv2/espnetv2_s_{}_city_1024x512.pth"
PASCAL = "EdgeNets/espnetv2/espnetv2_s_{}_pascal_384x384.pth"
STANDALONE = "ESPNetv2_standalone/espnetv2_segmentation_s_{}.pth"
DRAWN = "synth_edge_espnetv2_s0.5_c5_ihc_256x256"


@pytest.mark.parametrize(
    ("file", "width", "decoder", "dataset"),
    [
        *((CITY, width, "edgenets", "cityscapes") for width in (0.5, 1.0, 2.0)),
        *((PASCAL, width, "edgenets", "voc") for width in (0.5, 1.0, 2.0)),
        *((STANDALONE, width, "standalone", "cityscapes") for width in (0.5, 1.0, 1.5)),
    ],
)
def test_width_decoder_and_classes_are_read_off_the_file(
    data: Path, file: str, width: float, decoder: str, dataset: str
) -> None:
    checkpoint = import_checkpoint(data / "weights" / file.format(width), "espnetv2")
    assert checkpoint.card.arguments == {"width": width, "decoder": decoder}
    assert checkpoint.card.training["dataset"] == dataset
    assert checkpoint.classes == (VOC if dataset == "voc" else (*CITYSCAPES, VOID))
    expected = IMAGENET if decoder == "edgenets" else ESPNetLayout.normalisations["cityscapes"]
    assert checkpoint.card.normalisation == expected
    assert not checkpoint.network.training


def test_imported_checkpoint_survives_saving(data: Path, tmp_path: Path) -> None:
    for file in (PASCAL, STANDALONE):
        imported = import_checkpoint(data / "weights" / file.format(0.5), "espnetv2")
        loaded = load_checkpoint(imported.save(tmp_path / "x.safetensors"))
        x = imported.preprocess(torch.randint(0, 256, (1, 40, 48, 3), dtype=torch.uint8))
        assert loaded.card == imported.card
        with torch.no_grad():
            assert torch.equal(loaded.network(x), imported.network(x))


@pytest.mark.parametrize(
    ("layout", "file", "decoder"),
    [(EdgeNetsLayout(), CITY, "edgenets"), (StandaloneLayout(), STANDALONE, "standalone")],
)
def test_every_tensor_is_renamed_to_one_of_ours(
    data: Path, layout: EdgeNetsLayout | StandaloneLayout, file: str, decoder: str
) -> None:
    state = torch.load(data / "weights" / file.format(0.5), map_location="cpu", weights_only=True)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    renamed = layout.translate("espnetv2", state)
    own = create_model("espnetv2", 20, width=0.5, decoder=decoder).state_dict()
    assert len(renamed) == len(state)
    assert renamed.keys() <= own.keys()
    assert all(key.endswith("num_batches_tracked") for key in own.keys() - renamed.keys())


@pytest.mark.parametrize(
    "arguments", [{"width": 1.0}, {"decoder": "standalone"}, {"pyramid": 7}, {"width": 2.0}]
)
def test_arguments_that_contradict_the_file_are_refused(
    data: Path, arguments: dict[str, object]
) -> None:
    path = data / "weights" / CITY.format(0.5)
    with pytest.raises(WeightsMismatchError):
        import_checkpoint(path, "espnetv2", arguments=arguments)


def test_data_set_without_published_weights_is_refused(data: Path) -> None:
    with pytest.raises(ArgumentError, match="voc"):
        import_checkpoint(data / "weights" / STANDALONE.format(0.5), "espnetv2", "voc")


@pytest.mark.parametrize(
    "key",
    [
        "base_net.level1.conv.weight",
        "base_net.level2_0.act.weight",
        "base_net.level4.6.module_act.weight",
        "bu_dec_l4.merge_layer.3.weight",
        "bu_dec_l4.merge_layer.3.bias",
        "merge_enc_dec_l3.wt_layer.1.weight",
        "bu_br_l4.0.running_var",
    ],
)
def test_any_missing_tensor_is_refused(data: Path, key: str) -> None:
    state = dict(read_golden(data, DRAWN).state or {})
    del state[key]
    with pytest.raises(CheckpointError):
        import_state(state, "espnetv2")


@pytest.mark.parametrize(
    "key", ["base_net.level2_0.act.weight", "bu_dec_l4.merge_layer.3.weight", "bu_br_l4.0.bias"]
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_tensor_of_another_shape_is_refused(data: Path, key: str, shape: tuple[int, ...]) -> None:
    state = dict(read_golden(data, DRAWN).state or {})
    with pytest.raises(CheckpointError):
        import_state({**state, key: torch.zeros(shape)}, "espnetv2")


def test_surplus_tensors_are_refused_and_named(data: Path) -> None:
    state = dict(read_golden(data, DRAWN).state or {})
    with pytest.raises(WeightsMismatchError, match=r"1 left over: aux\.weight"):
        import_state({**state, "aux.weight": torch.zeros(3)}, "espnetv2")


def test_weights_of_another_generation_are_refused(data: Path) -> None:
    first = data / "weights" / "ESPNet" / "decoder" / "espnet_p_2_q_3.pth"
    with pytest.raises(CheckpointError, match="not weights of espnetv2"):
        import_checkpoint(first, "espnetv2")
    with pytest.raises(CheckpointError, match="not weights of espnet "):
        import_checkpoint(data / "weights" / CITY.format(0.5), "espnet")
