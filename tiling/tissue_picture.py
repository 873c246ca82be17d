"""A tissue mask read from a picture that another program made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from wsiseg.errors import AnnotationError, SlideError, UnknownFormatError
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides.decoding import decoding, open_picture, picture_orientation, strips
from wsiseg.tiling.tissue import Mask, TissueMask

LARGEST_DECODED = 2**30
"""Bytes that a picture may take while it is decoded."""

FINEST_EDGE = 16384
"""The longer side of what is kept, at most: of finer pictures some pixels become one."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Of a pixel in Pillow's memory, 4 in any other mode."""

_COPIES = {"WEBP": 2, "AVIF": 3, "JPEG2000": 5}
"""What these decoders need of it besides; the others decode row by row into the picture."""

_HINT = "Give auto, none, or a picture."


def read_tissue_picture(
    path: Path, plane: WorkingPlane, stretch: tuple[float, float] = (1.0, 1.0)
) -> TissueMask:
    """Read a tissue mask from a picture of the whole slide: what is not black is tissue.

    Parameters
    ----------
    path : Path
        The picture.
    plane : WorkingPlane
        The plane that the mask shall cover.
    stretch : tuple of float
        `SlideFacts.stretch`; the picture may have the shape of the file's pixels.

    Returns
    -------
    TissueMask
        In the orientation that the picture's tags state.

    Raises
    ------
    AnnotationError
        If it is no picture, damaged, too large, or not of the slide's shape.
    """
    try:
        with open_picture(path) as picture, decoding(path):
            turn = picture_orientation(picture)
            _refuse_other_shape(turn.shape((picture.height, picture.width)), plane, stretch, path)
            _refuse_huge(picture, path)
            mask = turn.turn(_reduced(picture))
    except SlideError as error:
        why = error.what
        if isinstance(error, UnknownFormatError):
            why = "it is no picture" if path.exists() else "there is no such file"
        raise AnnotationError(f"the tissue mask cannot be read: {why}", path, _HINT) from error
    return TissueMask(mask, (plane.height, plane.width))


def _refuse_other_shape(
    shape: tuple[int, int], plane: WorkingPlane, stretch: tuple[float, float], path: Path
) -> None:
    height, width = shape
    slimmer = (height / plane.height) / (width / plane.width)
    slack = 0.02 + 1 / min(shape)
    if all(abs(slimmer * factor - 1) > slack for factor in (1.0, stretch[0] / stretch[1])):
        raise AnnotationError(
            f"the tissue mask is {width}×{height}, which is not the shape of the slide "
            f"({plane.width}×{plane.height})",
            path,
            "It has to show the whole slide.",
        )


def _refuse_huge(picture: Image.Image, path: Path) -> None:
    """Refuse what would take too much memory; a JPEG can be decoded smaller."""

    def needed() -> int:
        copies = _COPIES.get(picture.format or "", 1)
        return picture.width * picture.height * _BYTES.get(picture.mode, 4) * copies

    size = f"{picture.width}×{picture.height}"
    if needed() > LARGEST_DECODED:
        picture.draft("L", (picture.width // 8, picture.height // 8))
    if needed() > LARGEST_DECODED:
        raise AnnotationError(
            f"the tissue mask of {size} pixels is too large to be decoded",
            path,
            "Save it smaller: a pixel for 8 µm is plenty.",
        )


def _reduced(picture: Image.Image) -> Mask:
    """Return where a picture is not black; of several pixels that become one, where any is not."""
    factor = -(-max(picture.size) // FINEST_EDGE)
    mask = np.zeros((-(-picture.height // factor), -(-picture.width // factor)), bool)
    picture.load()
    for top, strip in strips(picture):
        found = _is_bright(strip)
        first, last = top // factor, (top + len(found) - 1) // factor
        # A row of the mask may be made of two strips.
        above, below = top - first * factor, (last + 1) * factor - top - len(found)
        right = mask.shape[1] * factor - found.shape[1]
        padded = np.pad(found, ((above, below), (0, right)))
        rows = padded.reshape(last + 1 - first, factor, mask.shape[1], factor)
        mask[first : last + 1] |= rows.any(axis=(1, 3))
    return mask


def _is_bright(strip: Image.Image) -> npt.NDArray[np.bool_]:
    # Converted to grey, dark colours would be black, and so would small numbers of 16 bits.
    if strip.mode[0] not in "1LIF":
        return np.asarray(np.asarray(strip.convert("RGB")).any(axis=-1))
    return np.asarray(np.asarray(strip.convert("L") if strip.mode == "LA" else strip) != 0)
