"""What a user can ask of a training."""

import inspect
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml
from pydantic import TypeAdapter

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.training import compare, evaluate, train
from wsiseg.training.data_options import DataOptions
from wsiseg.training.keywords import EvaluateKeywords, TrainKeywords
from wsiseg.training.options import EvaluateOptions, TrainOptions

NAN, INF = float("nan"), float("inf")
PICTURES = {"images": Path("/i"), "labels": Path("/l"), "class_map": "0=a"}
SLIDES = {"slides": Path("/s"), "annotations": Path("/a")}
PUBLIC = {"dataset": "camvid", "root": Path("/r")}

BAD = {
    "model": [3],
    "arguments": [{"alpha2": None}, {"alpha2": [1]}, 3],
    "init": [3],
    "recipe": [None, 3],
    "epochs": [0, -1, 1.5, "many"],
    "batch": [0, 2.5],
    "lr": [0, -1e-3, NAN, INF, "fast"],
    "tile": [0, 15, 64.5],
    "tiles": [0],
    "mpp": [0, 0.049, 20.1, NAN, INF],
    "slide_mpp": [0, 0.049, 20.1, NAN, INF],
    "scale": [0, -1, NAN, INF],
    "val_fraction": [-0.1, 1, NAN],
    "val_only": [3],
    "val_every": [0],
    "tensorboard": ["perhaps"],
    "wandb": ["perhaps"],
    "augment": ["streets", None],
    "balance": [-0.1, 1.1, NAN],
    "loss": ["hinge", None],
    "ema": [-0.1, 1, NAN],
    "clip": [-1, NAN, INF],
    "patience": [0],
    "freeze_encoder": ["perhaps"],
    "precision": ["int8", None],
    "override_mpp": ["perhaps", None],
    "device": ["tpu"],
    "devices": [0],
    "strategy": [3],
    "workers": [-1],
    "threads": [0],
    "seed": [-1, 2**32, 0.5],
}
BAD_DATA = {
    "dataset": [3],
    "root": [3],
    "split": [3],
    "images": [3],
    "labels": [3],
    "instances": [3],
    "slides": [3],
    "annotations": [3],
    "class_map": [3],
    "coordinates": ["level1", None],
    "strict": ["perhaps"],
    "only": [3],
    "without": [3],
    "reader": [3],
    "icc": ["perhaps"],
    "stain": ["makenko", 3],
    "stain_reference": [3],
}


def flat(bad: dict[str, list[object]]) -> list[tuple[str, object]]:
    return [(name, value) for name, values in bad.items() for value in values]


def build(**options: object) -> TrainOptions:
    return TrainOptions(data=DataOptions(**PICTURES), **options)


def test_there_is_a_bad_value_for_every_setting() -> None:
    assert {*BAD, "data"} == TrainOptions.model_fields.keys()
    assert BAD_DATA.keys() == DataOptions.model_fields.keys()


@pytest.mark.parametrize(("name", "value"), flat(BAD))
def test_settings_that_make_no_sense_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ArgumentError) as caught:
        build(**{name: value})
    assert caught.value.where == f"`{name}`"
    assert "\n" not in str(caught.value)
    inside = next(iter(value.values())) if isinstance(value, dict) else value
    assert str(inside) in caught.value.what


@pytest.mark.parametrize(("name", "value"), flat(BAD_DATA))
def test_data_that_make_no_sense_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ArgumentError) as caught:
        DataOptions(**{name: value})
    assert caught.value.where == f"`{name}`"
    # As well where they stand inside the settings of a training.
    with pytest.raises(ArgumentError) as caught:
        TrainOptions(data={name: value})
    assert caught.value.where == f"`{name}`"


def test_an_encoder_can_only_be_frozen_if_it_comes_from_somewhere() -> None:
    with pytest.raises(ArgumentError, match="`freeze_encoder` has no meaning without `init`"):
        build(freeze_encoder=True)
    assert build(freeze_encoder=True, init=Path("/a.safetensors")).freeze_encoder


def test_limits_that_still_make_sense() -> None:
    options = build(
        mpp=0.05, slide_mpp=20, val_fraction=0, balance=1, ema=0, clip=0, tile=16, workers=0
    )
    assert (options.mpp, options.slide_mpp, options.ema, options.workers) == (0.05, 20, 0, 0)


@pytest.mark.parametrize("name", ["epoch", "learning_rate"])
def test_misspelt_settings_are_refused(name: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        build(**{name: 3})
    assert f"no setting {name!r}" in caught.value.what


def test_data_are_needed() -> None:
    with pytest.raises(ArgumentError):
        TrainOptions()


@pytest.mark.parametrize("data", [PICTURES, SLIDES, PUBLIC])
def test_each_kind_of_data_is_enough(data: dict[str, object]) -> None:
    options = DataOptions(**data)
    assert {name: getattr(options, name) for name in data} == data
    assert options.coordinates == "auto"


def test_files_are_found_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = DataOptions(
        slides=Path("s"), annotations=Path("../a"), only=Path("x/y.txt"), class_map="classes.yaml"
    )
    options = TrainOptions(data=data, init=Path("a.safetensors"), val_only=Path("kept.txt"))
    monkeypatch.chdir("/")
    assert options.init == str(tmp_path / "a.safetensors")
    assert options.val_only == tmp_path / "kept.txt"
    assert data.slides == tmp_path / "s"
    assert data.annotations == tmp_path / ".." / "a"
    assert data.only == tmp_path / "x" / "y.txt"
    assert data.class_map == str(tmp_path / "classes.yaml")


@pytest.mark.parametrize("init", ["nuclei", "https://host/a.safetensors?t=1", "hf://lab/nuclei@v1"])
def test_names_and_addresses_of_checkpoints_are_kept_as_they_are(tmp_path: Path, init: str) -> None:
    TrainOptions(data=DataOptions(**PICTURES), init=init).save(tmp_path / "config.yaml")
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["init"] == init
    assert TrainOptions.load(tmp_path / "config.yaml").init == init


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0=a,1=b", "0=a,1=b"),
        ("classes=3.yaml", None),
        ("classes.yaml", None),
        ("no=1.yaml", "no=1.yaml"),
    ],
)
def test_a_class_map_is_a_text_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kept: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes=3.yaml").touch()
    options = DataOptions(**{**PICTURES, "class_map": text})
    assert options.class_map == (kept or str(tmp_path / text))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "none is given"),
        ({"class_map": "0=a"}, "none is given"),
        ({**PICTURES, **SLIDES}, "not `images` and `labels` nor `slides` and `annotations`"),
        ({**PICTURES, **PUBLIC}, "not `dataset` and `root` nor `images` and `labels` together"),
        ({**SLIDES, "root": Path("r")}, "not `dataset` and `root` nor `slides`"),
        ({**PICTURES, "slides": Path("s")}, "not `images` and `labels` nor `slides`"),
        *(
            ({name: value}, f"{names} belong together")
            for data, names in [
                (PICTURES, "`images` and `labels`"),
                (SLIDES, "`slides` and `annotations`"),
                (PUBLIC, "`dataset` and `root`"),
            ]
            for name, value in data.items()
            if name != "class_map"
        ),
        ({**PUBLIC, "class_map": "0=a"}, "`class_map` has no meaning for camvid"),
        ({**PICTURES, "split": "val"}, "`split` has no meaning without `dataset`"),
        ({**SLIDES, "split": "val"}, "`split` has no meaning without `dataset`"),
        ({**SLIDES, "instances": Path("n")}, "`instances` has no meaning without `images`"),
        ({**PUBLIC, "instances": Path("n")}, "`instances` has no meaning without `images`"),
        ({**PICTURES, "coordinates": "bounds"}, "`coordinates` has no meaning without `slides`"),
        ({**PUBLIC, "coordinates": "level0"}, "`coordinates` has no meaning without `slides`"),
    ],
)
def test_data_that_do_not_go_together_are_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        DataOptions(**data)
    assert message in caught.value.what
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        {**SLIDES, "class_map": "classes.yaml", "coordinates": "bounds"},
        {**PUBLIC, "split": "val", "only": Path("only.txt"), "without": Path("out.txt")},
        {**PICTURES, "instances": Path("n")},
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "model": "espnet",
            "arguments": {"alpha2": 1, "width": 1.0, "skip": "train", "gate": True, "note": "1"},
            "init": Path("over there/a.safetensors"),
            "recipe": "espnet",
            "epochs": 7,
            "lr": 1e-5,
            "mpp": 0.5,
            "val_only": Path("välid.txt"),
            "augment": "none",
            "balance": 1 / 3,
            "ema": 0.999,
            "clip": 1e-12,
            "freeze_encoder": True,
            "precision": "bf16",
            "strategy": "no",
            "workers": 0,
            "seed": 2**32 - 1,
        },
    ],
)
def test_settings_survive_the_file(
    tmp_path: Path, data: dict[str, object], options: dict[str, object]
) -> None:
    written = TrainOptions(data=DataOptions(**data), **options)
    written.save(tmp_path / "config.yaml")
    read = TrainOptions.load(tmp_path / "config.yaml")
    assert read == written
    kinds = [type(value) for value in read.arguments.values()]
    assert kinds == [type(value) for value in written.arguments.values()]


def test_the_file_holds_what_was_set_and_what_was_not_left_open(tmp_path: Path) -> None:
    build(epochs=3).save(tmp_path / "config.yaml")
    content = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert content["epochs"] == 3
    assert content["data"]["images"] == "/i"
    assert content["recipe"] == "plain"
    assert "batch" not in content
    assert "dataset" not in content["data"]


@pytest.mark.parametrize("content", [None, b"", b"- 1\n", b"a: [", b"\xff\xfe", b"1: 2\n", b"word"])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataSetError, match="cannot be read") as caught:
        TrainOptions.load(path)
    assert caught.value.where == path
    assert "\n" not in str(caught.value)


def test_a_file_with_a_setting_that_makes_no_sense_names_it(tmp_path: Path) -> None:
    build(epochs=3).save(tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(text.replace("epochs: 3", "epochs: -3"))
    with pytest.raises(ArgumentError, match="`epochs`"):
        TrainOptions.load(tmp_path / "config.yaml")


def test_settings_do_not_change_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        build().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("keywords", "options", "elsewhere"),
    [
        (TrainKeywords, TrainOptions, {"data", "init"}),
        (EvaluateKeywords, EvaluateOptions, set()),
    ],
)
def test_typed_keywords_are_those_of_the_options(keywords, options, elsewhere) -> None:
    names = options.model_fields.keys() - elsewhere
    assert keywords.__annotations__.keys() == names
    hints = get_type_hints(keywords)
    for name in names:
        default = options.model_fields[name].get_default(call_default_factory=True)
        assert TypeAdapter(hints[name]).validate_python(default) == default, name


@pytest.mark.parametrize(
    ("job", "options", "scored"),
    [
        (train, TrainOptions, "checkpoint"),
        (evaluate, EvaluateOptions, "checkpoint"),
        (compare, EvaluateOptions, "checkpoints"),
    ],
)
def test_the_signature_of_a_job_shows_every_option(job, options, scored) -> None:
    shown = inspect.signature(job).parameters
    assert list(shown)[:3] == ["data", scored, "output"]
    assert shown.keys() >= options.model_fields.keys() - {"init"}
