"""The examples run, and so does the script that makes the bundled checkpoint."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import wsiseg

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def nuclei() -> ModuleType:
    return load(ROOT / "scripts" / "train_nuclei.py")


@pytest.mark.long
def test_the_default_checkpoint_can_be_trained(data, nuclei, monkeypatch, tmp_path):
    some = tmp_path / "some"
    for folder, ending in (("images", "jpg"), ("masks", "png")):
        (some / folder).mkdir(parents=True)
        for number in (1, 74, 200):
            file = f"{folder}/{number}.{ending}"
            (some / file).symlink_to(data / "nuinsseg" / file)
    monkeypatch.setattr(nuclei, "KEPT_BACK", ((1, 12),))
    monkeypatch.setattr(nuclei, "SHIFTS", {"as it is": lambda pixels: pixels})
    out = tmp_path / "out"
    weights = data / "weights" / "ESPNet" / "decoder" / "espnet_p_2_q_8.pth"
    words = [str(some), "--weights", str(weights), "-o", str(out), "--epochs", "1", "1"]
    monkeypatch.setattr(sys, "argv", ["train_nuclei.py", *words])
    nuclei.main()
    checkpoint = wsiseg.load_checkpoint(out / "nuclei.safetensors")
    assert [entry.name for entry in checkpoint.classes] == ["glass", "tissue", "nucleus"]
    assert (checkpoint.mpp, checkpoint.card.licence) == (0.5, "CC BY 4.0")
    card = (out / "nuclei.md").read_text(encoding="utf-8")
    for words in ("not a medical device", "10.1038/s41597-024-03117-2", "| 1 to 12 | 1 | 0."):
        assert words in card


def test_glass_is_what_is_pale_and_large(nuclei):
    picture = np.full((200, 200, 3), nuclei.WHITE, np.uint8)
    picture[:, 100:] = (140, 70, 110)
    # A gap in tissue, a speck on glass, and a nucleus at the border of both.
    picture[20:50, 140:170] = nuclei.WHITE
    picture[150:160, 20:30] = (60, 30, 90)
    nucleus = np.zeros((200, 200), bool)
    nucleus[80:120, 90:110] = True
    glass = nuclei.find_glass(picture, nucleus)
    assert glass[:, :85].all()
    assert not glass[:, 100:].any()
    assert not (glass & nucleus).any()


def test_gaps_in_tissue_are_tissue_and_small_ones_at_the_border_are_left_open(nuclei):
    glass = np.zeros((400, 400), bool)
    glass[:, :100] = True
    glass[100:150, 200:250] = True
    glass[350:, 300:350] = True
    nucleus = np.zeros((400, 400), bool)
    nucleus[200:220, 200:220] = True
    labels = nuclei.label(glass, nucleus)
    assert (labels[:, :100] == 0).all()
    assert (labels[100:150, 200:250] == 1).all()
    assert (labels[350:, 300:350] == 255).all()
    assert (labels[nucleus] == 2).all()
    assert (labels == 2).sum() == nucleus.sum()


def test_a_picture_on_glass_keeps_its_labels_where_it_is_seen(nuclei):
    random = np.random.default_rng(0)
    pixels = np.full((256, 256, 3), (140, 70, 110), np.uint8)
    nucleus = np.zeros((256, 256), bool)
    nucleus[::16] = True
    shares = []
    for _ in range(8):
        shown, labels = nuclei.put_on_glass(pixels, np.zeros_like(nucleus), nucleus, random)
        pale = shown.min(2) > 160
        # Edges are soft.
        assert (pale & (labels == 2)).sum() <= 0.05 * (labels == 2).sum()
        assert (pale & (labels == 0)).sum() >= 0.95 * (labels == 0).sum()
        shares.append((labels == 0).mean())
    assert min(shares) < 0.7 < max(shares)


def test_training_pictures_are_brightened_and_those_kept_back_are_not(nuclei, tmp_path):
    data = tmp_path / "data"
    for folder in ("images", "masks"):
        (data / folder).mkdir(parents=True)
    for number in (5, 100):
        grey = Image.new("RGB", (64, 64), (100, 100, 100))
        grey.save(data / "images" / f"{number}.jpg", quality=100)
        Image.new("L", (64, 64), 255).save(data / "masks" / f"{number}.png")
    assert nuclei.prepare(data, tmp_path / "out") == [5, 100]
    seen = {
        number: np.asarray(Image.open(tmp_path / "out" / "images" / f"{number}.png")).mean()
        for number in (5, 100)
    }
    assert seen == {5: 100, 100: round(100 * nuclei.BRIGHTER)}
    assert (tmp_path / "out" / "kept_back.txt").read_text() == "5\n"


def test_every_example_is_run_here():
    numbered = sorted(path.stem for path in EXAMPLES.iterdir() if path.name[0].isdigit())
    assert numbered == [
        "01_slide_to_qupath",
        "02_look_in_napari",
        "03_fine_tune_on_geojson",
        "04_street_scenes",
        "05_own_network",
        "06_own_reader",
        "07_cluster",
        "08_heat_map",
    ]


def run_example(name: str, folder: Path) -> object:
    return load(EXAMPLES / f"{name}.py").main(folder)


@pytest.mark.long
def test_01_outlines_for_qupath(tmp_path):
    outlines = run_example("01_slide_to_qupath", tmp_path)
    features = json.loads(outlines.read_text(encoding="utf-8"))["features"]
    assert len(features) > 100
    assert {each["properties"]["classification"]["name"] for each in features} == {"nucleus"}


@pytest.mark.long
def test_03_a_checkpoint_of_drawn_classes(tmp_path):
    checkpoint = wsiseg.load_checkpoint(run_example("03_fine_tune_on_geojson", tmp_path))
    assert {entry.name for entry in checkpoint.classes} == {"stroma", "epithelium"}


@pytest.mark.long
def test_04_street_scenes_are_learnt(tmp_path):
    assert run_example("04_street_scenes", tmp_path) > 0.7
    assert (tmp_path / "labelled" / "0.overlay.jpg").is_file()


@pytest.mark.long
def test_05_a_network_of_thirty_lines_learns(tmp_path):
    assert run_example("05_own_network", tmp_path) > 0.8


def test_06_a_reader_as_a_plug_in(tmp_path, monkeypatch):
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    target = tmp_path / "installed"
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "npy_slides.py"):
        (source / name).write_bytes((EXAMPLES / "06_own_reader" / name).read_bytes())
    words = [*command, "--target", str(target), str(source)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    monkeypatch.setenv("PYTHONPATH", str(target))
    command = [sys.executable, "-m", "wsiseg", "info", str(tmp_path / "pixels.npy"), "--json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (told["reader"], told["height"], told["width"]) == ("npy", 60, 80)


@pytest.mark.long
def test_07_two_workers_leave_the_mask_of_one_process(tmp_path):
    assert run_example("07_cluster", tmp_path) is True


@pytest.mark.long
def test_08_a_heat_map_is_red_where_the_class_is_likely(tmp_path):
    heat = np.asarray(Image.open(run_example("08_heat_map", tmp_path)))
    assert heat.shape == (740, 554, 3)
    assert (heat[..., 0] >= heat[..., 1]).all()
    assert (heat[..., 0].astype(int) - heat[..., 1] > 100).mean() > 0.001
