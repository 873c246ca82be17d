from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from array_slide import noise
from wsiseg.tiling import Box
from wsiseg.tiling.slides.orientation import UPRIGHT, exif_orientation, orientation


@pytest.mark.parametrize("tag", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them(tag: int) -> None:
    stored = noise(5, 7)
    picture = Image.fromarray(stored)
    picture.getexif()[0x0112] = tag
    upright = np.asarray(ImageOps.exif_transpose(picture))
    turn = orientation(tag)
    np.testing.assert_array_equal(turn.turn(stored), upright)
    assert turn.shape((5, 7)) == upright.shape[:2]
    frame = Box(0, 0, *upright.shape[:2])
    for box in (Box(0, 0, 2, 3), Box(1, 2, 3, 3), frame):
        part = stored[turn.stored(box, frame).slices_in(Box(0, 0, 5, 7))]
        np.testing.assert_array_equal(turn.turn(part), upright[box.slices_in(frame)])


@pytest.mark.parametrize("tag", [0, 9, None, "6", 2**31])
def test_nonsense_means_upright(tag: object) -> None:
    assert orientation(tag) == UPRIGHT


@pytest.mark.parametrize("tag", range(1, 9))
def test_exif_is_read_from_its_bytes(tag: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    exif[0x010F] = "a maker"
    stream = BytesIO()
    Image.fromarray(noise(5, 7)).save(stream, "JPEG", exif=exif)
    block = Image.open(stream).info["exif"]
    assert exif_orientation(block) == orientation(tag)
    for end in range(len(block)):
        assert exif_orientation(block[:end]) in (orientation(tag), UPRIGHT)
    assert exif_orientation(b"Exif\0\0MM\0*\xff\xff\xff\xff") == UPRIGHT
