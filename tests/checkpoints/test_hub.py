"""Checkpoints of a Hugging Face hub, from a server that speaks what its client asks."""

import hashlib
import sys

import huggingface_hub.constants
import pytest

import wsiseg
from http_servers import Answer, Hub, running
from tiny import tiny_checkpoint
from wsiseg.checkpoints import find_checkpoint
from wsiseg.errors import CheckpointError, RuntimeUnavailableError


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contents")
    return [
        tiny_checkpoint(seed=seed).save(folder / f"{seed}.safetensors").read_bytes()
        for seed in (0, 1)
    ]


@pytest.fixture
def hub(tmp_path, monkeypatch, content):
    """Return a hub with one repository of one checkpoint, and another one of several."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with running(Hub()) as hub:
        for name in ("ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
            before = getattr(huggingface_hub.constants, name)
            after = before.replace("https://huggingface.co", hub.url)
            monkeypatch.setattr(huggingface_hub.constants, name, after)
        hub.repositories["lab/nuclei"] = {
            "main": {"README.md": b"#", "best.safetensors": content[0]},
            "v1": {"best.safetensors": content[1]},
            "refs/pr/1": {"best.safetensors": content[1]},
        }
        hub.repositories["lab/many"] = {
            "main": {"a.safetensors": content[0], "deep/b.safetensors": content[1], "c.bin": b"c"}
        }
        yield hub


def contents(hub, name):
    return sum(1 for way, path in hub.asked if way == "GET" and path.endswith(name))


def test_the_only_checkpoint_of_a_repository_is_taken_once(hub, content):
    checkpoint = wsiseg.load_checkpoint("hf://lab/nuclei")
    assert checkpoint.path.read_bytes() == content[0]
    assert checkpoint.source == "hf://lab/nuclei"
    assert find_checkpoint("hf://lab/nuclei")[0] == checkpoint.path
    assert contents(hub, "best.safetensors") == 1


def test_a_file_and_a_revision_can_be_named(hub, content):
    assert find_checkpoint("hf://lab/nuclei@v1")[0].read_bytes() == content[1]
    assert find_checkpoint("hf://lab/many/deep/b.safetensors")[0].read_bytes() == content[1]
    address = "hf://lab/nuclei/best.safetensors@v1"
    assert find_checkpoint(address)[0].read_bytes() == content[1]
    assert find_checkpoint("hf://lab/nuclei@refs/pr/1")[0].read_bytes() == content[1]
    commit = hub.commit("lab/nuclei", "v1")
    assert find_checkpoint(f"hf://lab/nuclei/best.safetensors@{commit}")[0].is_file()


def test_of_several_checkpoints_one_has_to_be_named(hub):
    with pytest.raises(CheckpointError, match=r"2 \.safetensors files") as caught:
        find_checkpoint("hf://lab/many")
    assert "a.safetensors, deep/b.safetensors" in caught.value.hint
    hub.repositories["lab/many"] = {"main": {"c.bin": b"c"}}
    with pytest.raises(CheckpointError, match=r"no \.safetensors file"):
        find_checkpoint("hf://lab/many")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://lab/unknown", "no repository lab/unknown"),
        ("hf://lab/nuclei@v9", "no revision v9"),
        ("hf://lab/nuclei/worst.safetensors", "no file worst.safetensors"),
        ("hf://lab/many/c.bin", "not a .safetensors checkpoint"),
        ("hf://nuclei", "not the address of a repository"),
        ("hf://lab/nuclei@main/best.safetensors", "not the address of a repository"),
        ("hf://la b/nuclei!", "not the address of a repository"),
        ("hf://lab/many/../a.safetensors", "not the address of a repository"),
        ("hf://lab/nuclei/best.safetensors@../../main", "not the address of a repository"),
    ],
)
def test_what_is_not_there_is_told(hub, address, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        find_checkpoint(address)
    assert str(caught.value.where) == address
    assert caught.value.hint


def test_refused_access_and_files_of_another_kind_are_told(hub, content):
    hub.repositories["lab/wrong"] = {"main": {"x.safetensors": b"\x80\x02}q\x00."}}
    with pytest.raises(CheckpointError, match=r"not a \.safetensors checkpoint \(hf://lab/wrong\)"):
        find_checkpoint("hf://lab/wrong")
    hub.gated.add("lab/nuclei")
    with pytest.raises(CheckpointError, match="refuses access") as caught:
        find_checkpoint("hf://lab/nuclei/best.safetensors")
    assert "hf auth login" in caught.value.hint


def test_a_hash_is_verified_before_anything_is_kept(hub, tmp_path, content):
    right = hashlib.sha256(content[0]).hexdigest()
    with pytest.raises(CheckpointError, match=f"sha256 {right}, not {'0' * 64}"):
        find_checkpoint(f"hf://lab/nuclei#sha256={'0' * 64}")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert content[0] not in [path.read_bytes() for path in left]
    assert find_checkpoint(f"hf://lab/nuclei#sha256={right}")[0].read_bytes() == content[0]
    asked = len(hub.asked)
    find_checkpoint(f"hf://lab/nuclei#sha256={right}")
    find_checkpoint(f"hf://lab/nuclei/best.safetensors@main#sha256={right}")
    assert len(hub.asked) == asked


@pytest.mark.parametrize("address", ["hf://lab/nuclei", "hf://lab/nuclei/best.safetensors@v1"])
def test_without_a_network_the_cached_copy_is_used_and_said(hub, content, address):
    find_checkpoint(address)
    hub.stop()
    path, _, (note,) = find_checkpoint(address)
    assert path.read_bytes() == content["v1" in address]
    assert f"{address} cannot be reached" in note
    with pytest.raises(CheckpointError, match="cannot be reached"):
        find_checkpoint("hf://lab/many/a.safetensors")


def test_what_is_too_large_is_not_fetched(hub, monkeypatch):
    monkeypatch.setattr("wsiseg.checkpoints.verifying.LARGEST_FILE", 100)
    with pytest.raises(CheckpointError, match="larger than any checkpoint"):
        find_checkpoint("hf://lab/nuclei")
    assert contents(hub, "best.safetensors") == 0


def test_a_hub_that_is_out_of_order_is_as_none(hub, monkeypatch):
    monkeypatch.setattr(Hub, "answer", lambda *_: Answer(status=500))
    with pytest.raises(CheckpointError, match="cannot be reached: the server answers 500"):
        find_checkpoint("hf://lab/nuclei/best.safetensors")


def test_what_asks_a_hub_may_have_to_be_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "wsiseg.checkpoints.hub", raising=False)
    with pytest.raises(RuntimeUnavailableError, match=r"hf://lab/nuclei.*wsiseg\[hub\]"):
        find_checkpoint("hf://lab/nuclei")
