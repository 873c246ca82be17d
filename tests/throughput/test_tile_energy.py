"""How the energy of a run is divided among its tiles."""

import csv
import io

import pytest

from wsiseg.throughput.probes.power_meter import Energy, Sample
from wsiseg.throughput.probes.probe import Reading
from wsiseg.throughput.recorder import TileRow, rows_from_csv, rows_to_csv
from wsiseg.throughput.tile_energy import joules_of_tiles


def tile(index: int, forward: float, finished: float) -> TileRow:
    return TileRow(index, 0, index, 0.0, forward * 1e3, 0.0, 0.0, 0.0, finished, "done")


def energy(*powers: tuple[float, float], whole: bool = False) -> Energy:
    return Energy("x", whole, tuple(Sample(t, Reading(watts=w)) for t, w in powers))


# 100 W for four seconds, then 200 W.
STEP = energy((0, 100), (4, 100), (4, 200), (10, 200))


def test_a_tile_has_what_was_consumed_while_it_was_worked_at() -> None:
    # Measuring began a second after the slide was opened; nothing is outside of tiles.
    rows = [tile(0, 2, 3), tile(1, 2, 5), tile(2, 6, 11)]
    found = joules_of_tiles(rows, [STEP], began=1.0)
    assert found == {0: pytest.approx(200), 1: pytest.approx(200), 2: pytest.approx(1200)}


def test_what_is_outside_of_tiles_is_shared_alike() -> None:
    # Two seconds before the first, three after the last: 200 and 600 J for four tiles.
    rows = [tile(n, 1, 3 + n + (n > 1)) for n in range(4)]
    found = joules_of_tiles(rows, [STEP], began=0.0)
    assert found is not None
    assert sum(found.values()) == pytest.approx(STEP.joules) == pytest.approx(1600)
    # The third waited for a second that no stage counts.
    assert found == {n: pytest.approx(200 + own) for n, own in enumerate((100, 100, 400, 200))}


def test_tiles_of_a_batch_share_its_time() -> None:
    # Through the network together in eight seconds, and finished almost at once.
    rows = [tile(n, 2, 8 + n * 1e-6) for n in range(4)]
    found = joules_of_tiles(rows, [energy((0, 100), (10, 100))], began=0.0)
    assert found == {n: pytest.approx(250, abs=1e-3) for n in range(4)}


def test_the_whole_machine_counts_before_its_parts() -> None:
    rows = [tile(0, 1, 1)]
    part, whole = energy((0, 5), (1, 5)), energy((0, 30), (1, 30), whole=True)
    assert joules_of_tiles(rows, [part, part], began=0.0) == {0: pytest.approx(10)}
    assert joules_of_tiles(rows, [part, whole], began=0.0) == {0: pytest.approx(30)}


def test_without_a_probe_there_is_no_figure() -> None:
    rows = [tile(0, 1, 1)]
    assert joules_of_tiles(rows, [], began=0.0) is None
    assert joules_of_tiles(rows, [Energy("x", False, ())], began=0.0) is None
    assert joules_of_tiles([], [STEP], began=0.0) is None


def test_the_column_is_the_last_and_tiles_of_before_have_none(tmp_path) -> None:
    rows = [tile(0, 1, 1), tile(1, 1, 2)]
    text = rows_to_csv(rows, {1: 0.0123456})
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["joules"], second["joules"]) == ("", "0.012346")
    path = tmp_path / "a.tiles.csv"
    path.write_text(text)
    assert rows_from_csv(path) == rows
