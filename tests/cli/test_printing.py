"""Names of slides and classes are other people's; streams may hold little, or end."""

import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import run
from repetitions import some_of
from tiny import tiny_checkpoint
from wsiseg.cli import progress, training_progress
from wsiseg.cli.printing import Terminal, safe_streams
from wsiseg.cli.progress import ConsoleListener
from wsiseg.cli.training_progress import ConsoleTrainingListener, describe_scores
from wsiseg.models.checkpoint import Checkpoint

EVIL = "\x1b[31m\u202e\u200b\x9bm[red]\rx"
SEEN = r"\x1b[31m\u202e\u200b\x9bm[red]\rx"


def picture(path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def evil_checkpoint(path: Path) -> Path:
    checkpoint = tiny_checkpoint()
    classes = tuple(
        # Control characters are refused when a checkpoint is loaded.
        entry.model_copy(update={"name": f"={entry.name}[red]\u00ad"})
        for entry in checkpoint.card.classes
    )
    card = checkpoint.card.model_copy(update={"classes": classes})
    return Checkpoint(card, checkpoint.network).save(path)


def only_lines(text: str) -> bool:
    """Tell whether nothing but printable lines is there."""
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("name", [f"a{EVIL}\n.png", os.fsdecode(b"a\xff\xfe.png")])
def test_names_of_slides_and_classes_reach_no_terminal_raw(tmp_path, name):
    slide, checkpoint = picture(tmp_path / name), evil_checkpoint(tmp_path / "c.safetensors")
    command = ("segment", slide, "-c", checkpoint, "--level", 0, "--tissue", "none")
    done = run(*command, "-o", tmp_path / "out")
    assert done.status == 0
    assert only_lines(done.out + done.err)
    assert r"[red]\xad" in done.out
    assert EVIL not in name or SEEN in done.out
    told = run(*command, "-o", tmp_path / "json", "--json")
    assert told.out.isascii()
    (entry,) = json.loads(told.out)["slides"]
    assert entry["slide"] == str(slide)
    assert Path(entry["mask"]).is_dir()
    assert entry["classes"][0]["name"].endswith("[red]\u00ad")
    assert json.loads((tmp_path / "json" / "batch.json").read_text())["slides"] == [entry]
    failed = run(*command, "-o", tmp_path / "out")
    assert failed.status == 1
    assert only_lines(failed.out + failed.err)
    for words in (("info", slide), ("info", f"{slide}.none"), ("info", slide, "--debug")):
        shown = run(*words)
        assert only_lines(shown.out + shown.err)
    assert json.loads(run("info", slide, "--json").out)["slide"] == str(slide)


def test_usage_errors_and_settings_are_escaped(tmp_path):
    for words in (
        (f"--{EVIL}",),
        (EVIL,),
        ("models", "show", EVIL),
        ("models", "show", "espnet", "--set", EVIL),
        ("segment", "a", "-o", "b", "--level", EVIL),
    ):
        refused = run(*words)
        assert refused.status == 2
        assert only_lines(refused.err)


@pytest.mark.parametrize("drawn", [True, False])
def test_bars_and_wheels_show_no_name_raw(monkeypatch, capsys, drawn):
    class Screen(Terminal):
        is_terminal = drawn

    monkeypatch.setattr(progress, "Terminal", Screen)
    monkeypatch.setattr(training_progress, "Terminal", Screen)
    for listener in (ConsoleListener(quiet=False), ConsoleTrainingListener(quiet=False)):
        listener.began(EVIL)
        listener.noted(EVIL)
        listener.warned(EVIL)
        listener.stop()
    said = capsys.readouterr().err
    assert EVIL not in said
    assert said.count(SEEN) >= 6
    assert not {"\u202e", "\u200b", "\x9b"} & set(said)


def test_a_table_of_scores_holds_its_columns():
    scores = {
        f"class_{key}": {EVIL: 0.5, "b": 0.25} for key in ("iou", "dice", "precision", "recall")
    } | {"images": 1, "pixels": 9}
    means = ("miou", "mean_dice", "mean_class_precision", "mean_class_recall")
    scores |= dict.fromkeys(means, 0.375)
    lines = describe_scores({**scores, "pixel_accuracy": 0.5})
    assert only_lines("\n".join(lines))
    assert len({line.index("0.") for line in lines[1:4]}) == 1


def test_warnings_and_logs_of_libraries_are_escaped(capsys):
    with safe_streams(debug=False):
        warnings.simplefilter("always")
        warnings.warn(EVIL, UserWarning, stacklevel=1)
        logger = logging.getLogger("fsspec")
        logger.propagate, logger.handlers = True, []
        handlers, logging.root.handlers = logging.root.handlers, []
        try:
            logger.warning("about %s", EVIL)
        finally:
            logging.root.handlers = handlers
    said = capsys.readouterr().err
    assert only_lines(said)
    assert "warning: UserWarning: " in said
    assert "warning: about " in said


def wsiseg(*words: object, **settings: object) -> subprocess.CompletedProcess[bytes]:
    encoding = settings.pop("encoding", "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "wsiseg", *map(str, words)],
        env=os.environ | {"PYTHONIOENCODING": str(encoding)},
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings},
    )


@pytest.mark.parametrize("encoding", some_of(["ascii", "latin-1", "cp1252"], ["ascii"]))
def test_a_stream_that_cannot_hold_a_character_gets_an_escape(tmp_path, encoding):
    """ASCII, which holds least, notices all: streams that are left as they are, or say "?"."""
    slide = picture(tmp_path / "組織→.png")
    told = wsiseg("info", slide, encoding=encoding)
    assert (told.returncode, told.stderr) == (0, b"")
    assert ("×".encode(encoding, "backslashreplace")) in told.stdout
    missing = wsiseg("info", f"{slide}.none", "--json", encoding=encoding)
    assert missing.returncode == 1
    assert rb"\u7d44\u7e54\u2192.png.none" in missing.stderr
    assert json.loads(missing.stdout)["error"]["where"] == f"{slide}.none"
    assert wsiseg("segment", "--help", encoding=encoding).returncode == 0


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only Linux has a device that is always full, /dev/full"
)
def test_a_full_disk_under_stdout_is_one_line(tmp_path):
    slide = picture(tmp_path / "a.png")
    with Path("/dev/full").open("wb") as full:
        for words in (("info", slide), ("info", slide, "--json"), ("info", "none", "--json")):
            ended = wsiseg(*words, stdout=full)
            assert ended.returncode == 1
            assert ended.stderr.startswith(b"error: ")
            assert ended.stderr.count(b"\n") == 1
        # Who cannot be told of anything still gets what was asked for.
        assert wsiseg("info", slide, stderr=full).returncode == 0


def test_whoever_has_read_enough_hears_no_more(tmp_path):
    slide = picture(tmp_path / "a.png")
    reading, writing = os.pipe()
    os.close(reading)
    ended = wsiseg("info", slide, stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_failure_leaves_a_document_too(tmp_path):
    missing = tmp_path / "none.svs"
    failed = run("info", missing, "--json")
    assert failed.status == 1
    assert json.loads(failed.out) == {
        "error": {
            "what": "there is no such slide",
            "where": str(missing),
            "hint": "Check the path.",
            "status": 1,
        }
    }
    for words in (
        ("info", "--json"),
        ("nothing", "--json"),
        ("segment", missing, "-o", tmp_path / "out", "--level", "x", "--json"),
        ("segment", missing, "-o", tmp_path / "out", "--level", 0, "--mpp", 1, "--json"),
        ("models", "show", "none", "--json"),
    ):
        refused = run(*words)
        error = json.loads(refused.out)["error"]
        assert refused.status == error["status"] == 2
        assert error["what"]
        assert error["what"].split(" ")[0] in refused.err


def test_what_was_done_before_a_failure_is_in_its_document(tmp_path, monkeypatch):
    from wsiseg.errors import OutputError
    from wsiseg.store.manifest import Manifest

    slides = [picture(tmp_path / f"{name}.png") for name in "ab"]
    checkpoint = tiny_checkpoint().save(tmp_path / "c.safetensors")
    record = Manifest.record

    def fill_up(self, entry, **how):
        if entry["slide"].endswith("b.png"):
            raise OutputError("writing failed: no space", tmp_path)
        record(self, entry, **how)

    monkeypatch.setattr(Manifest, "record", fill_up)
    command = ("segment", *slides, "-c", checkpoint, "--level", 0, "-o", tmp_path / "out")
    ended = run(*command, "--tissue", "none", "--json")
    assert ended.status == 1
    document = json.loads(ended.out)
    assert [entry["status"] for entry in document["slides"]] == ["ok"]
    assert document["error"]["what"] == "writing failed: no space"


def test_what_is_typed_with_a_newline_stays_one_line():
    assert run("info", "a\nb\n").err.count("\n") == 1
