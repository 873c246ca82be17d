"""The examples run."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import wsiseg

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def nuclei() -> ModuleType:
    return load("train_nuclei")


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
    for words in ("no medical device", "10.1038/s41597-024-03117-2", "| 1 to 12 | 1 | 0."):
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
