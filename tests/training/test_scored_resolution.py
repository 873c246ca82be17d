"""A checkpoint is scored at the resolution of its training, or at one that was asked for."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from pictures import NAMES, draw, open_pictures, write_annotated_slide, write_pictures
from tiny import named_checkpoint
from trainings import RecordingListener
from wsiseg.errors import ArgumentError, FarResolutionError
from wsiseg.training import EvaluateOptions, open_data
from wsiseg.training.evaluating import score


def test_a_slide_is_looked_at_as_the_checkpoint_was_trained(tmp_path):
    pixels, labels = draw(200, 200, 3)
    data = write_annotated_slide(tmp_path, pixels, labels)
    scores = score(named_checkpoint(NAMES, mpp=1.0), open_data(data))
    assert scores["pixels"] == 100 * 100


def test_a_resolution_far_from_that_of_the_training_is_said_or_refused(tmp_path):
    pixels, labels = draw(120, 120, 3)
    data, heard = open_data(write_annotated_slide(tmp_path, pixels, labels)), RecordingListener()
    checkpoint = named_checkpoint(NAMES, mpp=0.5)
    score(checkpoint, data, EvaluateOptions(mpp=1.0), heard)
    (warning,) = [text for text in heard.warnings if "times off" in text]
    assert "the network sees 1 µm per pixel, 2.0 times off the 0.5" in warning
    with pytest.raises(FarResolutionError, match=r"4\.8 times off.*`force`"):
        score(checkpoint, data, EvaluateOptions(mpp=2.4))
    assert score(checkpoint, data, EvaluateOptions(mpp=2.4, force=True))["pixels"] == 25 * 25


@pytest.mark.parametrize("asked", [None, EvaluateOptions(mpp=0.5)])
def test_pictures_without_a_resolution_are_not_scored_at_any_other(tmp_path, asked):
    pictures, known = open_pictures(write_pictures(tmp_path, 1)), named_checkpoint(NAMES, mpp=0.5)
    with pytest.raises(ArgumentError, match=r"scored at 0\.5.*p0\.png.*`slide_mpp`.*`scale=1`"):
        score(known, pictures, asked)
    assert score(known, pictures, EvaluateOptions(slide_mpp=0.25))["pixels"] == 1024
    assert score(known, pictures, EvaluateOptions(scale=1.0))["pixels"] == 64 * 64
    # What the training recorded is taken, and said.
    known.card = known.card.model_copy(update={"training": {"slide_mpp": 0.25}})
    listener = RecordingListener()
    scores = score(known, pictures, asked, listener)
    assert (scores["pixels"], scores["settings"]["slide_mpp"]) == (1024, 0.25)
    assert "0.25 are taken, as the checkpoint's training had them" in listener.warnings[0]


def test_pictures_that_state_their_resolution_are_scored_at_the_checkpoints(tmp_path):
    images, labels = write_pictures(tmp_path, 1)
    pixels = np.asarray(Image.open(images / "p0.png"))
    (images / "p0.png").unlink()
    tags = {"resolution": (4e4, 4e4), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(images / "p0.tiff", pixels, photometric="rgb", metadata=None, **tags)
    listener = RecordingListener()
    known = named_checkpoint(NAMES, mpp=0.5)
    scores = score(known, open_pictures((images, labels)), None, listener)
    assert (scores["pixels"], listener.warnings) == (1024, [])


def test_the_scale_of_the_training_is_that_of_the_scores(tmp_path):
    folders = write_pictures(tmp_path, 1)
    halved = named_checkpoint(NAMES)
    halved.card = halved.card.model_copy(update={"training": {"scale": 0.5}})
    listener = RecordingListener()
    scores = score(halved, open_pictures(folders), None, listener)
    assert (scores["pixels"], scores["settings"]["scale"]) == (32 * 32, 0.5)
    assert "0.5 of the size" in listener.notes[0]
    whole = EvaluateOptions(scale=1.0)
    assert score(halved, open_pictures(folders), whole)["pixels"] == 64 * 64
    known = named_checkpoint(NAMES, mpp=0.5)
    known.card = known.card.model_copy(update={"training": {"scale": 0.5}})
    at_half = EvaluateOptions(slide_mpp=0.25)
    assert score(known, open_pictures(folders), at_half)["settings"]["scale"] is None
