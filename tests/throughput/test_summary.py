import csv
import io

import pytest

from wsiseg.throughput.recorder import COLUMNS, TileRow, rows_from_csv, rows_to_csv
from wsiseg.throughput.summary import ADVICE, STAGES, time_shares


def row(index, **times):
    figures = dict.fromkeys(("read_ms", "forward_ms", "stitch_ms", "write_ms", "wait_ms"), 0.0)
    return TileRow(index, 0, 0, **{**figures, **times}, finished_s=1.0, status="done")


def test_shares_add_up_to_the_whole_run():
    rows = [row(0, forward_ms=600, wait_ms=100, stitch_ms=50, write_ms=50), row(1, forward_ms=200)]
    shares = time_shares(rows, seconds=2.0, finishing=0.3, setup=0.5)
    assert (shares.network, shares.reading, shares.stitching) == (0.4, 0.05, 0.025)
    assert shares.writing == pytest.approx((0.05 + 0.3) / 2)
    assert shares.setup == 0.25
    parts = (shares.reading, shares.network, shares.stitching, shares.writing, shares.setup)
    assert sum(parts) + shares.other == pytest.approx(1)


@pytest.mark.parametrize(
    ("times", "limit"),
    [
        ({"wait_ms": 900, "forward_ms": 100}, "reading"),
        ({"wait_ms": 100, "forward_ms": 900}, "network"),
        ({"stitch_ms": 900, "forward_ms": 100}, "stitching"),
        ({"write_ms": 900, "forward_ms": 100}, "writing"),
    ],
)
def test_the_stage_that_took_most_limits(times, limit):
    assert time_shares([row(0, **times)], 1.0, 0.0, 0.0).bottleneck == limit
    assert limit in ADVICE
    assert limit in STAGES


def test_rows_have_the_promised_columns_and_round_to_microseconds():
    text = rows_to_csv([row(3, forward_ms=1.23456)])
    (read,) = csv.DictReader(io.StringIO(text))
    assert ",".join(COLUMNS) == (
        "index,y,x,read_ms,forward_ms,stitch_ms,write_ms,wait_ms,finished_s,status"
    )
    assert (read["index"], read["forward_ms"], read["status"]) == ("3", "1.235", "done")


def test_a_tile_that_two_stripes_want_costs_both():
    first, second = row(0, forward_ms=10, read_ms=1), row(0, forward_ms=5, read_ms=2)
    first.add(second)
    assert (first.forward_ms, first.read_ms) == (15, 3)


def test_rows_come_back_from_their_file(tmp_path):
    rows = [row(3, forward_ms=1.5, wait_ms=0.25), row(7, read_ms=2.0)]
    path = tmp_path / "a.tiles.csv"
    path.write_text(rows_to_csv(rows))
    assert rows_from_csv(path) == rows
    path.write_text("index,y\n1,none\n")
    with pytest.raises(ValueError, match="none"):
        rows_from_csv(path)
