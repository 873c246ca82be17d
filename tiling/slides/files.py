"""Which files of a folder are pictures, which may be slides, and which are system files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of pictures that are stored without loss."""

PICTURES = (*LOSSLESS, ".jpg", ".jpeg", ".jp2", ".webp", ".avif", ".ppm", ".pgm", ".pnm")
"""Endings of all pictures."""

_OTHERS = frozenset(
    (
        *(".geojson", ".json", ".xml", ".annotations", ".gz", ".csv", ".tsv", ".txt", ".md"),
        *(".yaml", ".yml", ".db", ".ini", ".journal", ".log", ".pdf", ".html", ".xls", ".xlsx"),
        *(".docx", ".zip", ".md5", ".sha256"),
    )
)
"""Endings of files that lie beside slides and are no slides."""

_LEFT_BEHIND = frozenset(
    ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "lost+found")
)
"""What operating systems and network drives leave in folders, in lower case."""

_COMPOUND = (".ome.zarr", ".ome.tiff", ".ome.tif")


def visible(folder: Path) -> list[Path]:
    """Return the entries of a folder without hidden and system files, sorted by name.

    Hidden are also the ``._a.png`` that archives packed on a Mac hold beside every file.
    """
    return sorted(path for path in folder.iterdir() if not _is_left_behind(path.name))


def is_picture(path: Path, endings: tuple[str, ...] = PICTURES) -> bool:
    """Tell by its ending whether a path is a picture; a folder never is.

    Parameters
    ----------
    path : Path
        It need not exist.
    endings : tuple of str
        Accepted endings in lower case; the path's own may be in any case.
    """
    return path.suffix.lower() in endings and not path.is_dir()


def may_be_slide(path: Path) -> bool:
    """Tell by its ending whether a file can be a slide: all can but those known to be none."""
    return path.suffix.lower() not in _OTHERS and not path.is_dir()


def sample_name(name: str) -> str:
    """Return a file's name without its ending, by which slides and labels find each other.

    Accented letters are one character each: a Mac stores them as two.
    """
    name = unicodedata.normalize("NFC", name)
    for ending in _COMPOUND:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    packed = Path(name)
    return Path(packed.stem if packed.suffix.lower() == ".gz" else name).stem


def _is_left_behind(name: str) -> bool:
    return name.startswith((".", "~$")) or name.lower() in _LEFT_BEHIND
