import subprocess
import sys

import pytest

from wsiseg.demo import DEFAULT, announce_default, bundled_checkpoints
from wsiseg.models.card import read_card
from wsiseg.models.checkpoint import load_checkpoint
from wsiseg.models.profiling import count_parameters
from wsiseg.training.card import describe_checkpoint

NAMES = list(bundled_checkpoints())


def test_the_default_is_a_network_for_nuclei():
    card, _ = read_card(bundled_checkpoints()[DEFAULT])
    assert [entry.name for entry in card.classes] == ["glass", "tissue", "nucleus"]
    assert card.mpp == 0.5
    assert f"the bundled checkpoint nuclei is used ({card.description})" in announce_default()
    assert "not a medical device" in announce_default()


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_checkpoint_is_what_its_card_says(name):
    path = bundled_checkpoints()[name]
    checkpoint = load_checkpoint(path)
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    _, *generated = describe_checkpoint(checkpoint).split("\n\n")
    for part in generated:
        assert part.strip() in page
    assert "not a medical device" in page
    assert checkpoint.card.description
    assert path.stat().st_size < 3e6


@pytest.mark.parametrize("name", NAMES)
def test_the_header_of_a_bundled_checkpoint_counts_its_parameters(name):
    path = bundled_checkpoints()[name]
    _, header = read_card(path)
    assert header.parameters == count_parameters(load_checkpoint(path).network)


def test_bundled_checkpoints_are_listed_without_torch():
    code = (
        "from wsiseg.demo import announce_default; announce_default()\n"
        "import sys; print([m for m in ('torch', 'huggingface_hub') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
