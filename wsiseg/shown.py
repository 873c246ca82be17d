"""What came out of a file, made fit to be shown."""

from __future__ import annotations

import unicodedata


def shown(text: str) -> str:
    r"""Write what would steer a terminal, or hide in it, as an escape: ESC as ``\x1b``.

    Control characters, line ends, marks that turn the direction of writing or have no width, and
    bytes of a file's name that are no text can all stand in the name of a slide or a class.

    Parameters
    ----------
    text : str
        One line, or a part of one.

    Returns
    -------
    str
        The same characters where they are printable; it always fits into one line.
    """
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    # Spaces of other widths belong to how some languages are written.
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")
