"""The library names parameters, the command line its options."""

import json
import re

import pytest
from PIL import Image

import wsiseg
from array_slide import ArraySlide, noise
from commands import run
from tiny import tiny_checkpoint
from wsiseg.cli.option_names import name_options, offered, set_option_names
from wsiseg.cli.progress import describe_result
from wsiseg.errors import ArgumentError, ResolutionError
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.store.disk import write_json
from wsiseg.throughput.summary import ADVICE
from wsiseg.tiling.resolution import level0_mpp


def test_a_parameter_becomes_an_option_with_its_value():
    set_option_names(
        {"tile": "--tile", "slide_mpp": "--slide-mpp", "level": "--level", "x": "--set"}
    )
    said = "too small (`tile`). Give it with `slide_mpp`, or work at `level=0`."
    printed = "too small (--tile). Give it with --slide-mpp, or work at --level 0."
    assert name_options(said) == printed
    assert name_options("wrong (`x`)") == "wrong (--set)"
    assert name_options("`gland` is not in the class map") == "`gland` is not in the class map"
    assert name_options("a line of `other things`, and `") == "a line of `other things`, and `"


def test_only_what_the_command_offers_is_advised():
    set_option_names({"readers": "--readers", "blend": "--blend"})
    advice = ["more `readers`", "a faster disk", "a coarser `mpp`", "`blend=crop`"]
    assert offered(advice) == ["more --readers", "a faster disk", "--blend crop"]
    set_option_names({})
    assert offered(advice) == ["a faster disk"]


@pytest.mark.parametrize("limit", ADVICE)
def test_advice_reads_as_a_sentence_with_options_or_without(limit):
    summary = {
        **dict.fromkeys(("megapixels", "seconds", "mpx_per_s", "tiles_per_s"), 1.0),
        **dict.fromkeys(("forward_seconds", "peak_rss_mb"), 1.0),
        "mask": "a",
        "runtime": "torch",
        "tiles": 1,
        "unread_tiles": 0,
        "classes": [],
        "bottleneck": limit,
    }
    result = {"summary": summary, "shares": {}, "not_analysed": {"pixels": 0, "mm2": None}}
    names = ("readers", "mpp", "blend")
    for options in ({}, {name: f"--{name}" for name in names}):
        set_option_names(options)
        (line,) = (line for line in describe_result(result) if line.startswith("bottleneck"))
        assert re.search(r"\((normal for small slides|\S.* would help|nothing .*)\)$", line)
        assert "`" not in line
        assert options or "--" not in line
    set_option_names({})


def test_whoever_calls_the_library_reads_of_parameters():
    with pytest.raises(ResolutionError, match=r"`slide_mpp`, or .* `level=0`"):
        level0_mpp(ArraySlide(noise(9, 9), mpp=None))
    with pytest.raises(ArgumentError, match=r"too small \(`tile`\)"):
        SegmentOptions(tile=1)


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_whoever_types_a_command_reads_of_options(tmp_path, words):
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    Image.fromarray(noise(30, 40)).save(tmp_path / "a.png")
    command = ("segment", tmp_path / "a.png", "-o", tmp_path / "out", "-c", checkpoint, *words)
    told = run(*command)
    for text in (told.err, told.out)[: 1 + len(words)]:
        assert "Give it with --slide-mpp, or work at a level as it is with --level 0." in text
    assert "1 is too small (--tile). At least 8." in run(*command, "--tile", 1).err


def test_files_speak_as_whoever_writes_them(tmp_path):
    Image.new("RGB", (600, 500), "white").save(tmp_path / "a.png")
    checkpoint = tiny_checkpoint().save(tmp_path / "c.safetensors")
    words = ("segment", tmp_path / "a.png", "-c", checkpoint, "--level", 0, "--json")
    told = run(*words, "-o", tmp_path / "typed")
    (entry,) = json.loads(told.out)["slides"]
    wsiseg.segment(tmp_path / "a.png", checkpoint, tmp_path / "called", level=0)
    for folder, here, there in (
        ("typed", "--tissue none analyses all", "`tissue"),
        ("called", "`tissue=none` analyses all", "--tissue"),
    ):
        run_file = json.loads((tmp_path / folder / "a.run.json").read_text())
        assert any(here in text for text in run_file["warnings"])
        assert not any(there in text for text in run_file["warnings"])
    batch = json.loads((tmp_path / "typed" / "batch.json").read_text())
    assert batch["slides"] == [entry]
    assert any("--tissue none" in text for text in entry["warnings"])
    table = (tmp_path / "typed" / "cohort.csv").read_text(encoding="utf-8-sig")
    assert "--tissue none" in table
    assert "`tissue" not in table
    # A path that is called like a parameter stays one.
    set_option_names({"mpp": "--mpp"})
    try:
        write_json(tmp_path / "a.json", {"slide": "`mpp`", "warnings": ["far from `mpp`"]})
    finally:
        set_option_names({})
    written = json.loads((tmp_path / "a.json").read_text())
    assert written == {"slide": "`mpp`", "warnings": ["far from --mpp"]}
