"""`--slide-mpp` on a slide that states another value."""

import json

from commands import run
from tiny import tiny_checkpoint


def test_a_stated_resolution_is_overruled_on_purpose_only(real_slide, tmp_path):
    checkpoint = tiny_checkpoint(2).save(tmp_path / "tiny.safetensors")
    words = ("segment", real_slide, "-o", tmp_path / "out", "-c", checkpoint, "--tissue", "none")
    words = (*words, "--slide-mpp", 4, "--mpp", 8, "--runtime", "torch", "--force")
    refused = run(*words)
    assert refused.status == 1
    assert "the slide states pixels of 0.499 µm (aperio.MPP), not 4 µm" in refused.err
    assert "--override-mpp" in refused.err
    assert not (tmp_path / "out" / "CMU-1-Small-Region.run.json").exists()
    overruled = run(*words, "--override-mpp", "--json")
    assert overruled.status == 0, overruled.err
    (entry,) = json.loads(overruled.out)["slides"]
    assert any("0.499 µm (aperio.MPP); 4 µm are taken" in each for each in entry["warnings"])
    content = json.loads((tmp_path / "out" / "CMU-1-Small-Region.run.json").read_text())
    assert content["slide"]["mpp"] == 4
    assert content["settings"]["override_mpp"] is True
    assert content["identity"]["plane"]["slide_scale"] == 2


def test_overruling_needs_a_value(real_slide, tmp_path):
    result = run("segment", real_slide, "-o", tmp_path / "out", "--override-mpp")
    assert result.status == 2
    assert "Give its µm per pixel with --slide-mpp." in result.err
