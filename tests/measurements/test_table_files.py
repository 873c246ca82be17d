"""Files of tables: one or several, as CSV, Parquet or JSON, whole or not at all."""

import json
import sys

import numpy as np
import pytest
import shapely

import wsiseg
from commands import run
from measured import LABELS, read, regions
from stored_masks import write_mask
from wsiseg.errors import OutputError
from wsiseg.measurements import tables


def test_a_folder_has_a_file_for_each_table_and_json_all(mask, tmp_path):
    file = regions(tmp_path / "r.geojson", ({"name": "=1+1"}, shapely.box(0, 0, 220, 300)))
    words = ("--components", "--regions", file, "--every", "40um", "--classes", "gland")
    outcome = run("measure", mask, *words, "-o", tmp_path / "all", "--json")
    assert outcome.status == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["tables"] == {
        name: str(tmp_path / "all" / f"{name}.csv")
        for name in ("classes", "regions", "components", "density")
    }
    assert run("measure", mask, *words, "-o", tmp_path / "all.json").status == 0
    whole = json.loads((tmp_path / "all.json").read_text())
    result = wsiseg.measure(mask, regions=file, components=True, every=40, classes="gland")
    assert whole.keys() == result.tables.keys() == said["tables"].keys()
    for name, rows in whole.items():
        columns = result.tables[name]
        assert rows == [
            {
                key: None if isinstance(value, float) and np.isnan(value) else value
                for key, value in zip(columns, row, strict=True)
            }
            for row in zip(*(column.tolist() for column in columns.values()), strict=True)
        ]
        cells = read(said["tables"][name])
        assert list(cells[0]) == list(columns)
        assert len(cells) == len(rows)
    # A spreadsheet takes no name for a formula; JSON keeps it.
    assert read(said["tables"]["regions"])[0]["region"] == "'=1+1"
    assert whole["regions"][0]["region"] == "=1+1"
    assert {row["class"] for row in whole["components"]} == {"gland"}


def test_tables_that_one_file_cannot_hold_stand_beside_it(mask, tmp_path):
    file = regions(tmp_path / "r.geojson", ({"name": "left"}, shapely.box(0, 0, 220, 600)))
    words = ("--regions", file, "--every", "40um")
    assert run("measure", mask, *words, "-o", tmp_path / "a.csv").status == 0
    assert "region" in read(tmp_path / "a.csv")[0]
    assert "row" in read(tmp_path / "a.density.csv")[0]
    outcome = run("measure", mask, *words, "--components", "-o", tmp_path / "b.csv", "--json")
    assert json.loads(outcome.out)["tables"] == {
        "components": str(tmp_path / "b.csv"),
        "regions": str(tmp_path / "b.regions.csv"),
        "density": str(tmp_path / "b.density.csv"),
    }
    assert "solidity" in read(tmp_path / "b.csv")[0]
    assert (tmp_path / "b.regions.csv").read_text() == (tmp_path / "a.csv").read_text()
    assert {each.name for each in tmp_path.iterdir()} == {
        *("a.csv", "a.density.csv", "b.csv", "b.regions.csv", "b.density.csv", "r.geojson")
    }


def test_parquet_holds_the_same_with_its_types(mask, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("measure", mask, "--components", "-o", tmp_path / "a.parquet").status == 0
    found = parquet.read_table(tmp_path / "a.parquet")
    expected = wsiseg.measure(mask, components=True).tables["components"]
    assert found.column_names == list(expected)
    types = {name: str(found.schema.field(name).type) for name in found.column_names}
    assert (types["class"], types["pixels"], types["solidity"]) == ("string", "int64", "double")
    for name, values in expected.items():
        assert found[name].to_pylist() == values.tolist()
    bare = write_mask(tmp_path, LABELS[:30, :30], mpp=None)
    wsiseg.measure(bare, tmp_path / "b.parquet")
    assert parquet.read_table(tmp_path / "b.parquet")["mm2"].null_count == 3


def test_parquet_without_its_library_is_refused_in_a_line(mask, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for words in (("-o", tmp_path / "a.parquet"), ("-o", tmp_path / "a", "--format", "parquet")):
        outcome = run("measure", mask, *words)
        assert outcome.status == 1
        (line,) = outcome.err.splitlines()
        assert line.startswith("error: Parquet files need pyarrow, which is not installed. ")
        assert "wsiseg[parquet]" in line
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_replaced_only_if_that_is_wanted(mask, tmp_path):
    assert run("measure", mask, "-o", tmp_path / "a").status == 0
    assert run("measure", mask, "-o", tmp_path / "a").status == 1
    (tmp_path / "a" / "classes.csv").write_text("mine")
    assert run("measure", mask, "-o", tmp_path / "a", "--overwrite").status == 0
    assert len(read(tmp_path / "a" / "classes.csv")) == 3


def test_tables_are_not_put_into_a_store(mask):
    before = sorted(mask.rglob("*"))
    outcome = run("measure", mask, "-o", mask)
    assert outcome.status == 1
    assert outcome.err.startswith("error: the output is a store, not a folder for tables")
    assert sorted(mask.rglob("*")) == before


def test_what_is_stopped_leaves_nothing(mask, tmp_path):
    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wsiseg.measure(mask, tmp_path / "a", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_script_stays_text(tmp_path):
    path = write_mask(tmp_path, LABELS[:30, :30], slide="<script>alert(1)</script>\x1b[31m.svs")
    assert run("measure", path, "-o", tmp_path / "a.json").status == 0
    (row, *_) = json.loads((tmp_path / "a.json").read_text())["classes"]
    assert row["slide"] == "<script>alert(1)</script>\\x1b[31m.svs"


def test_a_name_that_is_no_text_is_written_to_every_kind_of_file(tmp_path):
    path = write_mask(tmp_path, LABELS[:30, :30]).rename(tmp_path / "caf\udce9.ome.zarr")
    odd = {"name": "\ud800 x"}
    file = regions(tmp_path / "r.geojson", (odd, shapely.box(0, 0, 20, 20)))
    for kind in ("csv", "json", "parquet"):
        outcome = run("measure", path, "--regions", file, "-o", tmp_path / f"a.{kind}", "--json")
        assert outcome.status == 0, outcome.err
    (row, *_) = read(tmp_path / "a.csv")
    assert row["region"] == "\\ud800 x"
    assert row["mask"].endswith("caf\\udce9.ome.zarr")


def test_a_library_that_cannot_write_is_an_error_of_ours(mask, tmp_path, monkeypatch):
    def fail(path, found):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "WRITERS", {".csv": fail})
    with pytest.raises(OutputError, match="No space left on device"):
        wsiseg.measure(mask, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
