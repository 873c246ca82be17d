"""Published checkpoints of ESPNet's authors."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from golden import read_golden
from published import refusal, written
from wsiseg.errors import (
    ArgumentError,
    CheckpointError,
    UnknownArchitectureError,
    WeightsMismatchError,
)
from wsiseg.models import create_model, import_checkpoint, import_state, load_checkpoint
from wsiseg.models.class_sets import CAMVID, CITYSCAPES, VOID
from wsiseg.models.importing.espnet import ESPNetLayout

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights(data: Path) -> Path:
    return data / "weights" / "ESPNet"


@pytest.fixture(scope="module")
def drawn(data: Path) -> State:
    """Weights of an ESPNet (q = 3, 5 classes, ``test`` form) under their authors' names."""
    state = read_golden(data, "synth_espnet_test_p2q3_c5_ihc_256x256").state
    assert state is not None
    return state


@pytest.fixture(scope="module")
def drawn19(data: Path) -> State:
    state = read_golden(data, "synth_espnet_train_p2q3_c19_ihc_128x256").state
    assert state is not None
    return state


def without(state: Mapping[str, Tensor], *keys: str) -> State:
    return {key: value for key, value in state.items() if key not in keys}


# What is read off the file.


@pytest.mark.parametrize(
    ("file", "architecture", "arguments"),
    [
        ("encoder/espnet_p_2_q_3.pth", "espnet-c", {"alpha2": 2, "alpha3": 3}),
        ("encoder/espnet_p_2_q_8.pth", "espnet-c", {"alpha2": 2, "alpha3": 8}),
        ("decoder/espnet_p_2_q_5.pth", "espnet", {"alpha2": 2, "alpha3": 5, "skip": "test"}),
        ("decoder/espnet_p_2_q_8.pth", "espnet", {"alpha2": 2, "alpha3": 8, "skip": "test"}),
        (
            "decoder/espnet_p_2_q_8_camvid.pth",
            "espnet",
            {"alpha2": 2, "alpha3": 8, "skip": "train"},
        ),
    ],
)
def test_depths_and_form_are_read_off_the_file(
    weights: Path, file: str, architecture: str, arguments: dict[str, object]
) -> None:
    card = import_checkpoint(weights / file, architecture).card
    assert card.architecture == architecture
    assert card.arguments == arguments


def test_other_depths_are_read_off_the_file_as_well(drawn: State) -> None:
    deeper = dict(drawn)
    for key, value in drawn.items():
        if key.startswith("encoder.level2.1."):
            deeper[key.replace("level2.1.", "level2.2.")] = value
        if key.startswith("encoder.level3.0."):
            for i in range(3, 12):
                deeper[key.replace("level3.0.", f"level3.{i}.")] = value
    network = import_state(deeper, "espnet")
    assert (len(network.encoder.level2), len(network.encoder.level3)) == (3, 12)


def test_cityscapes_is_told_by_twenty_classes(weights: Path) -> None:
    checkpoint = import_checkpoint(weights / "decoder/espnet_p_2_q_3.pth", "espnet")
    assert checkpoint.classes == (*CITYSCAPES, VOID)
    assert checkpoint.classes[0].name == "road"
    assert checkpoint.network.classes == 20
    assert checkpoint.card.normalisation == ESPNetLayout.normalisations["cityscapes"]
    assert checkpoint.card.training["dataset"] == "cityscapes"
    assert checkpoint.card.training["imported_from"] == "espnet_p_2_q_3.pth"
    assert checkpoint.mpp is None


def test_camvid_is_told_by_twelve_classes(weights: Path) -> None:
    checkpoint = import_checkpoint(weights / "decoder/espnet_p_2_q_8_camvid.pth", "espnet")
    assert checkpoint.classes == (*CAMVID, VOID)
    assert checkpoint.classes[0].name == "sky"
    assert checkpoint.card.normalisation == ESPNetLayout.normalisations["camvid"]
    assert checkpoint.card.training["dataset"] == "camvid"


def test_class_for_unlabelled_pixels_is_no_must(drawn19: State, tmp_path: Path) -> None:
    checkpoint = import_checkpoint(written(tmp_path, drawn19), "espnet")
    assert checkpoint.classes == CITYSCAPES
    assert checkpoint.card.arguments["skip"] == "train"


def test_data_set_may_be_said(weights: Path) -> None:
    path = weights / "encoder/espnet_p_2_q_3.pth"
    said = import_checkpoint(path, "espnet-c", "cityscapes")
    assert said.card == import_checkpoint(path, "espnet-c").card


def test_network_is_in_evaluation_mode(weights: Path, drawn: State) -> None:
    assert not import_state(drawn, "espnet").training
    path = weights / "encoder/espnet_p_2_q_3.pth"
    assert not import_checkpoint(path, "espnet-c").network.training


def test_imported_checkpoint_survives_saving(weights: Path, tmp_path: Path) -> None:
    imported = import_checkpoint(weights / "decoder/espnet_p_2_q_8_camvid.pth", "espnet")
    loaded = load_checkpoint(imported.save(tmp_path / "camvid.safetensors"))
    x = imported.preprocess(torch.randint(0, 256, (1, 32, 48, 3), dtype=torch.uint8))
    assert loaded.card == imported.card
    with torch.no_grad():
        assert torch.equal(loaded.network(x), imported.network(x))


# Wrappers.


def test_prefix_of_parallel_training_is_taken_off(drawn: State, tmp_path: Path) -> None:
    prefixed = {f"module.{key}": value for key, value in drawn.items()}
    expected = import_state(drawn, "espnet").state_dict()
    imported = import_state(prefixed, "espnet").state_dict()
    assert all(torch.equal(imported[key], value) for key, value in expected.items())
    path = written(tmp_path, {f"module.{key}": value for key, value in drawn.items()})
    assert "`dataset`" in refusal(path)  # it gets as far as the number of classes


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "model_state_dict"])
def test_weights_inside_a_training_record_are_found(
    drawn19: State, tmp_path: Path, wrapper: str
) -> None:
    prefixed = {f"module.{key}": value for key, value in drawn19.items()}
    path = written(tmp_path, {"epoch": 800, wrapper: prefixed})
    imported = import_checkpoint(path, "espnet").network.state_dict()
    expected = import_state(drawn19, "espnet").state_dict()
    assert all(torch.equal(imported[key], value) for key, value in expected.items())


def test_batch_norm_counters_may_be_missing(drawn: State) -> None:
    bare = {key: value for key, value in drawn.items() if "num_batches_tracked" not in key}
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(import_state(bare, "espnet")(x), import_state(drawn, "espnet")(x))


# What does not fit.


@pytest.mark.parametrize(
    "arguments", [{"alpha2": 1}, {"alpha3": 3}, {"alpha3": 9}, {"skip": "train"}]
)
def test_arguments_that_contradict_the_file_are_refused(
    weights: Path, arguments: dict[str, object]
) -> None:
    path = weights / "decoder/espnet_p_2_q_8.pth"
    with pytest.raises(WeightsMismatchError) as caught:
        import_checkpoint(path, "espnet", arguments=arguments)
    (name,) = arguments
    assert path.name in str(caught.value)
    assert f"the file has {name}=" in str(caught.value)
    assert f"Leave {name} out" in str(caught.value)


def test_arguments_that_agree_with_the_file_are_taken(weights: Path) -> None:
    settings = {"alpha2": 2, "alpha3": 8, "skip": "test"}
    path = weights / "decoder/espnet_p_2_q_8.pth"
    assert import_checkpoint(path, "espnet", arguments=settings).card.arguments == settings


def test_unknown_argument_is_refused(weights: Path, drawn: State) -> None:
    with pytest.raises(ArgumentError, match="alpha4"):
        import_checkpoint(weights / "decoder/espnet_p_2_q_3.pth", "espnet", None, {"alpha4": 1})
    with pytest.raises(ArgumentError, match="alpha4"):
        import_state(drawn, "espnet", alpha4=1)


@pytest.mark.parametrize("classes", [1, 4, 6, 19])
def test_class_count_that_contradicts_the_file_is_refused(drawn: State, classes: int) -> None:
    with pytest.raises(WeightsMismatchError, match="number of classes"):
        import_state(drawn, "espnet", classes)


def test_class_count_that_agrees_is_taken(drawn: State) -> None:
    assert import_state(drawn, "espnet", 5).classes == 5


@pytest.mark.parametrize(
    ("file", "architecture"),
    [("encoder/espnet_p_2_q_3.pth", "espnet"), ("decoder/espnet_p_2_q_3.pth", "espnet-c")],
)
def test_weights_of_another_architecture_are_refused(
    weights: Path, file: str, architecture: str
) -> None:
    text = refusal(weights / file, architecture)
    assert f"not weights of {architecture}" in text
    other = "espnet" if architecture == "espnet-c" else "espnet-c"
    assert text.endswith(f"Did you mean `architecture` {other}?")


def test_weights_of_another_network_are_refused_with_its_name(data: Path) -> None:
    path = data / "weights" / "CGNet" / "model_blob3986643f.pth"
    text = refusal(path)
    assert "the file begins with" in text
    assert "`architecture` cgnet?" in text
    with pytest.raises(UnknownArchitectureError, match="no importer for pspnet") as caught:
        import_checkpoint(path, "pspnet")
    assert "`architecture` cgnet?" in str(caught.value)


def test_weights_of_a_strange_network_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {"backbone.stem.weight": torch.zeros(3)})
    assert refusal(path).endswith("Check `architecture`.")
    with pytest.raises(UnknownArchitectureError, match="There are importers for bisenetv1, "):
        import_checkpoint(path, "pspnet")


def test_unknown_architecture_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnknownArchitectureError, match="espnt"):
        import_checkpoint(tmp_path / "absent.pth", "espnt")
    with pytest.raises(UnknownArchitectureError, match="espnt"):
        import_state({}, "espnt")


def test_data_set_of_another_class_count_is_refused(weights: Path) -> None:
    text = refusal(weights / "decoder/espnet_p_2_q_3.pth", dataset="camvid")
    assert "20 classes" in text
    assert "11" in text
    assert "`dataset`" in text


@pytest.mark.parametrize("dataset", ["voc", "moon"])
def test_data_set_that_the_authors_published_nothing_for_is_refused(
    weights: Path, dataset: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        import_checkpoint(weights / "decoder/espnet_p_2_q_3.pth", "espnet", dataset)
    assert dataset in str(caught.value)
    assert "cityscapes, camvid" in str(caught.value.hint)


def test_data_set_that_cannot_be_told_is_asked_for(drawn: State, tmp_path: Path) -> None:
    text = refusal(written(tmp_path, drawn))
    assert "5 classes" in text
    assert "Add `dataset`" in text


@pytest.mark.parametrize(
    "key",
    [
        "encoder.level1.conv.weight",
        "encoder.level2.1.d4.conv.weight",
        "encoder.level3.2.bn.bn.running_var",
        "up_l3.0.weight",
        "conv.conv.weight",
        "classifier.weight",
        "br.bias",
    ],
)
def test_any_missing_tensor_is_refused(drawn: State, key: str) -> None:
    assert key in drawn
    with pytest.raises(CheckpointError, match="missing"):
        import_state(without(drawn, key), "espnet")


@pytest.mark.parametrize("key", ["classifier.conv.weight", "level1.conv.weight"])
def test_any_missing_tensor_of_the_encoder_is_refused(data: Path, key: str) -> None:
    state = read_golden(data, "synth_espnetc_p2q8_c19_astronaut_128x256").state
    assert state is not None
    assert key in state
    with pytest.raises(CheckpointError, match="missing"):
        import_state(without(state, key), "espnet-c")


def test_surplus_tensors_are_refused_and_named(drawn: State) -> None:
    with pytest.raises(WeightsMismatchError, match=r"1 left over: aux\.weight"):
        import_state({**drawn, "aux.weight": torch.zeros(3)}, "espnet")


@pytest.mark.parametrize("key", ["classifier.weight", "conv.conv.weight", "br.weight"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_tensor_of_another_shape_is_refused_and_named(
    drawn: State, key: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(WeightsMismatchError) as caught:
        import_state({**drawn, key: torch.zeros(shape)}, "espnet")
    names = (key, "norm3.weight", "merge1.conv.weight", "up1.weight")
    assert any(f"{name} is {shape}" in str(caught.value) for name in names)


def test_own_checkpoint_needs_no_import(weights: Path, tmp_path: Path) -> None:
    imported = import_checkpoint(weights / "encoder/espnet_p_2_q_3.pth", "espnet-c")
    text = refusal(imported.save(tmp_path / "x.safetensors"), "espnet-c")
    assert "a checkpoint already" in text


def test_published_weights_may_be_a_safetensors_file(drawn19: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in drawn19.items()}, path)
    assert import_checkpoint(path, "espnet").classes == CITYSCAPES


# Weights too small to matter.


def test_subnormal_weights_become_zero_and_no_logit_changes(weights: Path) -> None:
    path = weights / "decoder/espnet_p_2_q_8.pth"
    published = torch.load(path, map_location="cpu", weights_only=True)
    checkpoint = import_checkpoint(path, "espnet")

    def tiny(state: Mapping[str, Tensor]) -> int:
        return sum(
            int(((value.abs() < 1e-30) & (value != 0)).sum())
            for key, value in state.items()
            if key.endswith("weight")
        )

    assert tiny(published) > 10_000
    assert tiny(checkpoint.network.state_dict()) == 0
    as_published = create_model("espnet", 20).eval()
    translated = ESPNetLayout().translate("espnet", published)
    as_published.load_state_dict(translated, strict=False)
    assert tiny(as_published.state_dict()) == tiny(published)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1, 48, 64, 3), dtype=torch.uint8, generator=generator)
    x = checkpoint.preprocess(pixels)
    with torch.no_grad():
        assert torch.equal(checkpoint.network(x), as_published(x))


def test_importing_leaves_the_given_tensors_alone(drawn: State) -> None:
    state = {key: value.clone() for key, value in drawn.items()}
    state["br.weight"][0] = 1e-40
    network = import_state(state, "espnet")
    assert state["br.weight"][0] > 0
    assert network.norm3.weight[0] == 0
    with torch.no_grad():
        network.norm3.weight.fill_(7)
    assert not (state["br.weight"] == 7).any()


def test_every_tensor_is_renamed_to_one_of_ours(drawn: State) -> None:
    renamed = ESPNetLayout().translate("espnet", drawn)
    assert len(renamed) == len(drawn)
    assert renamed.keys() == create_model("espnet", 5, alpha3=3).state_dict().keys()
