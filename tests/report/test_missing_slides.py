"""Slides that are not where they were: told once, on the terminal and on the pages."""

import json
import shutil

import wsiseg
from commands import run
from html_pages import notes, read_page
from reported_runs import HOSTILE


def lose_slides(runs, folder):
    """Return a copy of runs whose slides are in no known place any more."""
    shutil.copytree(runs, folder)
    for run_file in folder.glob("*.run.json"):
        content = json.loads(run_file.read_text())
        content["summary"]["slide"] = f"gone/{content['summary']['slide'].rpartition('/')[2]}"
        run_file.write_text(json.dumps(content))
    return folder


def test_missing_slides_are_told_once_with_what_to_do(cohort, tmp_path):
    runs = lose_slides(cohort.runs, tmp_path / "runs")
    outcome = run("report", runs)
    (line,) = outcome.err.splitlines()
    assert outcome.status == 0
    assert line.startswith("warning: 2 slides are not where they were (")
    assert "gone/one.tiff" in line
    assert line.endswith("--slides names the folder in which they are now")
    (said,) = json.loads(run("report", runs, "--json", "--slides", tmp_path).out)["warnings"]
    assert said.startswith(f"2 slides are neither where they were nor in {tmp_path} (")
    root = read_page(runs / "report.html")
    (about,) = notes(root)
    assert about.startswith("2 slides are neither")
    (table,) = root.find("table", class_="cohort")
    counted = {
        next(row.find("a")).whole: next(row.find("td", data_label="Warnings")).whole
        for row in next(table.find("tbody")).find("tr")
    }
    assert counted == {"one": "1", HOSTILE: "1", "broken": "0", "tall": "0"}
    assert wsiseg.report(runs, slides=cohort.slides).warnings == ()
    (runs / "one.tiles.csv").write_text("index,y\n1,2\n")
    (other,) = wsiseg.report(runs, slides=cohort.slides).warnings
    assert other.startswith("one: times are left out")


def test_a_folder_of_slides_that_is_none_is_an_error(one):
    for folder, what in {
        one / "none": "there is no such folder",
        one / "one.run.json": "this is a file, not a folder",
    }.items():
        outcome = run("report", one, "--slides", folder)
        (line,) = outcome.err.splitlines()
        assert outcome.status != 0
        assert line.startswith(f"error: {what} (--slides {folder}). ")
    assert not list(one.glob("*.html"))
