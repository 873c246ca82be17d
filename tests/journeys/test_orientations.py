"""A slide that is looked at in all orientations: what eight runs by hand would give."""

import json

import numpy as np
import pytest
import zarr
from PIL import Image

import wsiseg
from commands import run
from tiny import Tiny, tiny_checkpoint
from wsiseg.errors import OutputError
from wsiseg.segmentation.listener import Listener

OPTIONS = {"level": 0, "tissue": "none", "runtime": "torch", "halo": 8, "probabilities": True}


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 40, (height, width, 3), np.uint8)


def segment(pixels, folder, **options):
    folder.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / "slide.png")
    given = {**OPTIONS, **options}
    result = wsiseg.segment(folder / "slide.png", soft_checkpoint(), folder / "out", **given)
    return result, zarr.open_array(folder / "out" / "slide.probabilities.ome.zarr" / "0")[:]


def soft_checkpoint():
    """Return a checkpoint whose probabilities are not all 0 or 1."""
    checkpoint = tiny_checkpoint()
    normalisation = checkpoint.card.normalisation.model_copy(update={"divide_first": 32.0})
    checkpoint.card = checkpoint.card.model_copy(update={"normalisation": normalisation})
    return checkpoint


def by_hand(pixels, folder, quarters, **options):
    """Return the mean of the probabilities of runs on the turned and mirrored picture."""
    found = []
    for mirrored in (False, True):
        for quarter in quarters:
            turned = np.rot90(pixels[:, ::-1] if mirrored else pixels, quarter)
            where = folder / f"{mirrored}{quarter}"
            _, planes = segment(np.ascontiguousarray(turned), where, **options)
            back = np.rot90(planes, -quarter, (1, 2))
            found.append(back[..., ::-1] if mirrored else back)
    return np.mean(found, axis=0)


@pytest.mark.parametrize(
    ("options", "turnable"),
    [({"tile": 32}, True), ({}, True), ({"tile": 40, "blend": "gaussian"}, True), ({}, False)],
    ids=["crop", "one tile", "gaussian", "four"],
)
def test_a_slide_is_the_mean_of_the_runs_on_it_turned_and_mirrored(
    tmp_path, options, turnable, monkeypatch
):
    monkeypatch.setattr(Tiny, "turnable", turnable)
    # Sides of whole tiles' steps, so that grids of turned pictures are the turned grids.
    pixels = noise(72, 56) if options else noise(72, 104)
    result, probabilities = segment(pixels, tmp_path / "tta", tta=True, **options)
    mean = by_hand(pixels, tmp_path, range(4) if turnable else (0, 2), **options)
    assert np.abs(probabilities - mean).max() <= 1
    labels, ranked = np.asarray(result.labels[:]), np.sort(mean, axis=0)
    settled = ranked[-1] - ranked[-2] > 1
    assert settled.mean() > 0.9
    assert (labels == mean.argmax(0))[settled].all()
    alone, _ = segment(pixels, tmp_path / "alone", **options)
    assert (labels != np.asarray(alone.labels[:])).mean() > 0.05
    times = 8 if turnable else 4
    written = json.loads((tmp_path / "tta" / "out" / "slide.run.json").read_text())
    assert (written["settings"]["tta"], written["plan"]["orientations"]) == (True, times)
    computed = [each.summary["computed_megapixels"] for each in (result, alone)]
    assert computed[0] == pytest.approx(times * computed[1])
    assert computed[1] >= result.summary["megapixels"]


class StopAfter(Listener):
    def __init__(self, tiles):
        self.left = tiles

    def advanced(self, pixels):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path):
    Image.fromarray(noise(2300, 64)).save(tmp_path / "tall.png")
    options = {**OPTIONS, "tile": 256, "tta": True, "uncertainty": "margin"}
    arguments = tmp_path / "tall.png", soft_checkpoint()
    wsiseg.segment(*arguments, tmp_path / "a", **options)
    with pytest.raises(KeyboardInterrupt):
        wsiseg.segment(*arguments, tmp_path / "b", listener=StopAfter(7), **options)
    with pytest.raises(OutputError, match="with `tta`"):
        wsiseg.segment(*arguments, tmp_path / "b", resume=True, **options | {"tta": False})
    with pytest.raises(OutputError, match="another `uncertainty`: margin, not entropy"):
        wsiseg.segment(
            *arguments, tmp_path / "b", resume=True, **options | {"uncertainty": "entropy"}
        )
    wsiseg.segment(*arguments, tmp_path / "b", resume=True, **options)
    for name in ("tall.ome.zarr", "tall.probabilities.ome.zarr", "tall.uncertainty.ome.zarr"):
        for level in ("0", "1"):
            one, other = (zarr.open_array(tmp_path / f / name / level)[:] for f in "ab")
            np.testing.assert_array_equal(one, other)


def test_the_command_averages_and_says_so(tmp_path):
    Image.fromarray(noise(64, 64)).save(tmp_path / "slide.png")
    checkpoint = soft_checkpoint().save(tmp_path / "tiny.safetensors")
    words = ["-o", tmp_path / "out", "-c", checkpoint, "--level", "0", "--tissue", "none"]
    outcome = run(
        "segment", tmp_path / "slide.png", *words, "--tta", "--uncertainty", "margin", "--json"
    )
    assert outcome.status == 0, outcome.err
    assert "in 8 orientations each" in outcome.err
    (entry,) = json.loads(outcome.out)["slides"]
    assert entry["computed_megapixels"] == pytest.approx(8 * 64 * 64 / 1e6)
    assert entry["memory_mb"] > 0
    assert (tmp_path / "out" / "slide.uncertainty.ome.zarr" / "zarr.json").is_file()
    refused = run("segment", tmp_path / "slide.png", *words, "--uncertainty", "doubt")
    assert refused.status == 2
    assert "'doubt' is not one of the choices" in refused.err.splitlines()[-1]
