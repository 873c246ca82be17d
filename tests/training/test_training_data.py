"""What is said of pictures that are taken as they are, beside a checkpoint that knows its µm/px."""

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from commands import run
from pictures import CLASS_MAP, draw, open_pictures, write_pictures
from tiny import tiny_checkpoint
from trainings import RecordingListener, options
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.training_data import prepare_training_data


def warned(folders, **settings):
    """Return what is warned of when a training on pictures begins with 0.5 µm per pixel."""
    listener, data = RecordingListener(), open_pictures(folders)
    nothing = DataSet(data.name, data.classes, ())
    init = tiny_checkpoint(3, mpp=0.5)
    prepared = prepare_training_data(options(folders, **settings), data, nothing, init, listener)
    assert list(prepared.warnings) == listener.warnings
    return [line for line in listener.warnings if "µm" in line]


@pytest.fixture
def stating(tmp_path):
    """Return a function that writes a picture which states its µm per pixel."""

    def write(mpp):
        images, labels = tmp_path / "images", tmp_path / "labels"
        images.mkdir()
        labels.mkdir()
        pixels, truth = draw(64, 64, 0)
        tags = {"resolution": (1e4 / mpp,) * 2, "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(images / "a.tif", pixels, photometric="rgb", **tags)
        Image.fromarray(np.array([0, 7, 9], np.uint8)[truth]).save(labels / "a.png")
        return images, labels

    return write


def test_pictures_that_state_nothing_are_said_to_be_taken_as_they_are(pictures):
    (said,) = warned(pictures)
    assert "trained at 0.5 µm per pixel" in said
    assert "taken as they are" in said
    assert "`slide_mpp`" in said
    assert "`scale=1`" in said
    assert warned(pictures, scale=1) == []
    assert warned(pictures, slide_mpp=0.5) == []


@pytest.mark.parametrize(("mpp", "told"), [(0.25, True), (0.5, False), (1.0, True)])
def test_pictures_of_another_resolution_are_said_as_well(stating, mpp, told):
    found = warned(stating(mpp))
    assert len(found) == told
    assert all(f"as they are, at {mpp:g}: `mpp=0.5` works" in line for line in found)


def test_train_says_it_once_and_the_run_keeps_it(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    start = tiny_checkpoint(3, mpp=0.5).save(tmp_path / "start.safetensors")
    found = run(
        *("train", "--images", images, "--labels", labels, "--class-map", CLASS_MAP),
        *("--init", start, "--epochs", 1, "--tile", 32, "--workers", 0, "-o", tmp_path / "run"),
    )
    assert found.status == 0, found.err
    (said,) = (line for line in found.err.splitlines() if "taken as they are" in line)
    assert said.startswith("warning: ")
    assert "--slide-mpp" in said
    assert "--scale 1" in said
    config = (tmp_path / "run" / "config.yaml").read_text()
    assert config.startswith("# warning: the initial checkpoint was trained at 0.5 µm per pixel")
    assert yaml.safe_load(config)["epochs"] == 1
