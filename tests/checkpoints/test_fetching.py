"""Checkpoints behind addresses: fetched once, verified, kept, and never half."""

import hashlib
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wsiseg
from http_servers import Answer, Server, running
from s3_server import Relay
from tiny import tiny_checkpoint
from wsiseg.checkpoints import find_checkpoint
from wsiseg.errors import ArgumentError, CheckpointError, OutputError, RuntimeUnavailableError
from wsiseg.remote import buckets
from wsiseg.remote.remote_path import RemotePath

PLACE = "/models/tiny.safetensors"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contents")
    return [
        tiny_checkpoint(seed=seed).save(folder / f"{seed}.safetensors").read_bytes()
        for seed in (0, 1)
    ]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(cache, content):
    with running(Server()) as server:
        server.put(PLACE, content[0])
        yield server


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def kept(cache):
    """Return all that was kept, but for locks."""
    return sorted(
        path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"
    )


def test_a_checkpoint_is_fetched_once_while_the_server_has_the_same(server, content):
    first = wsiseg.load_checkpoint(server.url + PLACE)
    assert first.path.read_bytes() == content[0]
    assert (first.path.name, first.source) == ("tiny.safetensors", server.url + PLACE)
    assert first.sha256 == wsiseg.load_checkpoint(first.path).sha256
    assert wsiseg.load_checkpoint(server.url + PLACE).sha256 == first.sha256
    assert server.fetched(PLACE) == 1
    server.put(PLACE, content[1])
    path, _, notes = find_checkpoint(server.url + PLACE)
    assert path.read_bytes() == content[1]
    assert (server.fetched(PLACE), notes) == (2, ())


def test_what_no_server_vouches_for_is_fetched_again(server, content):
    server.files[PLACE] = Answer(content[0])
    find_checkpoint(server.url + PLACE)
    server.files[PLACE] = Answer(content[1])
    assert find_checkpoint(server.url + PLACE)[0].read_bytes() == content[1]


def test_without_a_network_the_cached_copy_is_used_and_said(server, content):
    address = f"{server.url}{PLACE}?token=geheim"
    server.files[f"{PLACE}?token=geheim"] = server.files[PLACE]
    find_checkpoint(address)
    server.stop()
    with pytest.warns(UserWarning, match=r"cannot be reached .* cached copy of 20\d\d-.* is used"):
        checkpoint = wsiseg.load_checkpoint(address)
    assert checkpoint.path.read_bytes() == content[0]
    assert "geheim" not in "".join(checkpoint.notes) + checkpoint.source
    with pytest.raises(CheckpointError, match="cannot be reached") as caught:
        find_checkpoint(f"{server.url}/other.safetensors")
    assert caught.value.hint.startswith("Check the network")


def test_a_server_that_is_out_of_order_is_as_none(server):
    find_checkpoint(server.url + PLACE)
    server.files[PLACE] = Answer(status=503)
    path, _, (note,) = find_checkpoint(server.url + PLACE)
    assert path.is_file()
    assert "the server answers 503" in note


def test_a_hash_is_verified_before_anything_is_kept(server, cache, content):
    right, wrong = sha256(content[0]), "0" * 64
    with pytest.raises(CheckpointError, match=rf"sha256 {right}, not {wrong}"):
        find_checkpoint(f"{server.url}{PLACE}#sha256={wrong}")
    assert kept(cache) == []
    path, _, notes = find_checkpoint(f"{server.url}{PLACE}#sha256={right.upper()}")
    assert (path.read_bytes(), notes) == (content[0], ())
    asked = len(server.asked)
    find_checkpoint(f"{server.url}{PLACE}#sha256={right}")
    assert len(server.asked) == asked
    server.stop()
    assert find_checkpoint(f"{server.url}{PLACE}#sha256={right}")[2] == ()
    # A copy of another hash is no help, with a network or without.
    with pytest.raises(CheckpointError, match="cannot be reached"):
        find_checkpoint(f"{server.url}{PLACE}#sha256={wrong}")


def test_a_file_that_changed_has_another_hash(server, cache, content):
    address = f"{server.url}{PLACE}"
    find_checkpoint(address)
    server.put(PLACE, content[1])
    with pytest.raises(CheckpointError, match=sha256(content[1])):
        find_checkpoint(f"{address}#sha256={'1' * 64}")
    # What was fetched before stays.
    server.stop()
    assert find_checkpoint(address)[0].read_bytes() == content[0]


@pytest.mark.parametrize("text", ["sha256=12", "sha512=" + "0" * 128, "md5=" + "0" * 32])
def test_a_hash_that_is_none_is_refused(server, text):
    with pytest.raises(ArgumentError, match="not a hash that can be verified"):
        find_checkpoint(f"{server.url}{PLACE}#{text}")
    assert server.asked == []


def test_a_damaged_copy_is_fetched_again(server, content):
    path = find_checkpoint(server.url + PLACE)[0]
    path.write_bytes(content[0][:-1] + b"x")
    assert find_checkpoint(server.url + PLACE)[0].read_bytes() == content[0]
    assert server.fetched(PLACE) == 2


@pytest.mark.parametrize("unsized", [False, True])
def test_a_download_that_breaks_off_is_not_kept(server, cache, content, unsized):
    whole = server.files[PLACE]
    server.files[PLACE] = Answer(content[0], headers=whole.headers, truncated=True, unsized=unsized)
    with pytest.raises(CheckpointError):
        find_checkpoint(server.url + PLACE)
    assert kept(cache) == []
    server.files[PLACE] = whole
    assert find_checkpoint(server.url + PLACE)[0].read_bytes() == content[0]


def test_the_copy_outlives_an_update_that_breaks_off(server, content):
    find_checkpoint(server.url + PLACE)
    server.put(PLACE, content[1])
    server.files[PLACE].truncated = True
    path, _, (note,) = find_checkpoint(server.url + PLACE)
    assert path.read_bytes() == content[0]
    assert "cached copy" in note


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(status=404), "no checkpoint at this address"),
        (Answer(status=403), "refuses access"),
        (Answer(status=401), "refuses access"),
        (Answer(status=418), "answers 418"),
        (Answer(status=500), "answers 500"),
        (Answer(b"<!DOCTYPE html><html>Log in</html>"), "a web page, not to a checkpoint"),
        (Answer(b"PK\x03\x04" + bytes(1000)), "not a .safetensors checkpoint"),
        (Answer(b"\x80\x02}q\x00."), "not a .safetensors checkpoint"),
        (Answer(b""), "not a .safetensors checkpoint"),
    ],
)
def test_what_gives_no_checkpoint_is_told_without_secrets(server, cache, answer, message):
    where = "/a.pth?X-Amz-Signature=geheim"
    server.files[where] = answer
    address = f"{server.url.replace('//', '//me:passwort@')}{where}"
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        find_checkpoint(address)
    text = f"{caught.value} {caught.value.__cause__} {caught.value.__context__ is None}"
    assert str(caught.value.where) == f"{server.url}/a.pth?…"
    assert "geheim" not in text
    assert "passwort" not in text
    assert kept(cache) == []


def test_a_redirect_is_followed_and_its_target_not_told(server, content):
    target = f"{server.url}/signed?signature=geheim"
    server.put("/signed?signature=geheim", content[1])
    server.files["/latest"] = Answer(status=302, headers={"Location": target})
    assert find_checkpoint(f"{server.url}/latest")[0].read_bytes() == content[1]
    server.files["/signed?signature=geheim"] = Answer(status=404)
    server.files["/circle"] = Answer(status=302, headers={"Location": f"{server.url}/circle"})
    for last, message in (("latest", "no checkpoint at this"), ("circle", "redirects in circles")):
        with pytest.raises(CheckpointError, match=message) as caught:
            find_checkpoint(f"{server.url}/{last}")
        assert str(caught.value.where) == f"{server.url}/{last}"
        assert "geheim" not in str(caught.value)


def test_an_access_that_is_withdrawn_is_no_lack_of_network(server):
    find_checkpoint(server.url + PLACE)
    server.files[PLACE] = Answer(status=403)
    with pytest.raises(CheckpointError, match="refuses access"):
        find_checkpoint(server.url + PLACE)


def test_what_is_too_large_is_not_fetched(server, cache, content, monkeypatch):
    server.files[PLACE].headers["Content-Length"] = str(10**12)
    with pytest.raises(CheckpointError, match="larger than any checkpoint"):
        find_checkpoint(server.url + PLACE)
    assert server.fetched(PLACE) == 0
    # One that does not tell how large it is stops when it is too large.
    monkeypatch.setattr("wsiseg.checkpoints.verifying.LARGEST_FILE", len(content[0]) - 1)
    server.files[PLACE] = Answer(content[0], unsized=True)
    with pytest.raises(CheckpointError, match="larger than any checkpoint"):
        find_checkpoint(server.url + PLACE)
    assert kept(cache) == []


def test_several_at_once_fetch_it_once(server, content):
    # Locks of threads are locks of processes: each opens the file of its own.
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(find_checkpoint, [server.url + PLACE] * 4))
    assert [path.read_bytes() for path, *_ in found] == [content[0]] * 4
    assert server.fetched(PLACE) == 1


def test_a_cache_that_cannot_be_written_is_told(server, cache):
    cache.write_text("a file")
    with pytest.raises(OutputError, match="cannot be kept") as caught:
        find_checkpoint(server.url + PLACE)
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_what_reads_https_may_have_to_be_installed(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    with pytest.raises(RuntimeUnavailableError, match=r"wsiseg\[remote\]"):
        find_checkpoint(server.url + PLACE)


def test_what_reads_s3_may_have_to_be_installed(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RuntimeUnavailableError, match=r"s3://.*wsiseg\[remote\]"):
        find_checkpoint("s3://elsewhere/a.safetensors")


def test_objects_of_s3_are_fetched_as_files_behind_https_are(cache, content, bucket, monkeypatch):
    address = f"{bucket}/models/tiny.safetensors"
    RemotePath(address).write_bytes(content[0])
    path = find_checkpoint(address)[0]
    assert (path.name, path.read_bytes()) == ("tiny.safetensors", content[0])
    RemotePath(address).write_bytes(content[1])
    assert find_checkpoint(address)[0].read_bytes() == content[1]
    with pytest.raises(CheckpointError, match="no checkpoint at this address"):
        find_checkpoint(f"{bucket}/other.safetensors")
    relay = Relay(os.environ["AWS_ENDPOINT_URL"], fails=lambda *_: 403)
    with relay.running():
        monkeypatch.setenv("AWS_ENDPOINT_URL", relay.url)
        with pytest.raises(CheckpointError, match="access is refused") as caught:
            find_checkpoint(address)
        assert "credentials" in caught.value.hint
    # Nobody answers there any more: what was fetched before does.
    monkeypatch.setattr(buckets, "RETRIES", 0)
    path, _, notes = find_checkpoint(address)
    assert path.read_bytes() == content[1]
    assert "cannot be reached" in notes[0]


def test_a_path_that_stands_for_an_address_is_one(server, content):
    assert wsiseg.load_checkpoint(Path(server.url + PLACE)).path.read_bytes() == content[0]
