"""``wsiseg models export`` on the command line."""

import json

import pytest

from commands import run
from tiny import tiny_checkpoint


def test_an_exported_network_is_described_by_what_was_checked(tmp_path):
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    output = tmp_path / "tiny.pt2"
    words = ("models", "export", checkpoint, "--to", "torch-export", "-o", output, "--tile", 64)
    content = json.loads(run(*words, "--json").out)
    assert content == {
        "output": str(output),
        "bytes": output.stat().st_size,
        "max_abs_difference": 0.0,
        "label_agreement": 1.0,
    }
    refused = run(*words)
    assert refused.status == 1
    assert refused.err.splitlines()[-1].endswith("--overwrite replaces it.")
    said = run(*words, "--overwrite").out
    assert "for batches of 1×64×64" in said
    assert "100.00% of the labels are the original's" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "onyx"), "there is no model format 'onyx' (--to). Did you mean onnx?"),
        (("--to", "torchscript", "--tile", 66), "(--tile). Use 64 or 68."),
        (
            ("--to", "torchscript", "--tile", 9000),
            "tiles are at most 2220 pixels wide here",
        ),
        (("--to", "torch-export"), "the name of torch-export files must end with .pt2"),
    ],
)
def test_what_cannot_be_exported_is_one_line(tmp_path, words, said):
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    result = run("models", "export", checkpoint, *words, "-o", tmp_path / "a.pt")
    assert result.status == 2
    (line,) = result.err.splitlines()
    assert said in line
    assert not list(tmp_path.glob("a.*"))
