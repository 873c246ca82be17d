"""Every command with --json leaves one document on stdout, whatever happens."""

import json

import numpy as np
import pytest
from PIL import Image

from commands import run
from wsiseg.cli.app import COMMANDS
from wsiseg.cli.printing import print_json, safe_streams


def every_command():
    for name, entry in COMMANDS.items():
        command = entry.load(name)
        if hasattr(command, "commands"):
            yield from ((name, below) for below in command.commands)
        else:
            yield (name,)


ALL = list(every_command())


def given(words, tmp_path):
    """Return arguments that lead as far as to a file that there is not."""
    missing, out = tmp_path / "missing.svs", tmp_path / "out"
    return {
        ("segment",): (missing, "-o", out),
        ("predict",): (missing, "-c", missing, "-o", out),
        ("train",): ("--slides", missing, "--annotations", missing, "-o", out),
        ("evaluate",): ("-c", missing, "--slides", missing, "--annotations", missing),
        ("export",): (missing, "--to", "png", "-o", out / "a.png"),
        ("measure",): (missing, "-o", out / "a.csv"),
        ("refine",): (missing, "--min-area", "5um2", "-o", out / "b.ome.zarr"),
        ("report",): (missing,),
        ("view",): (missing,),
        ("info",): (missing,),
        ("stain",): (missing, "-o", out / "a.json"),
        ("bench",): ("-c", missing),
        ("demo",): ("-o", "/dev/null/out"),
        ("models", "show"): ("espnett",),
        ("models", "import"): (missing, "-o", out / "a.safetensors"),
        ("models", "export"): (missing, "--to", "onnx", "-o", out / "a.onnx"),
        ("models", "quantize"): (missing, "--calibrate", missing, "-o", out / "a.safetensors"),
    }.get(words)


def only_document(result):
    """Return the one document of stdout, which the error stands in beside its line on stderr."""
    assert result.out.isascii()
    error = json.loads(result.out)["error"]
    assert set(error) == {"what", "where", "hint", "status"}
    assert error["status"] == result.status != 0
    assert f"error: {error['what']}" in result.err
    return error


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_wrong_usage_is_a_document(words):
    error = only_document(run(*words, "--no-such-option", "--json"))
    assert error["status"] == 2
    assert "--no-such-option" in error["what"]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_what_is_not_there_is_a_document(words, tmp_path, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    arguments = given(words, tmp_path)
    if arguments is None:
        assert words in {("doctor",), ("models", "list")}
        return
    result = run(*words, *arguments, "--json")
    if words == ("segment",):
        (entry,) = json.loads(result.out)["slides"]
        assert (result.status, entry["status"]) == (1, "failed")
        return
    only_document(result)


def test_what_libraries_print_stays_out_of_the_document(capsys):
    with safe_streams(debug=False, document=True):
        print("a library talks")
        print_json({"seconds": float("nan"), "best": [float("inf"), 1.5]})
    said = capsys.readouterr()
    assert json.loads(said.out) == {"seconds": None, "best": [None, 1.5]}
    assert said.err == "a library talks\n"


def test_help_is_no_document():
    shown = run("info", "--help", "--json")
    assert (shown.status, shown.err) == (0, "")
    assert "Usage:" in shown.out


def test_flags_have_no_value_in_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    for words in ([], ["models"], *ALL):
        shown = run(*words, "--help")
        assert shown.status == 0
        assert "<bool>" not in shown.out, words


def test_info_takes_several_slides(tmp_path):
    for name, width in (("a.png", 40), ("b.png", 60)):
        Image.fromarray(np.zeros((30, width, 3), np.uint8)).save(tmp_path / name)
    slides = [tmp_path / name for name in ("a.png", "b.png")]
    alone = json.loads(run("info", slides[0], "--json").out)
    assert (alone["width"], "slides" in alone) == (40, False)
    both = json.loads(run("info", *slides, "--json").out)
    assert both["slides"][0] == alone
    assert both["slides"][1]["width"] == 60
    text = run("info", *slides).out
    assert text.count("\nsize ") == 2
    assert f"slide       {slides[1]}" in text


def test_info_goes_on_after_a_slide_that_cannot_be_opened(tmp_path):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    found = run("info", tmp_path / "none.svs", tmp_path / "a.png", "--json")
    assert found.status == 1
    failed, fine = json.loads(found.out)["slides"]
    assert failed == {
        "slide": str(tmp_path / "none.svs"),
        "error": {
            "what": "there is no such slide",
            "where": str(tmp_path / "none.svs"),
            "hint": "Check the path.",
            "status": 1,
        },
    }
    assert fine["width"] == 40
    assert found.err.count("error: ") == 1
