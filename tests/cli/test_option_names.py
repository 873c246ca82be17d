"""The library names parameters, the command line its options."""

import pytest
from PIL import Image

from array_slide import ArraySlide, noise
from commands import run
from tiny import tiny_checkpoint
from wsiseg.cli.option_names import name_options, set_option_names
from wsiseg.errors import ArgumentError, ResolutionError
from wsiseg.segmentation.options import SegmentOptions
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
