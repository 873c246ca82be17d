from wsiseg.demo import CHECKPOINT, demonstration_checkpoint
from wsiseg.models.class_sets import BREAST_TISSUE
from wsiseg.training.card import describe_checkpoint

CARD = CHECKPOINT.with_name("MODEL_CARD.md").read_text(encoding="utf-8")


def test_the_bundled_checkpoint_is_what_its_card_says():
    checkpoint = demonstration_checkpoint()
    assert checkpoint.classes == BREAST_TISSUE
    assert (checkpoint.card.architecture, checkpoint.mpp) == ("espnet", 0.5)
    assert CHECKPOINT.stat().st_size < 3e6
    assert "no medical device" in CARD


def test_the_card_is_generated_from_the_checkpoint():
    _, *generated = describe_checkpoint(demonstration_checkpoint()).split("\n\n")
    for part in generated:
        assert part.strip() in CARD
