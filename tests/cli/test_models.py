"""`wsiseg models`: what networks cost, what was published of them, and importing."""

import json
import subprocess
import sys

from commands import run


def test_models_show_tells_what_a_network_costs_and_sees():
    content = json.loads(run("models", "show", "espnet", "--classes", 20, "--json").out)
    # The counts of all networks are compared in tests/models/test_counts.py.
    assert (content["parameters"], content["macs"]) == (364_569, 4_709_441_536)
    assert (content["input_multiple"], content["size_mb"]) == (8, 1.458)
    assert content["receptive_field"] == 2839


def test_models_show_prints_what_inference_needs_where_that_is_less():
    shown = run("models", "show", "rdrnet-s-simple", "--set", "context=pappm").out
    # The merged pyramid has a bias more.
    assert f"for inference    {7_125_363 - 512:,}" in shown
    assert "for inference" not in run("models", "show", "espnet-c").out


def test_models_show_tells_what_can_be_set():
    lines = run("models", "show", "icnet").out.splitlines()
    (first,) = (i for i, line in enumerate(lines) if line.startswith("--set"))
    backbone, form = (" ".join(line.split()) for line in lines[first : first + 2])
    assert backbone == (
        "--set backbone=… one of resnet18, resnet50, resnet101; resnet50 if left out"
    )
    assert form == "form=… one of authors, mmseg, caffe; authors if left out"


def test_models_show_tells_what_was_published_and_by_whom():
    content = json.loads(run("models", "show", "stdc1", "--json").out)
    assert content["receptive_field"] is None
    assert {
        "measure": "mIoU",
        "value": 71.9,
        "unit": "%",
        "on": "Cityscapes test, 1024×512",
        "source": "PaddleSeg's PP-LiteSeg README",
        "arguments": {},
        "variant": None,
        "here": None,
        "agrees": None,
        "note": None,
    } in content["published"]
    lines = run("models", "show", "stdc1").out.splitlines()
    assert "receptive field  the whole picture" in lines
    assert not any(line.startswith("--set") for line in lines)
    (first,) = [line for line in lines if line.startswith("published")]
    assert "71.82 %" in first
    assert any("71.9 %: Cityscapes test" in line for line in lines)


def test_models_list_names_every_architecture():
    entries = json.loads(run("models", "list", "--json").out)
    assert {"espnet", "espnet-c"} <= {entry["name"] for entry in entries}
    assert all(entry["parameters"] > 0 and entry["family"] for entry in entries)


def test_models_list_is_the_same_when_it_is_kept_and_needs_no_torch():
    code = """
import sys
from wsiseg.cli import main
try:
    main(["models", "list", "--json"])
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""
    first = run("models", "list", "--json").out
    second = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert second.stderr == "False\n"
    # Tests register networks of their own, which are not kept.
    entries = json.loads(second.stdout)
    assert entries == [entry for entry in json.loads(first) if entry in entries]
    assert len(entries) > 30


def test_an_import_replaces_nothing_unless_it_is_told_to(data, tmp_path):
    weights = data / "weights" / "ESPNet" / "encoder" / "espnet_p_2_q_3.pth"
    target = tmp_path / "streets.safetensors"
    target.write_text("precious")
    command = ("models", "import", weights, "--architecture", "espnet-c", "-o", target)
    refused = run(*command)
    assert (refused.status, target.read_text()) == (1, "precious")
    assert "--overwrite" in refused.err
    assert run(*command, "--overwrite").status == 0
    assert target.stat().st_size > 500_000
    folder = run(*command[:-1], tmp_path, "--overwrite")
    assert (folder.status, folder.err.count("is a folder")) == (2, 1)
    copy = tmp_path / "copy.pth"
    copy.write_bytes(weights.read_bytes())
    itself = run(
        "models", "import", copy, *command[3:-1], tmp_path / "." / "copy.pth", "--overwrite"
    )
    assert (itself.status, copy.read_bytes()) == (2, weights.read_bytes())
