import re

import pytest

from wsiseg.demo import CHECKPOINT, demonstration_checkpoint
from wsiseg.models.class_sets import BREAST_TISSUE

CARD = CHECKPOINT.with_name("MODEL_CARD.md").read_text(encoding="utf-8")


def test_the_bundled_checkpoint_is_what_its_card_says():
    checkpoint = demonstration_checkpoint()
    assert checkpoint.classes == BREAST_TISSUE
    assert (checkpoint.card.architecture, checkpoint.mpp) == ("espnet", 0.5)
    assert CHECKPOINT.stat().st_size < 3e6
    assert all(entry.name in CARD for entry in checkpoint.classes)
    assert "no medical device" in CARD


def test_the_card_gives_the_scores_that_training_measured():
    rows = r"^\| (pixel accuracy|IoU [a-z ]+) \| ([0-9.]+) \|$"
    printed = dict(re.findall(rows, CARD, re.MULTILINE))
    measured = demonstration_checkpoint().card.metrics
    assert {name.lower(): float(value) for name, value in printed.items()} == pytest.approx(
        {name.replace("_", " "): value for name, value in measured.items()}, abs=5e-4
    )


def test_the_card_names_the_tiles():
    training = demonstration_checkpoint().card.training
    for tile in (*training["tiles"], training["kept_back"]):
        assert f"`{tile}`" in CARD
