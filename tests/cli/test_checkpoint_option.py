"""What ``-c`` and ``--init`` take: a bundled name, a file, an address."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from commands import run
from http_servers import Server, running
from tiny import tiny_checkpoint
from wsiseg.demo import bundled_checkpoints

PLACE = "/tiny.safetensors?token=geheim"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with running(Server()) as server:
        content = tiny_checkpoint(classes=2).save(tmp_path / "served.safetensors").read_bytes()
        server.put(PLACE, content)
        yield server


def segment(picture, folder, *words):
    words = ("--level", 0, "--tissue", "none", "--tile", 64, "--runtime", "torch", *words)
    return run("segment", picture, "-o", folder, *words)


def run_file(folder):
    return json.loads((folder / "picture.run.json").read_text(encoding="utf-8"))


def test_without_c_the_default_is_named_aloud(picture, tmp_path):
    result = segment(picture, tmp_path / "out")
    assert result.status == 0, result.err
    said = "note: no -c given: the bundled checkpoint nuclei is used (nuclei in H&E"
    assert said in " ".join(result.err.split())
    assert "not a medical device" in result.err
    named = segment(picture, tmp_path / "named", "-c", "nuclei")
    assert "no -c given" not in named.err
    first, second = (run_file(tmp_path / name) for name in ("out", "named"))
    assert first["identity"]["checkpoint"] == second["identity"]["checkpoint"]
    assert first["checkpoint"]["source"] == second["checkpoint"]["source"] == "nuclei"
    assert [entry["name"] for entry in first["summary"]["classes"]][-1] == "nucleus"


def test_an_address_is_fetched_once_and_its_copy_is_used_without_a_network(
    server, picture, tmp_path
):
    address = server.url + PLACE
    first = segment(picture, tmp_path / "a", "-c", address)
    assert first.status == 0, first.err
    assert f"fetching {server.url}/tiny.safetensors" in first.err
    again = segment(picture, tmp_path / "b", "-c", address)
    assert "fetching" not in again.err
    server.stop()
    offline = segment(picture, tmp_path / "c", "-c", address, "--json")
    assert offline.status == 0, offline.err
    assert "warning: " in offline.err
    assert "cached copy" in offline.err
    (entry,) = json.loads(offline.out)["slides"]
    assert any("cached copy" in warning for warning in entry["warnings"])
    texts = [first.err, again.err, offline.err, offline.out]
    texts += [(tmp_path / each / "picture.run.json").read_text() for each in "abc"]
    assert "geheim" not in "".join(texts)


def test_an_address_that_fails_is_one_line_and_no_secret(server, picture, tmp_path):
    address = f"{server.url}/none.safetensors?token=geheim"
    for words in ((), ("--debug",)):
        result = segment(picture, tmp_path / "out", "-c", address, "--json", *words)
        assert result.status == 1
        error = json.loads(result.out)["error"]
        assert error["what"] == "there is no checkpoint at this address"
        assert error["where"] == f"{server.url}/none.safetensors?…"
        assert "geheim" not in result.out + result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["segment", "evaluate", "train"])
def test_an_unknown_word_gets_the_bundled_names(picture, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    data = ("--images", ".", "--labels", ".", "--class-map", "0=a,1=b")
    words = {
        "segment": (picture, "-o", "out", "-c"),
        "evaluate": (*data, "-c"),
        "train": (*data, "-o", "run", "--init"),
    }
    result = run(command, *words[command], "nucleus")
    assert result.status == 1
    assert "there is no checkpoint 'nucleus'" in result.err
    assert "Did you mean nuclei?" in result.err
    assert not (tmp_path / "out").exists()


def test_a_training_begins_with_a_name_and_remembers_it(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for number in range(2):
            square = np.zeros((64, 64), np.uint8)
            square[16:48, 16:48] = 1 if name == "labels" else 200
            Image.fromarray(square).save(tmp_path / name / f"{number}.png")
    data = ("--images", tmp_path / "images", "--labels", tmp_path / "labels")
    words = (*data, "--class-map", "0=tissue,1=nucleus", "--epochs", 1, "--batch", 1, "--tile", 64)
    trained = run("train", *words, "--workers", 0, "--init", "nuclei", "-o", tmp_path / "run")
    assert trained.status == 0, trained.err
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["init"] == "nuclei"


def test_bundled_checkpoints_are_listed():
    entries = json.loads(run("models", "list", "--checkpoints", "--json").out)
    assert [entry["name"] for entry in entries] == list(bundled_checkpoints())
    first = entries[0]
    assert first["classes"] == ["glass", "tissue", "nucleus"]
    assert (first["mpp"], first["bytes"]) == (0.5, bundled_checkpoints()["nuclei"].stat().st_size)
    assert "nuclei in H&E" in first["description"]
    text = run("models", "list", "--checkpoints").out
    for word in ("nuclei", "glass, tissue, nucleus", "0.5 µm/px", "Mahbod", "CC BY 4.0"):
        assert word in text
