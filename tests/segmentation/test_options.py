import pytest

from wsiseg.errors import ArgumentError
from wsiseg.segmentation.options import SegmentOptions, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2 << 30),
        ("800MB", 800_000_000),
        ("1.5g", 1_500_000_000),
        ("4096", 4096),
        ("1Ki", 1024),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1G", "2 TB", "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ArgumentError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "tiles", "allowed"),
    [("1%", 1000, 10), ("1%", 50, 0), ("0", 9, 0), ("7", 3, 7), ("0.5 %", 1000, 5)],
)
def test_bad_tiles_are_a_number_or_a_percentage(text, tiles, allowed):
    assert SegmentOptions(max_bad_tiles=text).bad_tiles_allowed(tiles) == allowed


def test_python_users_may_write_text_and_are_told_of_misspelt_names(tmp_path):
    options = SegmentOptions.from_names(
        {"memory": "1GiB", "roi": str(tmp_path), "max_bad_tiles": 3, "blend": "cosine"}
    )
    assert (options.memory, options.roi, options.max_bad_tiles) == (1 << 30, tmp_path, "3")
    with pytest.raises(ArgumentError, match="Did you mean blend"):
        SegmentOptions.from_names({"blent": "crop"})


@pytest.mark.parametrize(
    "settings",
    [
        {"level": 0, "mpp": 0.5},
        {"resume": True, "overwrite": True},
        {"blend": "median"},
        {"on_bad_tile": "ignore"},
        {"max_bad_tiles": "some"},
        {"max_bad_tiles": "1.5"},
        {"tile": 4},
        {"mpp": 50},
        {"mpp": float("nan")},
        {"slide_mpp": 0},
        {"halo": -1},
        {"batch": 0},
        {"readers": 0},
        {"threads": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ArgumentError):
        SegmentOptions(**settings)
