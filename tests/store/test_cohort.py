"""The cohort table: a row a slide, whatever became of it, beside the manifest."""

import csv
import json

import pytest

from wsiseg.errors import OutputError
from wsiseg.store.manifest import Manifest


def entry(slide, *areas, **others):
    classes = [{"index": k, "name": n, "pixels": 1, "mm2": a} for k, (n, a) in enumerate(areas)]
    return {"slide": slide, "status": "ok", "classes": classes, "warnings": [], **others}


def record(folder, *entries):
    said = []
    for each in entries:
        Manifest(folder, said.append).record(each)
    assert not said
    return read(folder)


def read(folder):
    with (folder / "cohort.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_every_class_of_any_slide_is_a_column(tmp_path):
    rows = record(
        tmp_path,
        entry("in/a.svs", ("gland", 1.5), ("ground", 0.5), seconds=2.5, mask="out/a.ome.zarr"),
        entry("in/b.svs", ("gland", 0.25), ("tumour, solid", 0.125)),
        entry("in/c.svs", ("gland", None)),
        entry("in/d.svs", status="failed", error="it is empty (in/d.svs)."),
    )
    assert [row["slide"] for row in rows] == ["in/a.svs", "in/b.svs", "in/c.svs", "in/d.svs"]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "failed"]
    assert [row["mm2 gland"] for row in rows] == ["1.5", "0.25", "", ""]
    assert [row["mm2 tumour, solid"] for row in rows] == ["", "0.125", "", ""]
    assert [row["analysed_mm2"] for row in rows] == ["2.0", "0.375", "", ""]
    assert rows[0]["seconds"] == "2.5"
    assert rows[3]["error"] == "it is empty (in/d.svs)."


def test_the_last_outcome_of_a_slide_stands(tmp_path):
    failed = entry("in/a.svs", status="failed", error="no")
    rows = record(tmp_path, failed, entry("in/b.svs"), entry("else/a.svs", ("gland", 1.0)))
    assert [(row["slide"], row["status"]) for row in rows] == [
        ("else/a.svs", "ok"),
        ("in/b.svs", "ok"),
    ]


def test_names_are_no_formulas_and_warnings_stay_one_cell(tmp_path):
    warnings = ["=1+1", "tile 3 is\nnot analysed"]
    (row,) = record(tmp_path, entry("=cmd|' /C calc'!A0.svs", ("@SUM(A1)", 1.0), warnings=warnings))
    assert row["slide"].startswith("'=")
    assert row["warnings"] == "'=1+1; tile 3 is\\nnot analysed"
    assert row["mm2 @SUM(A1)"] == "1.0"


def test_other_alphabets_come_with_the_mark_that_spreadsheets_need(tmp_path):
    plain = entry("a.svs", warnings=["the slide's µm per pixel are unknown, 3×4 mm²"])
    (row,) = record(tmp_path, plain)
    assert row["warnings"] == "the slide's um per pixel are unknown, 3x4 mm2"
    rows = record(tmp_path, entry("Gewebe_ä.svs", ("Drüse", 0.5), warnings=["x" * 99_999]))
    content = (tmp_path / "cohort.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfslide,status,")
    assert b"\r" not in content
    assert rows[1]["mm2 Drüse"] == "0.5"
    assert len(rows[1]["warnings"]) <= 32_767


def test_pandas_reads_it(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas comes with other packages only")
    record(tmp_path, entry("ä.svs", ("gland", 1.5)), entry("b.svs", status="failed"))
    table = pandas.read_csv(tmp_path / "cohort.csv")
    assert list(table["slide"]) == ["ä.svs", "b.svs"]
    assert table["mm2 gland"].sum() == 1.5
    assert (table["status"] == "ok").sum() == 1


def test_it_catches_up_after_a_kill_between_the_two_files(tmp_path):
    record(tmp_path, entry("a.svs", ("gland", 1.0)))
    (tmp_path / "cohort.csv").unlink()
    assert [row["slide"] for row in record(tmp_path, entry("b.svs"))] == ["a.svs", "b.svs"]


def test_odd_entries_of_the_manifest_leave_their_cells_empty(tmp_path):
    odd = [
        {"slide": "a.svs", "classes": 5, "warnings": "x", "seconds": []},
        {"slide": "b.svs", "classes": [5, {"name": "gland", "mm2": "many"}, {"name": 7}]},
        {"slide": "caf\udce9.svs"},
    ]
    (tmp_path / "batch.json").write_text(json.dumps({"slides": odd}))
    rows = record(tmp_path, entry("d.svs", ("gland", 1.0)))
    assert [row["mm2 gland"] for row in rows] == ["", "", "", "1.0"]
    assert rows[2]["slide"] == "caf\\udce9.svs"


def test_a_folder_of_its_name_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "cohort.csv").mkdir()
    with pytest.raises(OutputError, match="a folder has the name of the cohort table"):
        Manifest(tmp_path, print).check()
