"""What there is to report on, where pages go, and what is missing."""

import json
import os
import shutil
import socket

import numpy as np
import pytest
import zarr

import wsiseg
from commands import run
from html_pages import notes, problems, read_page, stack
from reported_runs import HOSTILE, NAMES, draw_slide, interrupt, segment_drawn
from stored_masks import write_mask
from wsiseg.demo.checkpoints import bundled_checkpoints
from wsiseg.errors import ArgumentError, OutputError, OutputExistsError
from wsiseg.models.checkpoint import load_checkpoint
from wsiseg.report import runs as report_runs
from wsiseg.store.locks import hold_lock
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.tiling.bands import Band
from wsiseg.tiling.boxes import Box


def test_json_names_the_pages(cohort, one, tmp_path):
    outcome = run("report", one, "--json")
    assert outcome.status == 0
    assert json.loads(outcome.out)["output"] == str(one / "one.report.html")
    outcome = run("report", cohort.runs, "-o", tmp_path / "all.html", "--json")
    document = json.loads(outcome.out)
    assert document["output"] == str(tmp_path / "all.html")
    assert document["pages"] == [
        str(tmp_path / f"{name}.report.html") for name in (HOSTILE, "broken", "one", "tall")
    ]
    assert {path.name for path in tmp_path.glob("*.html")} == {
        "all.html",
        *(f"{name}.report.html" for name in (HOSTILE, "broken", "one", "tall")),
    }


def test_a_report_is_replaced_by_the_next_and_nothing_else_is(one):
    page = wsiseg.report(one).output
    before = page.stat().st_mtime_ns
    assert wsiseg.report(one).output == page
    assert page.stat().st_mtime_ns > before
    page.write_text("<!doctype html><p>mine")
    outcome = run("report", one)
    assert outcome.status == 1
    what = "a file that is not a report has the name of the page"
    assert outcome.err.splitlines() == [f"error: {what} ({page}). Choose another --output."]
    assert page.read_text() == "<!doctype html><p>mine"
    with pytest.raises(OutputExistsError):
        wsiseg.report(one)
    page.unlink()
    page.mkdir()
    with pytest.raises(OutputError, match="a folder has the name of the page"):
        wsiseg.report(one)


def test_nothing_is_written_if_one_of_several_pages_is_not_ours(cohort, tmp_path):
    (tmp_path / "tall.report.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        wsiseg.report(cohort.runs, tmp_path / "all.html")
    assert [path.name for path in tmp_path.iterdir()] == ["tall.report.html"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none", "there is no such folder"),
        (lambda folder: folder, "the folder holds no runs"),
        (lambda folder: write_mask(folder, np.zeros((9, 9), np.uint8)), "a store holds no runs"),
        (
            lambda folder: write_mask(folder, np.zeros((9, 9), np.uint8)).parent,
            "the folder holds masks, but none of the files that runs leave beside them",
        ),
    ],
)
def test_where_there_is_no_run_one_line_says_so(make, words, tmp_path):
    outcome = run("report", make(tmp_path))
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"error: {words} (")
    assert outcome.status == 1


def test_a_run_file_is_told_from_its_folder(one):
    with pytest.raises(OutputError, match="a file, not a folder") as caught:
        wsiseg.report(one / "one.run.json")
    assert caught.value.hint == f"Give the folder it lies in, {one}{os.sep}"


def test_pages_have_names_of_pages(one, cohort, tmp_path):
    with pytest.raises(ArgumentError, match="the name of a page must end with"):
        wsiseg.report(one, tmp_path / "page.pdf")
    with pytest.raises(OutputError, match="no such folder"):
        wsiseg.report(one, tmp_path / "none" / "page.html")
    with pytest.raises(ArgumentError, match="same name"):
        wsiseg.report(cohort.runs, tmp_path / "tall.report.html")
    assert wsiseg.report(one, tmp_path / "page.html").output.is_file()


def test_a_slide_that_was_moved_is_a_note_until_somebody_says_where(cohort, one, tmp_path):
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    content["summary"]["slide"] = "gone/one.tiff"
    run_file.write_text(json.dumps(content))
    root = read_page(wsiseg.report(one).output)
    assert "slide's pixels are left out" in notes(root)[0]
    assert "--slides" in notes(root)[0]
    base, layers = stack(root)
    assert base.shape[:2] == (1, 1)
    assert layers
    assert not notes(read_page(wsiseg.report(one, slides=cohort.slides).output))
    shutil.copy(cohort.slides / "one.tiff", one)
    assert not notes(read_page(wsiseg.report(one).output))
    draw_slide(tmp_path / "elsewhere" / "one.tiff", 700, 1210, seed=9)
    root = read_page(wsiseg.report(one, slides=tmp_path / "elsewhere").output)
    assert "the slide has changed" in notes(root)[0]
    assert stack(root)[0].shape[:2] == (1, 1)


def test_the_image_in_the_store_stands_for_the_slide(cohort, tmp_path):
    slide = tmp_path / "one.tiff"
    shutil.copy(cohort.slides / "one.tiff", slide)
    segment_drawn(slide, tmp_path / "out", with_image=True)
    with wsiseg.open_slide(slide) as opened:
        pixels = opened.read_region(0, opened.levels[0].box)
    slide.unlink()
    root = read_page(wsiseg.report(tmp_path / "out").output)
    assert not notes(root)
    base, layers = stack(root)
    assert np.abs(base.astype(int) - pixels).mean() < 6
    assert len(layers) == 3


def test_a_mask_that_is_gone_or_damaged_is_a_note(one):
    (chunk,) = (one / "one.ome.zarr" / "0" / "c" / "0").iterdir()
    chunk.write_bytes(b"damaged")
    assert "pictures are left out" in notes(read_page(wsiseg.report(one).output))[0]
    shutil.rmtree(one / "one.ome.zarr")
    (one / "one.tiles.csv").write_text("index,y\n1,2\n")
    root = read_page(wsiseg.report(one).output)
    assert ["pictures are left out" in notes(root)[0], "times are left out" in notes(root)[1]] == [
        True
    ] * 2
    assert not list(root.find("img"))
    assert list(root.find("table", class_="areas"))


def test_a_run_that_was_stopped_says_how_far_it_came(cohort, tmp_path):
    shutil.copy(cohort.runs / "tall.journal", tmp_path)
    root = read_page(wsiseg.report(tmp_path).output)
    assert problems(root) == ["it was stopped before its end"]
    assert next(root.find("h2", id="problems")).whole == "This run is not finished"
    assert "--resume" in {code.whole for code in root.find("code")}
    tiles = {next(each.find("dt")).whole: each for each in next(root.find("dl")).find("div")}
    (figure,) = tiles["Analysed so far"].find("data")
    assert float(figure.attributes["value"]) == pytest.approx(1024 * 300 / 1e6)
    assert "at 0.5 µm/px" in tiles["Checkpoint"].whole
    (bar,) = root.find("progress")
    assert float(bar.attributes["value"]) == pytest.approx(1024 / 2600)
    (areas,) = root.find("table", class_="areas")
    pixels = [float(row.attributes["value"]) for row in areas.find("data")]
    assert sum(pixels[1::2]) == 1024 * 300
    (tmp_path / "tall.journal").write_text("no journal")
    assert "damaged" in problems(read_page(wsiseg.report(tmp_path).output))[1]


def test_a_run_is_under_way_while_its_lock_is_held(cohort, tmp_path):
    shutil.copy(cohort.runs / "tall.journal", tmp_path)
    lock = tmp_path / "tall.lock"
    with hold_lock(lock, pytest.fail):
        root = read_page(wsiseg.report(tmp_path).output)
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    (said,) = problems(root)
    assert said.startswith(f"by process {os.getpid()} on {socket.gethostname()} since ")
    assert next(root.find("h2", id="problems")).whole == "This run is under way"
    # What a process leaves that was killed.
    lock.write_text('{"pid": 7, "host": "<b>", "since": "noon"}')
    root = read_page(wsiseg.report(tmp_path).output)
    assert problems(root) == ["it was stopped before its end"]
    assert "under way" not in next(root.find("main")).whole


def test_where_the_lock_cannot_be_tried_both_is_said(cohort, tmp_path, monkeypatch):
    def refuse(lock, warn):
        raise OutputError("cannot be written: Read-only file system", lock)

    monkeypatch.setattr(report_runs, "hold_lock", refuse)
    shutil.copy(cohort.runs / "tall.journal", tmp_path)
    (tmp_path / "tall.lock").write_text('{"pid": 7, "host": "<b>", "since": "noon"}')
    root = read_page(wsiseg.report(tmp_path).output)
    (said,) = problems(root)
    assert said.startswith("it was stopped, or it is under way by process 7 on <b> since noon; ")
    assert next(root.find("h2", id="problems")).whole == "This run is not finished"


def areas_of(page):
    (areas,) = read_page(page).find("table", class_="areas")
    rows = next(areas.find("tbody")).find("tr")
    return {
        next(row.find("th")).whole: next(row.find("span", class_="swatch")).attributes["style"]
        for row in rows
    }


def test_classes_of_an_unfinished_run_are_named_by_what_is_at_hand(cohort, reported, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(cohort.runs / "tall.journal", alone)
    result = wsiseg.report(alone)
    styles = areas_of(result.output)
    assert list(styles) == ["class 0", "class 1", "class 2"]
    assert len(set(styles.values())) == 1
    assert "without colours" in notes(read_page(result.output))[0]
    assert "tall: the journal" in result.warnings[0]
    # Another run of the folder has the same checkpoint.
    (page,) = (page for page in reported.pages if page.name.startswith("tall"))
    assert list(areas_of(page)) == list(NAMES)
    assert not notes(read_page(page))
    # Whose run file somebody has edited.
    edited = tmp_path / "edited"
    edited.mkdir()
    shutil.copy(cohort.runs / "tall.journal", edited)
    content = json.loads((cohort.runs / "one.run.json").read_text())
    for classes in (7, [3, 4, 5], "abc"):
        content["checkpoint"]["classes"] = classes
        (edited / "one.run.json").write_text(json.dumps(content))
        wsiseg.report(edited)
        assert list(areas_of(edited / "tall.report.html")) == ["class 0", "class 1", "class 2"]
    # A bundled checkpoint is known wherever the journal lies.
    bundled = load_checkpoint(next(iter(bundled_checkpoints().values())))
    journal = alone / "tall.journal"
    header, *records = journal.read_text().splitlines(keepends=True)
    identity = json.loads(header)["identity"] | {"checkpoint": bundled.sha256}
    journal.write_text("".join([json.dumps({"identity": identity}) + "\n", *records]))
    colours = {each.name: each.colour for each in bundled.classes}
    assert areas_of(wsiseg.report(alone).output) == {
        name: f"background:#{bytes(colour).hex()}" for name, colour in colours.items()
    }


def test_a_run_that_failed_says_why(cohort, tmp_path):
    shutil.copy(cohort.runs / "batch.json", tmp_path)
    result = wsiseg.report(tmp_path)
    (broken,) = (page for page in result.pages if page.name.startswith("broken"))
    (said,) = problems(read_page(broken))
    entries = json.loads((cohort.runs / "batch.json").read_text())["slides"]
    assert said == next(e["error"] for e in entries if "broken" in e["slide"])
    # Runs that ended well, of which somebody has moved the files, are no failures of the report.
    (moved,) = (page for page in result.pages if page.name.startswith("one"))
    assert problems(read_page(moved)) == ["the files of the run are not in the folder any more"]


def test_a_later_failure_stands_before_what_is_there(one):
    (one / "batch.json").write_text(
        json.dumps({"slides": [{"slide": "one.tiff", "status": "failed", "error": "disk full."}]})
    )
    root = read_page(wsiseg.report(one).output)
    assert problems(root)[0] == "disk full."
    assert "run before" in problems(root)[1]
    assert list(root.find("table", class_="areas"))


def test_damaged_files_are_told(one):
    (one / "batch.json").write_text("{")
    result = wsiseg.report(one)
    assert "batch.json is damaged" in result.warnings[0]
    (one / "one.run.json").write_text('{"summary": {}}')
    assert "cannot be read" in problems(read_page(wsiseg.report(one).output))[0]


@pytest.mark.parametrize("part", ["settings", "checkpoint", "plan", "versions", "slide", "shares"])
@pytest.mark.parametrize("value", [None, [], "text", 7, {"classes": [3], "batch": None}])
def test_a_run_file_that_was_edited_gives_a_page_all_the_same(one, part, value):
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    if part == "shares":
        content |= {"power_w": value, "finished": value, "warnings": value}
    else:
        content[part] = value
    run_file.write_text(json.dumps(content))
    shutil.rmtree(one / "one.ome.zarr")
    read_page(wsiseg.report(one).output)


def test_warnings_come_first_with_options_for_parameters(one):
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    content["warnings"] = ["no tissue is found; `tissue=none` analyses all", "<i>"]
    run_file.write_text(json.dumps(content))
    root = read_page(wsiseg.report(one).output)
    (main,) = root.find("main")
    assert main.children[0].attributes["class"] == "notice warn"
    (first, second) = main.children[0].find("li")
    assert next(first.find("code")).text == "--tissue none"
    assert second.text == "<i>"


def test_energy_is_told_where_it_was_measured(one):
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    content |= {"power_w": None, "power": None}
    run_file.write_text(json.dumps(content))
    (tiles,) = read_page(wsiseg.report(one).output).find("dl")
    assert "not measured" in tiles.whole
    power = {"mean_w": 40.0, "joules": 81.5, "joules_per_mpx": 7.25}
    power["probes"] = {"nvml": {"covers": "the GPU"}}
    run_file.write_text(json.dumps(content | {"power_w": 40.0, "power": power}))
    (tiles,) = read_page(wsiseg.report(one).output).find("dl")
    assert [float(each.attributes["value"]) for each in tiles.find("data")][-1] == 81.5
    assert "40 W, 7.25 J/Mpx, the GPU" in tiles.whole


def test_uncertainty_beside_the_mask_is_a_layer_and_chooses_fields(one):
    mask = zarr.open_group(one / "one.ome.zarr")
    height, width = mask["0"].shape
    doubts = np.zeros((height, width), np.uint8)
    doubts[100:400, 600:900] = 200
    # A store of a plane of uint8 is what a mask is, too.
    store = MaskStore(one / "one.uncertainty.ome.zarr", (height, width), ())
    store.write(Band(Box(0, 0, height, width), doubts))
    store.finish("one", Placement(0.5, 1.0), {})
    root = read_page(wsiseg.report(one).output)
    _, layers = stack(root)
    seen = layers["uncertainty"][..., 3] > 0
    np.testing.assert_array_equal(seen, doubts > 0)
    (fields,) = root.find("div", class_="fields")
    assert "x 512, y 0" in next(fields.find("small")).text
    assert f"uncertainty {doubts[:512, 512:1024].mean() / 255:.2f}" in fields.whole
    (box,) = root.find("input", data_toggle="uncertainty")
    assert "checked" not in box.attributes
    shutil.rmtree(one / "one.uncertainty.ome.zarr")
    write_mask(one, np.zeros((9, 9), np.uint8)).rename(one / "one.uncertainty.ome.zarr")
    assert "another mask" in notes(read_page(wsiseg.report(one).output))[0]


def test_uncertainty_of_a_run_is_what_it_has_kept(cohort, tmp_path):
    mask = segment_drawn(cohort.slides / "one.tiff", tmp_path, uncertainty="entropy").mask
    kept = zarr.open_array(mask.with_name("one.uncertainty.ome.zarr") / "0")[:]
    root = read_page(wsiseg.report(tmp_path).output)
    assert not notes(root)
    _, layers = stack(root)
    np.testing.assert_allclose(layers["uncertainty"][..., 3], kept, atol=9)


def test_a_run_that_was_resumed_shows_where_it_stopped(cohort, tmp_path):
    slide, out = cohort.slides / "tall.tiff", tmp_path / "out"
    interrupt(slide, out)
    segment_drawn(slide, out, resume=True)
    root = read_page(wsiseg.report(out).output)
    assert not problems(root)
    (stop,) = root.find("path", class_="stop")
    assert stop.attributes["d"].startswith("M")
    labels = [each.whole for each in next(root.find("dl")).find("dt")]
    of_part = {label.removesuffix(", last part") for label in labels if "last part" in label}
    assert of_part == {"Time", "Throughput", "Peak memory", "Energy"}
    assert {"Analysed", "Checkpoint", "Tiles"} <= set(labels)
    captions = [each.whole for each in root.find("caption")]
    assert "Sums over all tiles, earlier parts included" in captions
    shutil.copytree(out, tmp_path / "two")
    for ending in (".ome.zarr", ".run.json", ".tiles.csv"):
        source = cohort.runs / f"one{ending}"
        (shutil.copytree if source.is_dir() else shutil.copy)(
            source, tmp_path / "two" / source.name
        )
    root = read_page(wsiseg.report(tmp_path / "two").output)
    summaries = [
        json.loads((tmp_path / "two" / f"{name}.run.json").read_text())["summary"]
        for name in ("one", "tall")
    ]
    seconds = sum(each["seconds"] for each in summaries)
    done = sum(each["seconds"] * each["mpx_per_s"] for each in summaries)
    tiles = [float(each.attributes["value"]) for each in next(root.find("dl")).find("data")]
    assert tiles[-1] == pytest.approx(done / seconds)
    assert done < sum(each["megapixels"] for each in summaries) - 0.3
    assert "of the last parts only of 1 resumed" in next(root.find("dl")).whole
    marked = {
        next(row.find("a")).whole: "last part" in row.whole
        for row in next(next(root.find("table", class_="cohort")).find("tbody")).find("tr")
    }
    assert marked == {"one": False, "tall": True}


def test_a_resumed_run_that_did_all_tiles_again_is_one(one):
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    summary = content["summary"]
    assert ", last part" not in next(read_page(wsiseg.report(one).output).find("dl")).whole
    summary["mpx_per_s"] = round(0.8 * summary["megapixels"] / summary["seconds"], 3)
    run_file.write_text(json.dumps(content))
    assert "Time, last part" in next(read_page(wsiseg.report(one).output).find("dl")).whole


def test_slides_that_did_not_end_are_counted_by_what_they_are(reported):
    (heading,) = read_page(reported.output).find("h2", id="problems")
    assert heading.whole == "1 failed, 1 not finished"
