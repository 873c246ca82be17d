"""The scanner's colours as sRGB, by its ICC profile."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from array_slide import ArraySlide
from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.colour import ProfileStep, RecolouredSlide
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.tiling.slides import open_slide

GAMMA = 1.8
_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
"""Those of sRGB, adapted to D50 as ICC.1:2010, annex E, wants it."""


def make_profile(gamma=GAMMA, space=b"RGB "):
    """Return the profile of a display with sRGB's primaries and a gamma; ICC.1:2010, 8.3."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 8) + b"scanner\0" + b"\0" * 78,
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
        **dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, _PRIMARIES), strict=True)),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sIIIQI3i",
        start + len(body),
        b"\0" * 4,
        0x02400000,
        b"mntr",
        space,
        b"XYZ ",
        b"\0" * 12,
        b"acsp",
        b"\0" * 4,
        0,
        0,
        0,
        0,
        0,
        *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)),
    )
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def expected(values):
    """Return sRGB of grey values of that gamma; IEC 61966-2-1."""
    linear = (values / 255) ** GAMMA
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * encoded


def test_colours_become_srgb():
    greys = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
    found = ProfileStep(make_profile(), Path("slide")).change(greys)
    # Below a twentieth of the light the curves are steep.
    np.testing.assert_allclose(found[24:], expected(greys)[24:], atol=1.6)
    assert np.abs(expected(greys) - greys).max() > 10


@pytest.mark.parametrize("kind", ["tiff", "png"])
def test_the_profile_of_a_file_is_used(tmp_path, kind):
    pixels = np.random.default_rng(0).integers(30, 255, (300, 400, 1), np.uint8).repeat(3, -1)
    path, profile = tmp_path / f"slide.{kind}", make_profile()
    if kind == "tiff":
        tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", iccprofile=profile)
    else:
        Image.fromarray(pixels).save(path, icc_profile=profile)
    with open_slide(path) as slide:
        assert slide.facts.icc_profile == profile
        step = ProfileStep(profile, path)
        seen = RecolouredSlide(slide, (pickle.loads(pickle.dumps(step)),))
        found = seen.read_region(0, slide.levels[0].box)
    np.testing.assert_allclose(found, expected(pixels), atol=1.6)


def test_openslide_and_tifffile_find_the_same_profile(data):
    path = data / "slides" / "openslide_python" / "boxes.tiff"
    found = []
    for reader in ("tifffile", "openslide"):
        with open_slide(path, reader) as slide:
            found.append(slide.facts.icc_profile)
    assert found[0] is not None
    # OpenSlide hands it through Pillow, which may write it anew.
    pixels = np.random.default_rng(1).integers(0, 256, (64, 3), np.uint8)
    one, other = (ProfileStep(profile, path).change(pixels) for profile in found)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("profile", [b"not a profile", make_profile(space=b"CMYK")])
def test_a_profile_that_is_of_no_use_is_refused(profile):
    with pytest.raises(DamagedSlideError, match="ICC profile"):
        ProfileStep(profile, Path("slide.tiff"))


def test_what_lies_outside_a_slide_has_the_colour_of_its_glass():
    pixels = np.full((64, 64, 3), 200, np.uint8)
    slide = ArraySlide(pixels, background=(200, 200, 200))
    seen = RecolouredSlide(slide, (ProfileStep(make_profile(), Path("slide")),))
    assert len(np.unique(read_working_box(seen, plane_at_level(seen, 0), Box(-8, -8, 80, 80)))) == 1
    assert abs(seen.facts.background[0] - expected(200.0)) < 1.6
