"""What a network gives for a tile, by name; needs no torch."""

from __future__ import annotations

from typing import Literal

Output = Literal["labels", "probabilities"]
RawOutput = Literal[Output, "shares", "logits"]
"""What a network gives: `shares` are probabilities before they are rounded, to be averaged."""

NO_LABEL = 255
"""Label of a pixel whose logits are not all finite; *not analysed* in a mask."""
