"""A checkpoint that was found sound is read without building its network, until somebody asks."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from checkpoints import make_checkpoint
from tiny import tiny_checkpoint
from wsiseg.errors import CheckpointError
from wsiseg.models import load_checkpoint, registry
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor, choose_runtime

TILES = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch, saved: Path) -> Path:
    """Return a file that was loaded before, in a process that cannot build networks."""
    load_checkpoint(saved)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(registry, "create_model", refuse)
    return saved


def weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return checkpoint.network.state_dict()


def labels(checkpoint: Checkpoint, runtime: str) -> np.ndarray:
    predictor = Predictor(checkpoint, choose_runtime(runtime, "cpu", threads=1))
    return predictor.prepare_runtimes([(64, 96)], 1, ("labels",))[64, 96].run(TILES)["labels"]


def test_what_a_run_asks_for_is_known_without_the_network(nothing_is_built: Path) -> None:
    loaded, made = load_checkpoint(nothing_is_built), make_checkpoint()
    assert loaded.card == made.card
    assert loaded.sha256 == made.sha256 == loaded.identity
    assert loaded.input_multiple == made.network.input_multiple
    assert loaded.turnable == made.network.turnable


def test_the_network_is_the_one_of_the_file(saved: Path) -> None:
    first, second = weights(load_checkpoint(saved)), load_checkpoint(saved)
    assert not second.network.training
    assert second.network is second.network
    assert all(torch.equal(value, first[key]) for key, value in weights(second).items())


def test_a_file_that_is_replaced_meanwhile_changes_nothing(saved: Path) -> None:
    before = weights(load_checkpoint(saved))
    second = load_checkpoint(saved)
    make_checkpoint(seed=1).save(saved)
    assert all(torch.equal(value, before[key]) for key, value in weights(second).items())
    assert load_checkpoint(saved).sha256 == make_checkpoint(seed=1).sha256


@pytest.mark.parametrize("copied", [copy.copy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_are_as_good(saved: Path, copied: object) -> None:
    load_checkpoint(saved)
    loaded = load_checkpoint(saved)
    again = copied(loaded)
    assert again.identity == loaded.identity
    assert again.sha256 == loaded.sha256
    assert weights(again).keys() == weights(loaded).keys()


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_a_network_that_was_handed_out_may_be_changed(saved: Path, runtime: str) -> None:
    pytest.importorskip(runtime)
    kept = labels(load_checkpoint(saved), runtime)
    assert np.array_equal(labels(load_checkpoint(saved), runtime), kept)
    changed = load_checkpoint(saved)
    with torch.no_grad():
        for parameter in changed.network.parameters():
            parameter.neg_()
    assert changed.identity is None
    found = labels(changed, runtime)
    assert not np.array_equal(found, kept)
    assert np.array_equal(labels(load_checkpoint(saved), runtime), kept)


def test_what_is_computed_of_a_network_is_computed_once(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = choose_runtime("torch", "cpu", threads=1)
    first = Predictor(load_checkpoint(saved), choice)
    found = first.bytes_per_pixel, first.receptive_radius
    assert found[0] > 0
    for name in ("activation_bytes_per_pixel", "receptive_field"):
        monkeypatch.setattr(f"wsiseg.models.profiling.{name}", None)
    second = Predictor(load_checkpoint(saved), choice)
    assert (second.bytes_per_pixel, second.receptive_radius) == found


def test_networks_of_other_packages_are_looked_at_each_time(tmp_path: Path) -> None:
    path = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    for _ in range(2):
        loaded = load_checkpoint(path)
        assert loaded.identity is None
        assert loaded.sha256 == tiny_checkpoint().sha256


def test_a_damaged_copy_of_a_sound_file_is_refused(saved: Path) -> None:
    load_checkpoint(saved)
    content = bytearray(saved.read_bytes())
    # The last number of the last tensor becomes NaN.
    content[-4:] = b"\xff\xff\xff\x7f"
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="NaN"):
        load_checkpoint(saved)
    saved.write_bytes(content[:-100])
    with pytest.raises(CheckpointError):
        load_checkpoint(saved)
