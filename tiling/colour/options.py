"""What a user asks of colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import ArgumentError
from wsiseg.tiling.colour.stain_normalisation import METHODS


@dataclass(frozen=True)
class ColourOptions:
    """What is done to a slide's colours before a network sees them.

    Attributes
    ----------
    icc : bool
        First of all, the scanner's colours become sRGB by the ICC profile in the file.
    stain : str or None
        How stains are normalised.
    reference : Path or None
        What they are made alike: a file of stains, a slide, or a picture; what is common if None.

    Raises
    ------
    ArgumentError
        For a method that does not exist, or a reference without one.
    """

    icc: bool = False
    stain: str | None = None
    reference: Path | None = None

    def __post_init__(self) -> None:
        if self.stain is not None and self.stain not in METHODS:
            raise ArgumentError(
                f"there is no way {self.stain!r} to normalise stains",
                "`stain`",
                f"Use {', '.join(METHODS)}.",
            )
        if self.reference is not None and self.stain is None:
            raise ArgumentError(
                "a reference without a method does nothing", "`stain_reference`", "Add `stain`."
            )
