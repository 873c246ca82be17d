"""What a user asks to be done to a slide's colours."""

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
        Convert the scanner's colours to sRGB by the ICC profile in the file, first of all.
    stain : str or None
        Method of stain normalisation.
    reference : Path or None
        What stains are normalised to: a file of stains, a slide, or a picture; the method's usual
        reference if None.

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
                "a stain reference needs a method", "`stain_reference`", "Add `stain`."
            )
