"""The bundled checkpoints: every ``.safetensors`` in this folder, by its stem.

Each has its card beside it, ``NAME.md``.
"""

from __future__ import annotations

from pathlib import Path

from wsiseg.models.card import read_card

DEFAULT = "nuclei"
"""The one that is used where none is named."""


def bundled_checkpoints() -> dict[str, Path]:
    """Return the files of the bundled checkpoints by their names; the default comes first.

    Examples
    --------
    >>> next(iter(bundled_checkpoints()))
    'nuclei'
    """
    files = sorted(Path(__file__).parent.glob("*.safetensors"))
    found = {file.stem: file for file in files}
    return {name: found[name] for name in sorted(found, key=lambda name: (name != DEFAULT, name))}


def announce_default() -> str:
    """Return the words that say which checkpoint is used where none is named."""
    card, _ = read_card(bundled_checkpoints()[DEFAULT])
    what = f" ({card.description})" if card.description else ""
    return f"the bundled checkpoint {DEFAULT} is used{what}; not a medical device"
