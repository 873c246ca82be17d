"""``wsiseg models quantize`` on the command line, and runs in int8."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from commands import run
from tiny import tiny_checkpoint
from wsiseg.models import load_checkpoint
from wsiseg.models.quantised import Int8Form, digest_graph, read_int8_form

pytest.importorskip("nncf", reason="nncf is an extra")


def save_uneven(path: Path, seed: int = 0) -> Path:
    """Write a checkpoint whose logits differ, so that hardly a label hangs by a thread."""
    checkpoint = tiny_checkpoint(3)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in checkpoint.network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random))
    return checkpoint.save(path)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory, real_slide):
    """Return the folder of a checkpoint with its int8 form beside it, and what was printed."""
    folder = tmp_path_factory.mktemp("quantised")
    checkpoint = save_uneven(folder / "uneven.safetensors")
    output = folder / "uneven.int8.safetensors"
    words = ("models", "quantize", checkpoint, "--calibrate", real_slide, "-o", output)
    result = run(*words, "--min-agreement", 0.9, "--json")
    assert result.status == 0, result.err
    return folder, json.loads(result.out)


@pytest.fixture
def picture(tmp_path, real_slide):
    from wsiseg.tiling.boxes import Box
    from wsiseg.tiling.slides import open_slide

    with open_slide(real_slide) as slide:
        pixels = slide.read_region(0, Box(900, 900, 200, 264))
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def segmented(picture, folder, checkpoint, *words):
    options = ("--level", 0, "--tissue", "none", "--runtime", "openvino", "--json")
    result = run("segment", picture, "-o", folder, "-c", checkpoint, *options, *words)
    assert result.status == 0, result.err
    (entry,) = json.loads(result.out)["slides"]
    return entry, zarr.open_array(folder / "picture.ome.zarr" / "0", mode="r")[:]


def test_what_was_measured_is_printed(quantised):
    folder, content = quantised
    assert set(content) == {"output", "runtime", "label_agreement", "speedup", "layers_in_fp32"}
    assert content["output"] == str(folder / "uneven.int8.safetensors")
    assert 0.9 <= content["label_agreement"] <= 1
    assert content["speedup"] > 0


def test_a_run_in_int8_takes_the_form_in_the_file_or_beside_it(quantised, picture, tmp_path):
    folder, _ = quantised
    plain, carrying = folder / "uneven.safetensors", folder / "uneven.int8.safetensors"
    _, original = segmented(picture, tmp_path / "fp32", plain)
    entry, same = segmented(picture, tmp_path / "auto", carrying)
    # Only who asks for int8 gets it.
    assert entry["precision"] == "fp32"
    np.testing.assert_array_equal(same, original)
    entry, found = segmented(picture, tmp_path / "own", carrying, "--precision", "int8")
    assert (entry["precision"], entry["runtime"]) == ("int8", "openvino")
    assert 0.85 < (found == original).mean() < 1
    _, beside = segmented(picture, tmp_path / "beside", plain, "--precision", "int8")
    np.testing.assert_array_equal(beside, found)
    # Smaller tiles have other shapes, and the same labels.
    cut = ("--tile", 64, "--halo", 8, "--precision", "int8")
    _, tiled = segmented(picture, tmp_path / "tiled", plain, *cut)
    np.testing.assert_array_equal(tiled, found)


def test_an_int8_run_is_resumed_with_the_same_form_only(quantised, picture, tmp_path):
    folder, _ = quantised
    plain = folder / "uneven.safetensors"
    segmented(picture, tmp_path / "out", plain, "--precision", "int8")
    run_file = tmp_path / "out" / "picture.run.json"
    identity = json.loads(run_file.read_text())["identity"]
    with safe_open(folder / "uneven.int8.safetensors", "np") as file:
        note = json.loads(file.metadata()["wsiseg.int8"])
    assert identity["int8_form"] == note["graph"]
    segmented(picture, tmp_path / "out", plain, "--precision", "int8", "--resume")
    changed = json.loads(run_file.read_text())
    changed["identity"]["int8_form"] = "0" * 64
    run_file.write_text(json.dumps(changed))
    words = ("-c", plain, "--level", 0, "--tissue", "none", "--precision", "int8", "--resume")
    result = run("segment", picture, "-o", tmp_path / "out", *words)
    assert result.status == 1
    assert "another `int8_form`" in result.err


def line_of(result, status):
    assert result.status == status, result.err
    return next(line for line in result.err.splitlines() if line.startswith("error:"))


def test_int8_without_an_int8_form_is_one_line(picture, tmp_path):
    checkpoint = save_uneven(tmp_path / "lonely.safetensors")
    words = ("segment", picture, "-o", tmp_path / "out", "-c", checkpoint, "--precision", "int8")
    line = line_of(run(*words), 1)
    assert f"there is no int8 form of {checkpoint} (--precision)" in line
    assert "wsiseg models quantize --calibrate SLIDE -o" in line
    assert "lonely.int8.safetensors" in line
    assert not (tmp_path / "out").exists()


def test_an_int8_form_of_other_weights_is_refused(quantised, picture, tmp_path):
    folder, _ = quantised
    other = save_uneven(tmp_path / "uneven.safetensors", seed=1)
    beside = tmp_path / "uneven.int8.safetensors"
    beside.write_bytes((folder / "uneven.int8.safetensors").read_bytes())
    words = ("segment", picture, "-o", tmp_path / "out", "-c", other, "--level", 0)
    line = line_of(run(*words, "--precision", "int8"), 1)
    assert "the int8 form is of other weights" in line
    assert str(beside) in line
    # Who goes without is told, and gets fp32 or what else is quick.
    result = run(*words, "--tissue", "none", "--precision", "fast", "--json")
    assert result.status == 0
    (entry,) = json.loads(result.out)["slides"]
    assert any("int8 is not tried" in warning for warning in entry["warnings"])


def test_a_damaged_int8_form_is_refused(quantised, picture, tmp_path):
    folder, _ = quantised
    damaged = tmp_path / "damaged.safetensors"
    with safe_open(folder / "uneven.int8.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata()
    tensors["int8.constants"][5] += 1
    save_file(tensors, damaged, header)
    words = ("-c", damaged, "--level", 0, "--tissue", "none", "--precision", "int8")
    line = line_of(run("segment", picture, "-o", tmp_path / "out", *words), 1)
    assert "its int8 form is damaged: its digest is another" in line
    # The weights are whole.
    segmented(picture, tmp_path / "fp32", damaged)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("-o", "a.onnx"), 2, "the name of a checkpoint must end with .safetensors"),
        (("-o", "none/a.safetensors"), 1, "there is no such folder"),
        (("-o", "here.safetensors"), 1, "--overwrite replaces it."),
        (("-o", "a.safetensors", "--min-agreement", 1.5), 2, "(--min-agreement)"),
        (("-o", "a.safetensors", "--min-agreement", 0), 2, "(--min-agreement)"),
    ],
)
def test_what_cannot_be_written_is_told_at_once(
    tmp_path, monkeypatch, real_slide, words, status, said
):
    monkeypatch.chdir(tmp_path)
    save_uneven(tmp_path / "here.safetensors")
    before = sorted(tmp_path.iterdir())
    result = run("models", "quantize", "here.safetensors", "--calibrate", real_slide, *words)
    assert said in line_of(result, status)
    assert sorted(tmp_path.iterdir()) == before


def test_a_slide_without_tissue_is_refused(tmp_path, real_slide):
    checkpoint = save_uneven(tmp_path / "a.safetensors")
    Image.fromarray(np.full((600, 800, 3), 243, np.uint8)).save(tmp_path / "glass.png")
    output = tmp_path / "b.safetensors"
    words = ("--calibrate", real_slide, tmp_path / "glass.png", "--slide-mpp", 0.5)
    line = line_of(run("models", "quantize", checkpoint, *words, "-o", output), 1)
    assert "no tissue is found on the slide" in line
    assert "glass.png" in line
    assert not output.exists()


def test_labels_that_agree_too_little_are_not_written(tmp_path, real_slide):
    checkpoint = save_uneven(tmp_path / "a.safetensors")
    output = tmp_path / "b.safetensors"
    words = ("--calibrate", real_slide, "-o", output, "--min-agreement", 1)
    line = line_of(run("models", "quantize", checkpoint, *words), 1)
    assert "of the labels are not those of fp32, even with" in line
    assert not output.exists()


@pytest.fixture(scope="module")
def for_onnx(tmp_path_factory, real_slide):
    """Return a checkpoint with an int8 form for ONNX Runtime, a few layers of it in fp32."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is an extra")
    folder = tmp_path_factory.mktemp("for_onnx")
    checkpoint = save_uneven(folder / "uneven.safetensors")
    words = ("models", "quantize", checkpoint, "--calibrate", real_slide, "--runtime", "onnx")
    output = folder / "uneven.int8.safetensors"
    result = run(*words, "-o", output, "--min-agreement", 0.98, "--json")
    assert result.status == 0, result.err
    return checkpoint, json.loads(result.out)


@pytest.mark.long  # the same for OpenVINO is in the suite
def test_onnx_runtime_takes_an_int8_form_of_its_own(for_onnx, picture, tmp_path):
    checkpoint, content = for_onnx
    assert content["runtime"] == "onnx"
    assert 0.98 <= content["label_agreement"] < 1
    _, original = segmented(picture, tmp_path / "fp32", checkpoint)
    words = ("--runtime", "onnx", "--precision", "int8")
    entry, found = segmented(picture, tmp_path / "int8", checkpoint, *words)
    assert (entry["precision"], entry["runtime"]) == ("int8", "onnx")
    assert 0.95 < (found == original).mean() < 1
    # Smaller tiles have other shapes, and the same labels.
    _, tiled = segmented(picture, tmp_path / "tiled", checkpoint, *words, "--tile", 64, "--halo", 8)
    np.testing.assert_array_equal(tiled, found)


def test_an_int8_form_that_refers_to_other_files_is_refused(for_onnx, picture, tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is an extra")
    checkpoint, content = for_onnx
    form = read_int8_form(Path(content["output"]))
    model = onnx.load_from_string(form.graph)
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="passwords.txt")
    graph = model.SerializeToString()
    note = form.note.model_copy(update={"graph": digest_graph(graph, b"")})
    hostile = tmp_path / "uneven.int8.safetensors"
    load_checkpoint(checkpoint).save(hostile, Int8Form(note, graph, b""))
    words = ("segment", picture, "-o", tmp_path / "out", "-c", hostile, "--level", 0)
    line = line_of(run(*words, "--runtime", "onnx", "--precision", "int8"), 1)
    assert "its int8 form refers to other files" in line


def test_an_int8_form_for_another_runtime_is_refused_by_name(for_onnx, picture, tmp_path):
    checkpoint, _ = for_onnx
    words = ("segment", picture, "-o", tmp_path / "out", "-c", checkpoint, "--level", 0)
    line = line_of(run(*words, "--runtime", "openvino", "--precision", "int8"), 1)
    assert "is for onnx, not for openvino" in line
    assert "Use --runtime onnx" in line


def test_no_other_runtime_is_quantised_for(tmp_path, real_slide):
    checkpoint = save_uneven(tmp_path / "a.safetensors")
    words = ("--calibrate", real_slide, "-o", tmp_path / "b.safetensors", "--runtime", "torch")
    line = line_of(run("models", "quantize", checkpoint, *words), 2)
    assert "there is no runtime for int8 'torch'" in line
