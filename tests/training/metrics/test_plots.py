import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from wsiseg.errors import ArgumentError, OutputError, RuntimeUnavailableError
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.training.metrics import ConfusionMatrix, plot_confusion, plot_curves

COLUMNS = "epoch,step,lr,train_loss,val_loss,val_miou,val_pixel_accuracy,seconds"


def confusion(classes, highest=None, seed=0):
    truth = np.random.default_rng(seed).integers(0, classes, (50, 50)).astype(np.uint8)
    predicted = np.roll(truth, 1)
    predicted[predicted > (highest or classes - 1)] = 0
    matrix = ConfusionMatrix(classes)
    matrix.add(truth, predicted)
    return matrix


def names(classes):
    return [f"class {i}" for i in range(classes)]


def opened(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def row(*values):
    return dict(zip(COLUMNS.split(","), values, strict=True))


@pytest.mark.parametrize("classes", [1, 2, 19, 26, 66])
def test_a_matrix_of_any_size_is_a_picture_of_sane_size(tmp_path, classes):
    plot_confusion(confusion(classes), names(classes), tmp_path / "matrix.png")
    height, width, _ = opened(tmp_path / "matrix.png").shape
    assert 300 <= height <= 3000
    assert 300 <= width <= 3000


def test_rows_are_normalised_and_absent_classes_are_grey(tmp_path):
    matrix = ConfusionMatrix(3)
    matrix.add(np.array([[0] * 1000 + [1]], np.uint8), np.array([[0] * 1000 + [1]], np.uint8))
    plot_confusion(matrix, names(3), tmp_path / "matrix.png")
    pixels = opened(tmp_path / "matrix.png").reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    area = {tuple(colour): count for colour, count in zip(colours.tolist(), counts, strict=True)}
    # Both full cells have the darkest blue, whatever their pixels; the grey row is three cells.
    assert area[0xDD, 0xDD, 0xDD] == pytest.approx(1.5 * area[8, 48, 107], rel=0.15)


def test_the_last_column_is_there_only_if_it_holds_anything(tmp_path):
    inside, outside = ConfusionMatrix(2), ConfusionMatrix(2)
    truth = np.array([[0, 1]], np.uint8)
    inside.add(truth, truth)
    outside.add(truth, np.array([[0, 9]], np.uint8))
    plot_confusion(inside, names(2), tmp_path / "inside.png")
    plot_confusion(outside, names(2), tmp_path / "outside.png")
    assert opened(tmp_path / "inside.png").shape[1] < opened(tmp_path / "outside.png").shape[1]


@pytest.mark.parametrize(("classes", "numbered"), [(25, True), (26, False)])
def test_numbers_stand_in_cells_up_to_25_classes(tmp_path, classes, numbered):
    plot_confusion(confusion(classes), ["-"] * classes, tmp_path / "matrix.png")
    pixels = opened(tmp_path / "matrix.png")
    height, width, _ = pixels.shape
    inside = pixels[height // 5 : -height // 5, width // 5 : -width // 3]
    # Cells are pale here, so what is black in them is print.
    assert (inside.max(axis=2) < 60).any() == numbered


def test_names_may_be_long_or_look_like_formulas(tmp_path):
    labels = ["$x^^$ & <b>", "a name that does not know where to end " * 5, *names(17)]
    plot_confusion(confusion(len(CITYSCAPES)), labels, tmp_path / "matrix.png")
    assert opened(tmp_path / "matrix.png").shape[1] < 2000


def test_curves_leave_empty_values_out(tmp_path):
    rows = [
        row("1", "10", "0.1", "2.0", "", "", "", "3.5"),
        row("2", "20", "0.1", "1.0", "1.5", "0.25", "0.5", "3.5"),
        row(3, 30, 0.1, 0.5, 1.2, 0.5, 0.75, 3.5),
    ]
    plot_curves(rows, tmp_path / "curves.png")
    pixels = opened(tmp_path / "curves.png")
    assert pixels.shape == (480, 1200, 3)

    def inked(colour):
        return (np.abs(pixels.astype(int) - colour).max(axis=2) < 20).any(axis=0)

    training, validation = inked([31, 119, 180]), inked([255, 127, 14])
    # Orange is the validation loss and stands on the left only.
    assert training[:600].any()
    assert training[600:].any()
    assert validation[:600].any()
    assert not validation[600:].any()


@pytest.mark.parametrize("rows", [[], [row("1", "5", "0.1", "2.0", "", "", "", "1")]])
def test_a_training_that_has_just_begun_has_curves_too(tmp_path, rows):
    plot_curves(rows, tmp_path / "curves")
    assert opened(tmp_path / "curves").shape == (480, 1200, 3)


def test_pyplot_and_its_window_systems_stay_out(tmp_path):
    program = """
import sys
from pathlib import Path
from wsiseg.training.metrics import plot_curves
assert "matplotlib" not in sys.modules
plot_curves([], Path(sys.argv[1]))
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, tmp_path / "curves.png"], check=True)
    assert opened(tmp_path / "curves.png").shape == (480, 1200, 3)


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (
        lambda: plot_confusion(confusion(2), names(2), tmp_path / "plot.png"),
        lambda: plot_curves([], tmp_path / "plot.png"),
    ):
        with pytest.raises(RuntimeUnavailableError, match=r"pip install 'wsiseg\[train\]'"):
            draw()
    assert not (tmp_path / "plot.png").exists()


def test_names_must_fit(tmp_path):
    with pytest.raises(ArgumentError, match="2 names do not fit 3 classes"):
        plot_confusion(confusion(3), names(2), tmp_path / "matrix.png")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="writing failed"):
        plot_curves([], tmp_path / "nowhere" / "curves.png")
