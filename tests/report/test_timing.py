"""Throughput and heat maps hold the tiles' figures."""

import numpy as np
import pytest

from wsiseg.report.charts import step_chart
from wsiseg.report.timing import STEPS, time_tiles
from wsiseg.throughput.recorder import TileRow
from wsiseg.tiling.boxes import Box

IDENTITY = {
    "plane": {"height": 200, "width": 300},
    "tile": [100, 100],
    "halo": 0,
    "windows": [{"y": 0, "x": 0, "height": 200, "width": 300}],
}


def rows(finished, forward=None):
    return [
        TileRow(i, 100 * (i // 3), 100 * (i % 3), 5.0, ms, 0.0, 0.0, 0.0, end, "done")
        for i, (end, ms) in enumerate(zip(finished, forward or [100.0] * 6, strict=True))
    ]


def pixels(timing):
    return sum((step.end - step.begin) * step.mpx_per_s for step in timing.steps)


def test_steps_hold_all_megapixels_and_follow_each_other():
    timing = time_tiles(rows([1.1, 1.2, 1.4, 1.5, 1.6, 2.6]), IDENTITY, megapixels=0.03)
    assert pixels(timing) == pytest.approx(0.03)
    assert timing.steps[0].begin == pytest.approx(1.0)
    assert [step.begin for step in timing.steps[1:]] == [step.end for step in timing.steps[:-1]]
    assert timing.end == 2.6
    assert timing.resumed == []


def test_tiles_of_one_batch_make_one_step():
    timing = time_tiles(rows([2, 2.001, 2.002, 4, 4.001, 4.002]), IDENTITY, batch=3)
    assert [round(step.end, 2) for step in timing.steps] == [2.0, 4.0]
    assert pixels(timing) == pytest.approx(0.06)


def test_a_clock_that_began_anew_is_a_stop():
    timing = time_tiles(rows([1, 2, 3, 0.5, 1, 1.5]), IDENTITY)
    assert timing.resumed == [3.0]
    assert timing.end == 4.5
    assert pixels(timing) == pytest.approx(0.06)
    chart = step_chart(timing, 1.5, 0.04)
    assert chart.stops == [pytest.approx(100 * 3 / 4.5)]
    assert chart.mean is None
    # Nothing was finished between the stop and the first tile of the second part.
    assert "L66.67 100.00L75.56 100.00L" in chart.line


def test_a_part_that_was_short_is_told_by_its_number_of_tiles():
    timing = time_tiles(rows([0.2, 0.3, 1, 2, 3, 4]), IDENTITY, last=4)
    assert timing.resumed == [0.3]
    assert timing.end == 4.3


def test_columns_of_a_plane_that_was_cut_are_no_stops():
    cut = IDENTITY | {"windows": [1, 2]}
    assert time_tiles(rows([1, 2, 5, 3, 4, 6]), cut).resumed == []


def test_the_heat_map_has_each_tile_where_it_lies():
    timing = time_tiles(rows([1, 2, 3, 4, 5, 6][:6], [100, 200, 300, 400, 500, 600]), IDENTITY)
    assert timing.heat.shape == (200, 300)
    found = timing.heat[50::100, 50::100].ravel()
    np.testing.assert_array_equal(np.diff(found.astype(int)) > 0, True)
    assert (found[0], found[-1]) == (0, STEPS - 1)
    some = time_tiles(rows([1, 2, 3, 4, 5, 6])[:2], IDENTITY)
    assert (some.heat[100:] == STEPS).all()
    assert (some.heat[:100, :200] == 0).all()


def test_no_tiles_are_no_timing():
    assert time_tiles([], IDENTITY) is None


def test_tiles_of_an_unfinished_run_count_what_they_cover_as_they_do_at_its_end():
    """Tiles overlap by half, and the last one in the finished part lies half below it."""
    overlapping = IDENTITY | {"plane": {"height": 1000, "width": 100}}
    every = [TileRow(i, 50 * i, 0, 5.0, 100.0, 0.0, 0.0, 0.0, i + 1.0, "done") for i in range(19)]
    whole = time_tiles(every, overlapping, megapixels=0.1)
    bands = [Box(0, 0, 300, 100), Box(300, 0, 300, 100)]
    part = time_tiles(every[:12], overlapping, megapixels=0.06, analysed=bands)
    rates = [[step.mpx_per_s for step in timing.steps[1:]] for timing in (whole, part)]
    assert rates[1] == pytest.approx(rates[0][: len(rates[1])], rel=0.06)
