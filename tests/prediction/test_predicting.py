"""Pictures in, labels and overlays out."""

import json
from functools import partial
from typing import get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image

import wsiseg
from commands import run
from tiny import tiny_checkpoint
from wsiseg.errors import ArgumentError, OutputExistsError
from wsiseg.prediction.keywords import PredictKeywords
from wsiseg.prediction.options import PredictOptions
from wsiseg.store import outputs


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def checkpoint():
    return tiny_checkpoint(3, mpp=None)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, shape in enumerate([(64, 96), (64, 96), (80, 72)]):
        Image.fromarray(noise(*shape, seed=number)).save(folder / f"frame {number}.png")
    return folder


def labels_of(checkpoint, pixels):
    """Return what the network says of a whole picture."""
    with torch.no_grad():
        logits = checkpoint.network(checkpoint.preprocess(pixels[None]))
    return logits.argmax(1)[0].numpy().astype(np.uint8)


def test_labels_are_those_of_the_network_on_the_whole_picture(pictures, checkpoint, tmp_path):
    found = list(wsiseg.predict(pictures, checkpoint, tmp_path / "out", runtime="torch"))
    assert [each.error for each in found] == [None] * 3
    for number, each in enumerate(found):
        picture = Image.open(each.labels)
        assert picture.mode == "P"
        pixels = np.asarray(Image.open(pictures / f"frame {number}.png"))
        np.testing.assert_array_equal(np.asarray(picture), labels_of(checkpoint, pixels))
        colours = [entry.colour for entry in checkpoint.classes]
        assert picture.getpalette()[:9] == [part for colour in colours for part in colour]
        assert sum(each.shares.values()) == pytest.approx(1)
        assert each.seconds >= each.forward_seconds > 0


def test_the_overlay_is_half_picture_and_half_colour(pictures, checkpoint, tmp_path):
    first, *_ = wsiseg.predict(
        pictures / "frame 0.png", checkpoint, tmp_path, opacity=0.5, runtime="torch"
    )
    pixels, labels = (np.asarray(Image.open(p)) for p in (first.image, first.labels))
    colours = np.array([entry.colour for entry in checkpoint.classes])[labels]
    overlay = np.asarray(Image.open(first.overlay)).astype(int)
    # JPEG smears noise; means stay.
    np.testing.assert_allclose(
        overlay.mean((0, 1)), (pixels / 2 + colours / 2).mean((0, 1)), atol=3
    )


def test_at_half_size_the_labels_still_have_the_size_of_the_picture(pictures, checkpoint, tmp_path):
    (found,) = wsiseg.predict(
        pictures / "frame 2.png", checkpoint, tmp_path, scale=0.5, runtime="torch"
    )
    labels = np.asarray(Image.open(found.labels))
    assert labels.shape == (80, 72)
    np.testing.assert_array_equal(labels, labels[::2, ::2].repeat(2, 0).repeat(2, 1))


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(pictures, checkpoint, tmp_path):
    (pictures / "cut.png").write_bytes((pictures / "frame 0.png").read_bytes()[:5000])
    saved = checkpoint.save(tmp_path / "tiny.safetensors")
    words = ("predict", pictures, "-c", saved, "-o", tmp_path / "out", "--runtime", "torch")
    result = run(*words, "--json")
    assert result.status == 1
    entries = json.loads(result.out)["images"]
    assert [entry["labels"] is None for entry in entries] == [True, False, False, False]
    assert "the picture is damaged" in entries[0]["error"]
    assert "error:" in result.err
    again = run(*words)
    assert again.status == 1
    assert "--overwrite replaces it" in again.err
    replaced = run(*words, "--overwrite")
    assert "frame 1.png" in replaced.out
    assert "3 pictures in" in replaced.out
    assert "a second in the network alone" in replaced.out
    for word in ("µm", "tissue", "tiles"):
        assert word not in replaced.out + replaced.err.replace("pictures", "")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("nothing.png", "there is no such picture (nothing.png). Check the path."),
        ("x*.png", "no picture matches the pattern (x*.png)."),
        ("slides", "there is no picture in the folder (slides). Passed over 1 file that is no pic"),
        ("empty", "there is no picture in the folder (empty). It is empty."),
    ],
)
def test_what_is_missing_is_a_picture(checkpoint, tmp_path, monkeypatch, given, told):
    monkeypatch.chdir(tmp_path)
    checkpoint.save("tiny.safetensors")
    (tmp_path / "empty").mkdir()
    (tmp_path / "slides").mkdir()
    (tmp_path / "slides" / "no slides.txt").touch()
    result = run("predict", given, "-c", "tiny.safetensors", "-o", "out")
    assert result.status == 1
    assert f"error: {told}" in result.err
    # Names of files stay as they are.
    assert ("no slides.txt" in result.err) == (given == "slides")


def test_pictures_of_known_resolution_are_looked_at_as_in_training(pictures, tmp_path):
    checkpoint, notes = tiny_checkpoint(3, mpp=0.5), []
    options = {"runtime": "torch", "noted": notes.append}
    (halved,) = wsiseg.predict(
        pictures / "frame 0.png", checkpoint, tmp_path / "a", slide_mpp=0.25, **options
    )
    assert notes == []
    labels = np.asarray(Image.open(halved.labels))
    np.testing.assert_array_equal(labels, labels[::2, ::2].repeat(2, 0).repeat(2, 1))
    list(wsiseg.predict(pictures, checkpoint, tmp_path / "b", **options))
    (note,) = notes
    assert "taken as they are" in note
    assert "`slide_mpp`" in note


def test_a_resolution_far_from_that_of_the_training_is_said_or_refused(pictures, tmp_path):
    notes = []
    far = partial(wsiseg.predict, pictures, tiny_checkpoint(3, mpp=0.5), runtime="torch")
    list(far(output=tmp_path / "a", slide_mpp=1.0, noted=notes.append))
    (note,) = notes
    assert "the network sees 1 µm per pixel, 2.0 times off the 0.5" in note
    refused = list(far(output=tmp_path / "b", slide_mpp=0.5, mpp=8.0))
    assert all("16.0 times off" in str(each.error) for each in refused)
    forced = list(far(output=tmp_path / "c", slide_mpp=0.5, mpp=8.0, force=True))
    assert all(each.error is None for each in forced)


def test_names_that_differ_in_case_only_need_a_folder_that_tells_them_apart(
    pictures, checkpoint, tmp_path, monkeypatch
):
    Image.fromarray(noise(64, 96)).save(pictures / "FRAME 0.png")
    out = tmp_path / "out"
    out.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(outputs, "is_case_insensitive", lambda _: True)
        with pytest.raises(ArgumentError, match="two pictures would both write"):
            list(wsiseg.predict(pictures, checkpoint, out))
    assert len(list(wsiseg.predict(pictures, checkpoint, out, runtime="torch"))) == 4


def test_nothing_is_replaced_that_was_not_asked_for(pictures, checkpoint, tmp_path):
    with pytest.raises(OutputExistsError, match="would replace a picture"):
        list(wsiseg.predict(pictures, checkpoint, pictures, overwrite=True))
    Image.fromarray(noise(8, 8)).save(pictures / "frame 0.jpg")
    with pytest.raises(ArgumentError, match=r"two pictures would both write frame 0\.png"):
        list(wsiseg.predict(pictures, checkpoint, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_fast_is_for_slides(pictures, checkpoint, tmp_path):
    with pytest.raises(ArgumentError, match="not for pictures"):
        list(wsiseg.predict(pictures, checkpoint, tmp_path / "out", precision="fast"))


def test_keywords_are_those_of_the_options():
    assert get_type_hints(PredictKeywords).keys() == PredictOptions.model_fields.keys()
