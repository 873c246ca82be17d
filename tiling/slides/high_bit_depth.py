"""Decoding pictures of more than 8 bits a channel, which Pillow would truncate or wrap around."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from wsiseg.tiling.slides.jpeg2000 import read_headers
from wsiseg.tiling.slides.orientation import orientation
from wsiseg.tiling.slides.pixels import Samples
from wsiseg.tiling.slides.tiff_samples import find_sampling

Decoder = Callable[[Path, int], Samples]


def bit_depth(picture: Image.Image, path: Path) -> int:
    """Return the bits of a channel in the file; what Pillow calls RGB may have had 16.

    Parameters
    ----------
    picture : PIL.Image.Image
        Not yet decoded.
    path : Path
        Its file, whose headers are read if it is JPEG 2000.

    Returns
    -------
    int
        8, 16, or what a JPEG 2000 file states.
    """
    if picture.format == "JPEG2000":
        return read_headers(path).depth
    return 16 if "16" in _storage(picture) else 8


def find_decoder(picture: Image.Image, depth: int) -> Decoder | None:
    """Return a function that decodes a picture with all its bits; None where Pillow loses none.

    Parameters
    ----------
    picture : PIL.Image.Image
        Not yet decoded.
    depth : int
        Bits of a channel.

    Returns
    -------
    callable or None
        Takes the file and the number of its frame, returns unsigned ``(H, W, 3 or 4)`` samples in
        the orientation in which Pillow shows them.
    """
    # Only Pillow undoes that colours were multiplied by their alpha.
    if not 8 < depth <= 16 or "RGBa" in _storage(picture):
        return None
    return _DECODERS.get(picture.format or "")


def _storage(picture: Image.Image) -> str:
    """Return Pillow's own words for how the pixels are stored."""
    return " ".join(str(stored) for *_, stored in getattr(picture, "tile", ()))


def _decode_png(path: Path, _: int) -> Samples:
    samples: Samples = imagecodecs.png_decode(path.read_bytes())
    return samples


def _decode_jpeg2000(path: Path, _: int) -> Samples:
    samples: Samples = imagecodecs.jpeg2k_decode(path.read_bytes())
    return samples


def _decode_tiff(path: Path, frame: int) -> Samples:
    with tifffile.TiffFile(path) as file:
        page = file.pages[frame]
        assert isinstance(page, tifffile.TiffPage)
        samples = np.asarray(page.asarray())
        tag = page.tags.get("Orientation")
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            samples = np.moveaxis(samples, 0, -1)
        samples = find_sampling(page, path).drop_unspecified(samples)
    return orientation(tag and tag.value).turn(samples)


_DECODERS: dict[str, Decoder] = {
    "PNG": _decode_png,
    "TIFF": _decode_tiff,
    "JPEG2000": _decode_jpeg2000,
}
