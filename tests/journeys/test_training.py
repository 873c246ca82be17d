"""What a user does who has annotated slides: train, score, segment; and what goes wrong."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest
import zarr
from PIL import Image

import wsiseg
from commands import run
from pictures import CLASS_MAP, NAMES, draw, write_pictures, write_slide
from tiny import named_checkpoint
from wsiseg.annotations import Annotation, polygonise, write_qupath

SMALL = ("--set", "alpha2=1", "--set", "alpha3=1", "--workers", 0, "--batch", 2)


@pytest.fixture
def slides(tmp_path):
    """Two slides, annotated in QuPath; of the second only a part."""
    for name in ("slides", "drawn"):
        (tmp_path / name).mkdir()
    for number, (height, width) in enumerate([(200, 260), (180, 220)]):
        pixels, labels = draw(height, width, number)
        write_slide(tmp_path / "slides" / f"s{number}.tiff", pixels)
        if number:
            labels[:60] = 255
        shapes = [Annotation(NAMES[value], shape) for value, shape in polygonise(labels)]
        write_qupath(tmp_path / "drawn" / f"s{number}.geojson.gz", shapes)
    return tmp_path


def train(folder, *words):
    return run(
        "train",
        *("--slides", folder / "slides", "--annotations", folder / "drawn"),
        *("--mpp", 0.5, "--tile", 64, *SMALL, "-o", folder / "run", *words),
    )


@pytest.mark.long  # `test_fine_tuning` does this in the window
def test_from_annotated_slides_to_a_mask(slides):
    trained = train(slides, "--epochs", 12, "--tiles", 24, "--lr", 0.02, "--clip", 0, "--json")
    assert trained.status == 0, trained.err
    result = json.loads(trained.out)
    assert {"checkpoint", "miou", "epochs", "seconds"} <= set(result)
    assert result["epochs"] == 12
    checkpoint = wsiseg.load_checkpoint(result["checkpoint"])
    assert [c.name for c in checkpoint.classes] == sorted(NAMES)
    assert checkpoint.mpp == 0.5
    slide = slides / "slides" / "s1.tiff"
    segmented = run(
        "segment", slide, "-c", result["checkpoint"], "-o", slides / "out", "--tissue", "none"
    )
    assert segmented.status == 0, segmented.err
    mask = zarr.open_array(slides / "out" / "s1.ome.zarr" / "0", mode="r")[:]
    _, truth = draw(180, 220, 1)
    found = np.array([NAMES.index(c.name) for c in checkpoint.classes])[mask]
    assert (found == truth).mean() > 0.9
    scored = run(
        "evaluate",
        *("-c", result["checkpoint"], "--slides", slides / "slides"),
        *("--annotations", slides / "drawn", "--json", "-o", slides / "scores"),
    )
    assert scored.status == 0, scored.err
    scores = json.loads(scored.out)
    wanted = {"images", "pixels", "miou", "pixel_accuracy", "mean_dice", "class_iou", "confusion"}
    assert wanted <= set(scores)
    assert scores["images"] == 2
    assert scores["pixels"] == 200 * 260 + 120 * 220
    assert scores["miou"] > 0.7


def test_masks_of_segment_can_be_learnt_from(slides):
    """A mask store of the same stem is an annotation too."""
    checkpoint = json.loads(train(slides, "--epochs", 1, "--json").out)["checkpoint"]
    stores = slides / "stores"
    for number in (0, 1):
        slide = slides / "slides" / f"s{number}.tiff"
        run("segment", slide, "-c", checkpoint, "-o", stores, "--tissue", "none")
    words = ("--slides", slides / "slides", "--annotations", stores)
    trained = run("train", *words, "--init", checkpoint, "-o", slides / "again", "--epochs", 1)
    assert trained.status == 0, trained.err
    scored = run("evaluate", *words, "-c", checkpoint, "--json")
    assert json.loads(scored.out)["pixel_accuracy"] == 1.0


def test_pictures_and_a_public_set_go_the_same_way(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP)
    trained = run("train", *words, *SMALL, "--epochs", 2, "-o", tmp_path / "run")
    assert trained.status == 0, trained.err
    assert "in validation, 2 epochs" in trained.out
    assert f"checkpoint  {tmp_path / 'run' / 'best.safetensors'}" in trained.out
    assert "epoch 2/2" in trained.err
    (usage,) = (line for line in trained.out.splitlines() if "wsiseg segment" in line)
    command = usage.partition("wsiseg ")[2].replace("SLIDE", str(images / "p0.png"))
    used = run(*command.replace("out/", str(tmp_path / "out")).split())
    assert used.status == 0, used.err
    scores = ("-c", tmp_path / "run" / "best.safetensors", "-o", tmp_path / "scores")
    scored = run("evaluate", *words, *scores)
    assert scored.status == 0, scored.err
    told = "".join(scored.out.splitlines()[-2:])
    assert all(str(file) in told for file in (tmp_path / "scores").iterdir())
    assert scored.out.splitlines()[0].split() == [
        *("class", "IoU", "Dice", "precision", "recall", "border", "F")
    ]


def test_pictures_at_half_their_size_stay_so(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP)
    trained = run("train", *words, *SMALL, "--scale", 0.5, "--epochs", 1, "-o", tmp_path / "run")
    assert "at 0.5 of their size" in trained.err
    best = ("-c", tmp_path / "run" / "best.safetensors")
    scored = run("evaluate", *words, *best, "--json")
    assert json.loads(scored.out)["pixels"] == 3 * 32 * 32
    assert "working at 0.5 of the size" in scored.err
    where = ("-o", tmp_path / "out", "--level", 0, "--tissue", "none")
    used = run("segment", images / "p0.png", *best, *where)
    assert "trained at 0.5 times the size of its pictures" in used.err


def test_a_quiet_evaluation_still_gives_its_scores(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP)
    trained = run("train", *words, *SMALL, "--epochs", 1, "--val-fraction", 0, "-o", tmp_path / "r")
    assert "in training, 1 epoch\n" in trained.out
    scored = run("evaluate", *words, "-c", tmp_path / "r" / "best.safetensors", "--quiet")
    assert scored.out.startswith("class")
    assert "mean" in scored.out
    assert scored.err == ""


def test_an_interruption_says_how_to_go_on_only_where_that_can_be_done(tmp_path, monkeypatch):
    images, labels = write_pictures(tmp_path, 3)
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP, "--epochs", 2)

    def interrupt(epoch_wanted):
        def stepped(self, epoch, step, loss):
            if epoch == epoch_wanted:
                raise KeyboardInterrupt

        monkeypatch.setattr("wsiseg.cli.training_progress.ConsoleTrainingListener.stepped", stepped)
        return run("train", *words, *SMALL, "-o", tmp_path / "run")

    one_line(first := interrupt(0), 130, "interrupted.")
    assert "--resume" not in first.err
    stopped = interrupt(1)
    assert stopped.status == 130
    assert stopped.err.endswith("error: interrupted. Continue with --resume.\n")


def test_there_is_nothing_to_go_on_with(tmp_path):
    nowhere = tmp_path / "nowhere"
    one_line(run("train", "--resume", "-o", nowhere), 1, "holds no training run", str(nowhere))
    assert not nowhere.exists()


def test_a_public_set_is_learnt_and_scored_on_its_own_parts(tmp_path):
    root = tmp_path / "CamVid"
    for part, count in (("train", 3), ("val", 2)):
        for kind in (part, f"{part}annot"):
            (root / kind).mkdir(parents=True)
        for number in range(count):
            pixels, labels = draw(48, 64, number)
            labels[0] = 11
            Image.fromarray(pixels).save(root / part / f"{number}.png")
            Image.fromarray(labels).save(root / f"{part}annot" / f"{number}.png")
    words = ("--dataset", "camvid", "--root", root)
    trained = run("train", *words, *SMALL, "--epochs", 1, "-o", tmp_path / "run")
    assert trained.status == 0, trained.err
    assert "3 training samples and 2 validation samples" in trained.err
    scored = run("evaluate", *words, "-c", tmp_path / "run" / "best.safetensors", "--json")
    scores = json.loads(scored.out)
    assert (scores["images"], scores["pixels"]) == (2, 2 * 47 * 64)
    assert len(scores["class_iou"]) == 11


def test_annotations_may_lie_beside_their_slides(slides):
    for file in (slides / "drawn").iterdir():
        file.rename(slides / "slides" / file.name)
    (slides / "slides" / "notes.txt").write_text("both of one patient")
    both = ("--slides", slides / "slides", "--annotations", slides / "slides")
    (slides / "one.txt").write_text("s0")
    few = ("--only", slides / "one.txt", "--epochs", 1, "--mpp", 0.5, "--tile", 64)
    trained = run("train", *both, *few, *SMALL, "-o", slides / "run")
    assert trained.status == 0, trained.err
    assert "there is one slide only: " in trained.err
    assert "of the annotated area; scores on other slides" in trained.err
    assert "1 training sample and 1 validation sample, at 0.5 µm/px" in trained.err


@pytest.fixture
def nameless(slides):
    """One of the slides has a shape without a class, besides those with one."""
    _, labels = draw(200, 260, 0)
    shapes = [Annotation(NAMES[value], shape) for value, shape in polygonise(labels)]
    write_qupath(slides / "drawn" / "s0.geojson", shapes)
    (slides / "drawn" / "s0.geojson.gz").unlink()
    drawn = json.loads((slides / "drawn" / "s0.geojson").read_text())
    del drawn["features"][0]["properties"]["classification"]
    (slides / "drawn" / "s0.geojson").write_text(json.dumps(drawn))
    return slides


def test_strict_stops_at_shapes_without_a_class(nameless):
    checkpoint = named_checkpoint(NAMES, 0.5).save(nameless / "tiny.safetensors")
    scored = ("--slides", nameless / "slides", "--annotations", nameless / "drawn")
    lax = run("evaluate", *scored, "-c", checkpoint, "--no-boundary")
    assert lax.status == 0, lax.err
    assert "1 shape without a class is ignored" in lax.err
    for refused in (
        run("evaluate", *scored, "-c", checkpoint, "--strict", "-o", nameless / "scores"),
        train(nameless, "--epochs", 1, "--strict"),
    ):
        assert refused.status == 1
        errors = [line for line in refused.err.splitlines() if line.startswith("error: ")]
        (error,) = errors
        assert "an annotation has no class" in error
        assert "s0.geojson" in error
        assert "--class-map, or leave out --strict" in error
    assert not (nameless / "scores").exists()
    assert not (nameless / "run" / "best.safetensors").exists()


def test_going_on_needs_nothing_but_the_folder(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP)
    folder = tmp_path / "run"
    run("train", *words, *SMALL, "--epochs", 2, "-o", folder)
    for again in ((), (*words, *SMALL, "--epochs", 2)):
        resumed = run("train", *again, "--resume", "-o", folder, "--json")
        assert resumed.status == 0, resumed.err
        assert json.loads(resumed.out)["epochs"] == 2
    refused = run("train", *words, *SMALL, "--epochs", 3, "--resume", "-o", folder)
    assert refused.status == 2
    assert "--epochs" in refused.err
    refused = run("train", "--resume", "-o", folder, "--epochs", 3)
    assert refused.status == 2
    assert "--epochs" in refused.err
    assert run("train", "--resume", "-o", folder, "--workers", 1).status == 0
    refused = run("train", *words, "-o", folder)
    assert refused.status == 1
    assert "--resume" in refused.err


def test_arguments_are_those_of_the_checkpoint_unless_they_are_set(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP, "--workers", 0)
    first = run("train", *words, "--model", "espnet-c", "--epochs", 1, "-o", tmp_path / "c")
    assert first.status == 0, first.err
    init = ("--init", tmp_path / "c" / "best.safetensors", "--epochs", 1)
    again = run("train", *words, *init, "--set", "alpha3=1", "-o", tmp_path / "again")
    assert again.status == 0, again.err
    card = wsiseg.load_checkpoint(tmp_path / "again" / "best.safetensors").card
    assert (card.architecture, card.arguments) == ("espnet-c", {"alpha3": 1})
    outcome = run("train", *words, *init, "--set", "skip=test", "-o", tmp_path / "wrong")
    one_line(outcome, 2, "espnet-c", "skip")


def one_line(outcome, status, *words):
    """Assert that a command failed in one line that says what is wrong."""
    lines = [line for line in outcome.err.splitlines() if line.startswith("error:")]
    assert outcome.status == status, outcome.err
    assert len(lines) == 1, outcome.err
    assert outcome.err.splitlines()[-1] == lines[0]
    for word in words:
        assert word in lines[0], lines[0]
    assert "epoch 1" not in outcome.err


@pytest.fixture
def folders(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    return images, labels


def train_pictures(folders, *words, class_map=CLASS_MAP):
    images, labels = folders
    data = ("--images", images, "--labels", labels, "--class-map", class_map)
    return run("train", *data, *SMALL, "--epochs", 1, "-o", images.parent / "run", *words)


def test_a_class_that_the_map_does_not_know(slides):
    outcome = train(slides, "--class-map", "ground=ground,round=round,lang=long")
    one_line(outcome, 1, "'long'", "lang", ".geojson.gz")


def test_an_annotation_outside_the_slide(slides):
    square = {"type": "Polygon", "coordinates": [[[9e3, 0], [9100, 0], [9100, 90], [9e3, 0]]]}
    feature = {
        "type": "Feature",
        "geometry": square,
        "properties": {"objectType": "annotation", "classification": {"name": "round"}},
    }
    path = slides / "drawn" / "s0.geojson.gz"
    content = json.loads(gzip.decompress(path.read_bytes()))
    features = content["features"] if isinstance(content, dict) else content
    features.append(feature)
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    one_line(train(slides), 1, "outside the slide", "s0.geojson.gz")


def test_empty_annotations(slides):
    path = slides / "drawn" / "s1.geojson.gz"
    path.write_bytes(gzip.compress(b'{"type": "FeatureCollection", "features": []}'))
    one_line(train(slides), 1, "no annotation", "s1.geojson.gz")


def test_a_label_value_out_of_range(folders):
    mask = np.array(Image.open(folders[1] / "p2.png"))
    mask[40, 40] = 77
    Image.fromarray(mask).save(folders[1] / "p2.png")
    one_line(train_pictures(folders), 1, "77", "p2.png")


def test_labels_and_pictures_that_do_not_match_in_number(folders):
    (folders[1] / "p1.png").unlink()
    one_line(train_pictures(folders), 1, "p1", "labels")


def test_labels_and_pictures_that_do_not_match_in_size(folders):
    Image.fromarray(np.zeros((64, 63), np.uint8)).save(folders[1] / "p1.png")
    one_line(train_pictures(folders), 1, "63×64", "64×64", "p1.png")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--model", "espnett"), 2, "espnet"),
        (("--recipe", "cake"), 2, "plain"),
        (("--epochs", 0), 2, "--epochs"),
        (("--lr", -1), 2, "--lr"),
        (("--init", "nowhere.safetensors"), 1, "no checkpoint 'nowhere.safetensors'"),
        (("--freeze-encoder",), 2, "--init"),
        (("--val-fraction", 1), 2, "--val-fraction"),
        (("--val-only", "nowhere.txt"), 1, "nowhere.txt"),
        (("--mpp", 0.5), 1, "--slide-mpp"),
        (("--mpp", 0.5, "--scale", 0.5), 2, "exclude"),
        (("--slides", "s"), 2, "--images"),
        (("--set", "alpha3=many"), 2, "alpha3"),
        (("--augment", "much"), 2, "--augment"),
        (("--precision", "fp8"), 2, "--precision"),
        (("--dataset", "camvid"), 2, "--root"),
    ],
)
def test_wrong_settings_are_one_line_before_anything_is_learnt(folders, words, status, said):
    one_line(train_pictures(folders, *words), status, said)


def test_no_data_at_all_is_wrong_usage(tmp_path):
    one_line(run("train", "-o", tmp_path / "run"), 2, "--images", "--slides", "--dataset")
    nothing = ("evaluate", "-c", tmp_path / "c.safetensors")
    one_line(run(*nothing), 2, "--images", "--slides", "--dataset")
    data = ("--images", tmp_path, "--labels", tmp_path, "--class-map", "0=a,1=b")
    one_line(run(*nothing, *data), 1, "no such checkpoint")


def test_slides_need_a_resolution(slides):
    words = ("--slides", slides / "slides", "--annotations", slides / "drawn")
    one_line(run("train", *words, *SMALL, "-o", slides / "run"), 2, "--mpp")


def test_a_missing_set_says_what_it_looks_like(tmp_path):
    for name in ("camvid", "cityscapes", "voc", "mapillary"):
        outcome = run("train", "--dataset", name, "--root", tmp_path, "-o", tmp_path / "run")
        one_line(outcome, 1, str(tmp_path))
    one_line(run("train", "--dataset", "camvit", "--root", ".", "-o", tmp_path), 2, "camvid")


@pytest.mark.parametrize("kept", [0, 0.6])
def test_a_damaged_picture_is_found_before_anything_is_learnt(folders, kept):
    path = folders[0] / "p0.png"
    path.write_bytes(path.read_bytes()[:2000])
    one_line(train_pictures(folders, "--val-fraction", kept), 1, "p0.png", "damaged")
    assert not (path.parents[1] / "run").exists()


def test_without_lightning_train_says_what_to_install(folders):
    code = (
        "import sys; sys.modules['lightning'] = None; from wsiseg.cli import main; "
        f"main(['train', '--images', {str(folders[0])!r}, '--labels', {str(folders[1])!r}, "
        f"'--class-map', {CLASS_MAP!r}, '-o', {str(folders[0].parent / 'run')!r}])"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 1
    assert "pip install 'wsiseg[train]'" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
