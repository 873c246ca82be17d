"""A reader of your own, as a plug-in: pixels that NumPy saved.

pip install examples/06_own_reader
wsiseg info pixels.npy
wsiseg segment pixels.npy --level 0 -o out/
"""

from pathlib import Path

import numpy as np

from wsiseg.errors import UnknownFormatError
from wsiseg.tiling import Box
from wsiseg.tiling.slides.slide import OTHER_FORMAT, Pixels, Slide, SlideFacts, make_levels


class NpySlide(Slide):
    """uint8 ``(H, W, 3)`` in a ``.npy`` file, which is read where it is looked at.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UnknownFormatError
        If it is something else, so that the next reader is asked.
    """

    reader = "npy"
    why = "no other reader knows .npy files"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UnknownFormatError("it is no .npy file", path, OTHER_FORMAT) from error
        if self._pixels.dtype != np.uint8 or self._pixels.shape[2:] != (3,):
            raise UnknownFormatError("it holds no RGB pixels in bytes", path, OTHER_FORMAT)
        height, width = self._pixels.shape[:2]
        self.facts = SlideFacts(make_levels([(height, width)]), pixel_size=None, vendor="numpy")

    def _read(self, level: int, box: Box) -> Pixels:
        return np.array(self._pixels[box.y : box.bottom, box.x : box.right])

    def close(self) -> None:
        """Let go of the file."""
        del self._pixels
