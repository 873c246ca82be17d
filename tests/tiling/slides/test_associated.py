"""Label, macro and thumbnail."""

from pathlib import Path

import numpy as np
import pytest

from wsiseg.errors import WsisegError
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.tiff import TiffSlide


def test_associated_pictures_are_those_of_openslide(real_slide: Path) -> None:
    with TiffSlide(real_slide) as slide, OpenSlideSlide(real_slide) as other:
        names = {"thumbnail", "label", "macro"}
        assert set(slide.facts.associated) == set(other.facts.associated) == names
        for name in names:
            pixels = slide.read_associated(name)
            assert pixels.dtype == np.uint8
            np.testing.assert_array_equal(pixels, other.read_associated(name))
        with pytest.raises(WsisegError, match=r"no picture 'door'.*label"):
            slide.read_associated("door")
