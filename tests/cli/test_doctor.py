"""`wsiseg doctor`: what is installed, and how large the cache is."""

import importlib.util
import json

from commands import run
from wsiseg.diagnosis import diagnose
from wsiseg.models.runtimes.cache import keep


def test_doctor_looks_at_everything():
    result = run("doctor", "--json")
    assert result.status == 0
    checks = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert {"torch", "openvino", "tifffile", "openslide", "zarr", "checkpoint"} <= set(checks)
    assert "lightning" in checks["training"]["detail"]
    assert checks["checkpoint"]["ok"]
    assert run("doctor").out.count("\n") == len(checks)


def test_doctor_tells_how_large_the_cache_is_and_clears_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep("reach", {}, bytes(2_000_000))
    (check,) = (c for c in diagnose() if c.name == "cache")
    assert check.ok
    assert check.detail.startswith(f"2.0 MB in {tmp_path}")
    cleared = run("doctor", "--clear-cache")
    assert (cleared.status, cleared.err) == (0, "")
    assert f"2.0 MB removed from {tmp_path}" in cleared.out
    assert json.loads(run("doctor", "--clear-cache", "--json").out)["freed_bytes"] == 0


def test_doctor_says_how_training_is_installed(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else there(name)
    )
    (check,) = (c for c in diagnose() if c.name == "training")
    assert (check.ok, check.optional) == (False, True)
    assert "wsiseg[train]" in check.detail
    assert run("doctor").status == 0
