"""What a user may write for a checkpoint."""

from pathlib import Path

import pytest

from tiny import tiny_checkpoint
from wsiseg.checkpoints import find_checkpoint, load_checkpoint, settle_source, take_checkpoint
from wsiseg.checkpoints.addresses import Address, mask, parse_address
from wsiseg.checkpoints.sources import read_source
from wsiseg.demo import DEFAULT, bundled_checkpoints
from wsiseg.errors import CheckpointError

BUNDLED = bundled_checkpoints()[DEFAULT]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a working folder in which a file is called as a bundled checkpoint."""
    monkeypatch.chdir(tmp_path)
    tiny_checkpoint().save(tmp_path / "nuclei")
    return tmp_path


def test_a_bundled_name_goes_before_a_file(folder):
    assert read_source("nuclei") == BUNDLED
    for file in ("./nuclei", Path("nuclei"), str(folder / "nuclei")):
        assert read_source(file).absolute() == folder / "nuclei"
    assert load_checkpoint("nuclei").card.architecture == "espnet"
    assert load_checkpoint("./nuclei").card.architecture == "tiny"


def test_what_the_user_called_it_is_remembered(folder):
    assert find_checkpoint("nuclei") == (BUNDLED, "nuclei", ())
    assert find_checkpoint("./nuclei") == (Path("nuclei"), None, ())
    taken = take_checkpoint(None)
    assert (taken.source, taken.path) == ("nuclei", BUNDLED)
    assert take_checkpoint(taken) is taken


def test_files_become_absolute_and_the_rest_stays_as_it_is(folder):
    address = "https://host/a.safetensors?token=1#sha256=" + "0" * 64
    for source in ("nuclei", address, "s3://bucket/a.safetensors", "hf://lab/nuclei@v1"):
        assert settle_source(source) == source
    for file in ("./nuclei", Path("nuclei"), Path("a.safetensors"), "run/best.safetensors"):
        assert settle_source(file) == str((folder / file).absolute())
        assert settle_source(settle_source(file)) == settle_source(file)
    assert settle_source(Path("https://host/a.safetensors")) == "https://host/a.safetensors"


@pytest.mark.parametrize("word", ["nucleus", "Nuclei", "nuclei.safetensors", "nucle"])
def test_a_word_that_is_nearly_a_name_is_put_right(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"no checkpoint '{word}'") as caught:
        find_checkpoint(word)
    assert "Did you mean nuclei?" in caught.value.hint


@pytest.mark.parametrize("word", ["", "breast", "x" * 10_000])
def test_any_other_word_gets_the_names_that_there_are(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint") as caught:
        find_checkpoint(word)
    assert "Bundled: nuclei" in caught.value.hint
    assert len(str(caught.value)) < 400


def test_a_path_is_no_word(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "text", ["ftp://host/a.safetensors", "https://", "https://host", "http://[::1/a", "s3://bucket"]
)
def test_an_address_that_leads_nowhere_is_refused(text):
    with pytest.raises(CheckpointError) as caught:
        read_source(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host:80/a.safetensors", "https://host:80/a.safetensors"),
        ("HTTPS://host/a.safetensors?token=secret", "https://host/a.safetensors?…"),
        ("https://host/a.safetensors?a#secret", "https://host/a.safetensors?…"),
        ("https://host:80/a@1/b.safetensors", "https://host:80/a@1/b.safetensors"),
        ("https://host/a b.safetensors?token=secret", "https://host/a b.safetensors?…"),
        ("s3://bucket/a/b.safetensors", "s3://bucket/a/b.safetensors"),
    ],
)
def test_an_address_prints_without_its_secrets(text, shown):
    address = parse_address(text)
    assert isinstance(address, Address)
    assert str(address) == shown
    assert "secret" not in repr(address)
    assert "secret" not in address.scrub(f"Cannot connect to '{text}' [Errno 111]")
    assert address.scrub("no https://me:p@other/x?y=1 here") == "no https://other/x?… here"


def test_a_password_with_a_slash_is_no_less_a_secret():
    assert mask("https://me:se/cret@host/a") == "https://host/a"
    with pytest.raises(CheckpointError) as caught:
        read_source("https://me:se/cret@host/a.safetensors")
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("last", "name"),
    [
        ("a.safetensors", "a.safetensors"),
        ("fetched.json", "fetched.json.safetensors"),
        ("%2e%2e%2fa", "_2e_2e_2fa.safetensors"),
        ("..", "checkpoint.safetensors"),
        ("x" * 500, "x" * 80 + ".safetensors"),
    ],
)
def test_what_an_address_ends_in_becomes_a_file_name(last, name):
    assert parse_address(f"https://host/{last}").file_name == name
