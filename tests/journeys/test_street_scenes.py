"""Street scenes: import published weights, label pictures, score, compare, see the worst."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import downscale_local_mean

import wsiseg
from pictures import write_pictures
from published import as_espnets_authors, written
from terminal import Desk
from tiny import label_whole, named_checkpoint
from wsiseg.models import create_model
from wsiseg.models.class_sets import CAMVID

FRAMES = ("0016E5_07959", "0016E5_07971", "0016E5_07983")
"""Of CamVid's validation part."""

SKY, ROAD, CAR = (150, 190, 230), (90, 90, 95), (170, 40, 40)


@pytest.fixture
def street(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def blocks(pixels):
    """Return the mean of each 8×8 pixels."""
    return downscale_local_mean(pixels, (8, 8, 1))


def look_at_labels(folder, pictures, classes):
    """Check what belongs to each picture: labels with a palette, and the overlay of them."""
    for name, pixels in pictures.items():
        picture = Image.open(folder / f"{name}.png")
        labels = np.asarray(picture)
        assert picture.mode == "P"
        assert labels.shape == pixels.shape[:2]
        assert labels.max() < len(classes)
        colours = np.array(picture.getpalette()).reshape(-1, 3)[labels]
        overlay = np.asarray(Image.open(folder / f"{name}.overlay.jpg"))
        # JPEG smears noise; means of its blocks stay.
        assert np.abs(blocks(overlay) - blocks(pixels / 2 + colours / 2)).mean() < 3


def paint_streets(folder, count):
    """Write pictures of cars on roads below skies, and return their pixels by name."""
    folder.mkdir()
    random, streets = np.random.default_rng(0), {}
    for number in range(count):
        pixels = np.full((96, 128, 3), SKY, np.float64)
        pixels[40:] = ROAD
        x, y = random.integers(0, 96), random.integers(36, 72)
        pixels[y : y + 20, x : x + 32] = CAR
        pixels += random.normal(0, 12, pixels.shape)
        streets[f"street {number}"] = pixels.clip(0, 255).astype(np.uint8)
        Image.fromarray(streets[f"street {number}"]).save(folder / f"street {number}.png")
    return streets


def look_at_words(text, count):
    """Check what is told of a prediction: its speed, and nothing that is not of pictures."""
    assert re.search(
        rf"^{count} pictures in [\d.]+ s: [\d.]+ a second, [\d.]+ a second in the network alone$",
        text,
        re.MULTILINE,
    )
    for word in ("µm", "tissue", "tiles", "slide"):
        assert word not in text


def test_weights_under_their_authors_names_on_painted_streets(street, screens):
    """The journey wherever there are no published weights and no CamVid."""
    torch.manual_seed(3)
    network = create_model("espnet", 12, alpha2=1, alpha3=1, skip="test").eval()
    written(street.folder, as_espnets_authors(network), "espnet.pth")
    pixels = paint_streets(street.folder / "val", 3)
    imported = street.enter("models", "import", "espnet.pth", "-o", "street.safetensors")
    assert imported.status == 0, imported.text
    predicted = street.enter("predict", "val", "-c", "street.safetensors", "-o", "labelled")
    assert predicted.status == 0, predicted.text
    street.keep(screens, "predict")
    look_at_words(predicted.text, 3)
    names = [entry.name for entry in CAMVID] + ["void"]
    lines = [line for line in predicted.lines if line.startswith("labelled/")]
    assert len(lines) == 3
    checkpoint = wsiseg.load_checkpoint("street.safetensors")
    colours = [part for entry in checkpoint.classes for part in entry.colour]
    for name, line in zip(pixels, lines, strict=True):
        picture = Image.open(street.folder / "labelled" / f"{name}.png")
        assert picture.getpalette()[: 3 * len(names)] == colours
        labels = np.asarray(picture)
        wanted = label_whole(checkpoint, torch.from_numpy(pixels[name])).numpy()
        assert len(np.unique(wanted)) > 1
        # Of runtimes, each rounds in its own way.
        assert (labels == wanted).mean() > 0.999
        found, counts = np.unique(labels, return_counts=True)
        most, share = names[found[counts.argmax()]], counts.max() / labels.size
        assert re.match(
            rf"labelled/{name}\.png  \d+ ms  {re.escape(most)} {share:.0%}(, |$)", line
        ), line
    look_at_labels(street.folder / "labelled", pixels, names)


@pytest.mark.long
def test_published_weights_on_real_streets(street, screens, data):
    weights = data / "weights" / "ESPNet" / "decoder" / "espnet_p_2_q_8_camvid.pth"
    for part in ("val", "valannot"):
        (street.folder / part).mkdir()
        for name in FRAMES:
            shutil.copy(data / "camvid" / part / f"{name}.png", street.folder / part)
    shutil.copy(weights, street.folder)
    imported = street.enter("models", "import", weights.name, "-o", "street.safetensors")
    assert imported.status == 0, imported.text
    predicted = street.enter("predict", "val", "-c", "street.safetensors", "-o", "labelled")
    assert predicted.status == 0, predicted.text
    street.keep(screens, "predict")
    lines = [line for line in predicted.lines if line.startswith("labelled/")]
    assert [line.split()[0] for line in lines] == [f"labelled/{name}.png" for name in FRAMES]
    look_at_words(predicted.text, 3)
    pixels = {
        name: np.asarray(Image.open(street.folder / "val" / f"{name}.png").convert("RGB"))
        for name in FRAMES
    }
    names = [entry.name for entry in wsiseg.load_checkpoint("street.safetensors").classes]
    look_at_labels(street.folder / "labelled", pixels, names)
    shutil.copy(
        street.folder / "labelled" / f"{FRAMES[0]}.overlay.jpg", screens.path("overlay.jpg")
    )

    # The labels are CamVid's, and so are the classes of the checkpoint.
    words = ("evaluate", "--images", "val", "--labels", "valannot", "-c", "street.safetensors")
    scored = street.enter(*words, "-o", "scores", "--worst", 2)
    assert scored.status == 0, scored.text
    street.keep(screens, "evaluate")
    scores = json.loads((street.folder / "scores" / "scores.json").read_text())
    assert "11 is void, and ignored" in scored.text
    assert list(scores["class_iou"]) == names[:11]
    assert scores["miou"] > 0.6
    truth, found = (
        [np.asarray(Image.open(street.folder / part / f"{name}.png")) for name in FRAMES]
        for part in ("valannot", "labelled")
    )
    assert scores["images"] == 3
    known = [each < 11 for each in truth]
    # Predicting and scoring see the same, and what nobody labelled does not count.
    right = sum(int((a == b)[k].sum()) for a, b, k in zip(truth, found, known, strict=True))
    assert scores["pixels"] == sum(int(k.sum()) for k in known)
    assert scores["pixel_accuracy"] == pytest.approx(right / scores["pixels"], abs=2e-3)
    rows = list(
        csv.DictReader((street.folder / "scores" / "pictures.csv").read_text().splitlines())
    )
    worst = [row["picture"] for row in rows[:2]]
    drawn = sorted(path.name for path in (street.folder / "scores" / "worst").iterdir())
    assert drawn == [f"{rank:02d}-{name}.jpg" for rank, name in enumerate(worst, 1)]
    shutil.copy(street.folder / "scores" / "worst" / drawn[0], screens.path("worst.jpg"))


def test_two_checkpoints_side_by_side(street, screens):
    """There are overlays of the worst pictures of each."""
    write_pictures(street.folder, 4)
    for name, seed in (("before", 1), ("after", 3)):
        named_checkpoint(("ground", "round", "long"), seed=seed).save(f"{name}.safetensors")
    compared = street.enter(
        *("evaluate", "--images", "images", "--labels", "labels"),
        *("--class-map", "0=ground,7=round,9=long", "-o", "scores", "--worst", 1),
        *("--compare", "before.safetensors", "after.safetensors"),
    )
    assert compared.status == 0, compared.text
    street.keep(screens, "compare")
    document = json.loads((street.folder / "scores" / "comparison.json").read_text())
    entries = (document["reference"], *document["compared"])
    folders = ("1-before.safetensors", "2-after.safetensors")
    for entry, name in zip(entries, folders, strict=True):
        lowest = min(entry["pictures"], key=lambda each: each["miou"])["picture"]
        (drawn,) = (street.folder / "scores" / "worst" / name).iterdir()
        assert drawn.name == f"01-{lowest}.jpg"
    assert "a folder for each checkpoint" in compared.text
