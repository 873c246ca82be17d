"""Networks that leave: each file labels as the original does, and says what it is."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lively import lively
from tiny import tiny_checkpoint
from wsiseg.classes import numbered_classes
from wsiseg.demo.tissue import tissue_tiles
from wsiseg.errors import ArgumentError, OutputError, OutputExistsError, RuntimeUnavailableError
from wsiseg.models import list_architectures, load_checkpoint
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.exporting import exporting
from wsiseg.models.exporting.exporting import describe, export_model
from wsiseg.models.exporting.formats import MODEL_FORMATS
from wsiseg.models.tile_network import TileNetwork

BOTH = ("labels", "probabilities")

ALONE = """
import sys, json
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
labels, probabilities = session.run(["labels", "probabilities"], {"tiles": np.load(sys.argv[2])})
np.savez(sys.argv[3], labels=labels, probabilities=probabilities)
print(json.dumps([session.get_modelmeta().custom_metadata_map, "torch" in sys.modules]))
"""
"""A program of somebody who has ONNX Runtime and not this package."""


@pytest.fixture(params=list(MODEL_FORMATS))
def to(request: pytest.FixtureRequest) -> str:
    for package in MODEL_FORMATS[request.param].packages:
        pytest.importorskip(package, reason=f"{package} is an extra")
    return str(request.param)


def expected(checkpoint: Checkpoint, tiles: np.ndarray) -> dict[str, np.ndarray]:
    network = TileNetwork(checkpoint.network, checkpoint.card.normalisation, BOTH).eval()
    with torch.no_grad():
        outputs = network(torch.from_numpy(tiles))
    return {name: value.numpy() for name, value in zip(BOTH, outputs, strict=True)}


def test_a_file_labels_other_tiles_as_the_original_does(to: str, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(Path(tmp_path, tiny_checkpoint().save(tmp_path / "a.safetensors")))
    tiles = tissue_tiles(64, 2)
    output = tmp_path / f"tiny{MODEL_FORMATS[to].suffix}"
    result = export_model(checkpoint, to, output, tiles)
    assert (result.label_agreement, result.max_abs_difference) == (1.0, 0.0)
    files = {path.name: path for path in tmp_path.iterdir() if path.stem == "tiny"}
    assert result.bytes == sum(path.stat().st_size for path in files.values())
    assert set(files) == {output.name} | ({"tiny.bin"} if to == "openvino" else set())
    others = np.random.default_rng(0).integers(0, 256, tiles.shape, np.uint8)
    found = MODEL_FORMATS[to].run(output, others)
    for name, value in expected(checkpoint, others).items():
        np.testing.assert_array_equal(found[name], value)


def run_alone(file: Path, tiles: np.ndarray, folder: Path) -> tuple[dict, dict[str, str]]:
    np.save(folder / "tiles.npy", tiles)
    words = [file, folder / "tiles.npy", folder / "found.npz"]
    run = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, words)], capture_output=True, text=True, check=True
    )
    metadata, has_torch = json.loads(run.stdout)
    assert not has_torch
    with np.load(folder / "found.npz") as found:
        return dict(found), metadata


def checkpoint_of(name: str) -> Checkpoint:
    entries = tuple(ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(4))
    card = CheckpointCard(architecture=name, classes=entries, mpp=0.5)
    return Checkpoint(card, lively(name, 4))


# It pools by factors that do not divide, which the older exporter of PyTorch refused.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            architecture.name,
            marks=[] if architecture.name == "espnetv2" else pytest.mark.long,
        )
        for architecture in list_architectures()
        if architecture.family != "tests"
    ],
)
def test_onnx_runtime_alone_gives_the_same_labels(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is an extra")
    checkpoint = checkpoint_of(name)
    tiles = tissue_tiles(128)
    result = export_model(checkpoint, "onnx", tmp_path / "a.onnx", tiles)
    found, metadata = run_alone(result.output, tiles, tmp_path)
    wanted = expected(checkpoint, tiles)
    # Where two classes are as likely as each other, rounding decides.
    best, second = np.sort(wanted["probabilities"].astype(int), axis=1)[:, :-3:-1].swapaxes(0, 1)
    settled = best - second > 1
    assert (found["labels"] == wanted["labels"])[settled].all()
    difference = np.abs(found["probabilities"].astype(int) - wanted["probabilities"])
    assert difference.max() <= 1
    assert metadata["wsiseg.architecture"] == name
    assert metadata["wsiseg.mpp"] == "0.5"
    names = [entry["name"] for entry in json.loads(metadata["wsiseg.classes"])]
    assert names == [entry.name for entry in checkpoint.classes]


def test_openvino_files_and_torch_files_say_what_they_are(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is an extra")
    checkpoint, tiles = tiny_checkpoint(), tissue_tiles(64)
    about = describe(checkpoint.card, tiles.shape)
    assert about["wsiseg.input"].startswith("tiles: uint8 [1, 64, 64, 3]")
    export_model(checkpoint, "openvino", tmp_path / "a.xml", tiles)
    model = openvino.Core().read_model(tmp_path / "a.xml")
    for key, value in about.items():
        assert model.get_rt_info(key.split(".")).astype(str) == value
    export_model(checkpoint, "torchscript", tmp_path / "a.pt", tiles)
    found = dict.fromkeys(about, "")
    torch.jit.load(tmp_path / "a.pt", _extra_files=found)
    assert {key: value.decode() for key, value in found.items()} == about
    export_model(checkpoint, "torch-export", tmp_path / "a.pt2", tiles)
    found = dict.fromkeys(about, "")
    torch.export.load(tmp_path / "a.pt2", extra_files=found)
    assert found == about


def test_what_cannot_be_written_is_refused_before_it_is(tmp_path: Path) -> None:
    checkpoint, tiles = tiny_checkpoint(), tissue_tiles(64)
    with pytest.raises(ArgumentError, match="Did you mean onnx"):
        export_model(checkpoint, "onyx", tmp_path / "a.onnx", tiles)
    with pytest.raises(ArgumentError, match=r"must end with \.onnx"):
        export_model(checkpoint, "onnx", tmp_path / "a.pt", tiles)
    with pytest.raises(ArgumentError, match=r"not a multiple of 4.*Use 60 or 64"):
        export_model(checkpoint, "torchscript", tmp_path / "a.pt", tissue_tiles(62))
    with pytest.raises(OutputError, match="no such folder"):
        export_model(checkpoint, "torchscript", tmp_path / "none" / "a.pt", tiles)
    (tmp_path / "b.pt").write_text("mine")
    with pytest.raises(OutputExistsError):
        export_model(checkpoint, "torchscript", tmp_path / "b.pt", tiles)
    assert (tmp_path / "b.pt").read_text() == "mine"
    export_model(checkpoint, "torchscript", tmp_path / "b.pt", tiles, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["b.pt"]


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(exporting, "TemporaryDirectory", refuse)
    with pytest.raises(OutputError, match=r"cannot be written: Read-only file system .*a\.pt"):
        export_model(tiny_checkpoint(), "torchscript", tmp_path / "a.pt", tissue_tiles(64))


def test_what_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'wsiseg\[onnx\]'"):
        export_model(tiny_checkpoint(), "onnx", tmp_path / "a.onnx", tissue_tiles(64))


def test_a_file_that_labels_otherwise_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = MODEL_FORMATS["torchscript"]
    monkeypatch.setattr(
        form,
        "run",
        staticmethod(
            lambda _, tiles: {
                name: np.zeros_like(value)
                for name, value in expected(tiny_checkpoint(), tiles).items()
            }
        ),
    )
    with pytest.raises(OutputError, match="differently from the original"):
        export_model(tiny_checkpoint(), "torchscript", tmp_path / "a.pt", tissue_tiles(64))
    assert not list(tmp_path.iterdir())
