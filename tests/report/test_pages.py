"""Pages are whole, ask for nothing, escape what others named, and say what the files say."""

import json
from urllib.parse import unquote

import numpy as np
import pytest
import zarr

import wsiseg
from html_pages import picture, read_page, stack
from reported_runs import HOSTILE, NAMES, draw_slide, segment_drawn


def figures(element):
    return [float(each.attributes["value"]) for each in element.find("data")]


def page_of(reported, name):
    (page,) = (page for page in reported.pages if page.name == f"{name}.report.html")
    return read_page(page)


def test_every_page_is_whole_and_asks_for_nothing(reported):
    names = {page.name.removesuffix(".report.html") for page in reported.pages}
    assert names == {"one", HOSTILE, "broken", "tall"}
    for page in (reported.output, *reported.pages):
        read_page(page)
        assert page.stat().st_size < 3e6


def test_the_figures_are_those_of_the_run_file(reported, cohort):
    run = json.loads((cohort.runs / "one.run.json").read_text())
    summary = run["summary"]
    root = page_of(reported, "one")
    (areas,) = root.find("table", class_="areas")
    found = [(row.find("th"), figures(row)) for row in next(areas.find("tbody")).find("tr")]
    assert [(next(head).whole, *numbers) for head, numbers in found] == [
        (each["name"], each["mm2"], each["pixels"]) for each in summary["classes"]
    ]
    assert figures(next(areas.find("tfoot"))) == [
        run["not_analysed"]["mm2"],
        run["not_analysed"]["pixels"],
    ]
    (tiles,) = root.find("dl")
    keys = ("megapixels", "mpx_per_s", "tiles", "peak_rss_mb")
    assert figures(tiles) == [summary[key] for key in keys]
    assert "not measured" in tiles.whole
    (raw,) = root.find("details", class_="raw")
    assert json.loads(next(raw.find("pre")).text) == {
        key: value for key, value in run.items() if key != "shards"
    }


def test_the_cohort_has_a_row_a_slide_with_the_same_figures(reported, cohort):
    root = read_page(reported.output)
    (table,) = root.find("table", class_="cohort")
    rows = {next(row.find("a")).whole: row for row in next(table.find("tbody")).find("tr")}
    assert set(rows) == {"one", HOSTILE, "broken", "tall"}
    for name, status in {"one": "finished", "broken": "failed", "tall": "unfinished"}.items():
        assert status in next(rows[name].find("td", data_label="Status")).whole
    for name in ("one", HOSTILE):
        summary = json.loads((cohort.runs / f"{name}.run.json").read_text())["summary"]
        expected = [each["mm2"] for each in summary["classes"]]
        assert figures(rows[name]) == [*expected, summary["seconds"], summary["mpx_per_s"]]
    for row in rows.values():
        link = next(row.find("a")).attributes["href"]
        assert (reported.output.parent / unquote(link)).is_file()


def test_what_others_named_stays_text(reported):
    root = page_of(reported, HOSTILE)
    assert HOSTILE in next(root.find("h1")).whole
    assert HOSTILE in next(root.find("title")).text
    assert {layer.whole for layer in root.find("label", class_="check")} >= set(NAMES)
    assert not list(root.find("img", src="x"))
    index = read_page(reported.output)
    assert HOSTILE in {link.whole for link in index.find("a")}


def test_a_slide_that_is_a_script_stays_text(tmp_path):
    slide = draw_slide(tmp_path / "<script>alert(1)</script>.tiff", 200, 200)
    segment_drawn(slide, tmp_path / "out")
    result = wsiseg.report(tmp_path / "out")
    root = read_page(result.output)
    assert "<script>alert(1)</script>.tiff" in next(root.find("p", class_="path")).whole
    assert "<script>alert(1)</script>.tiff" in next(root.find("code")).whole
    assert result.output.name == "script>.report.html"


def test_names_that_are_no_text_are_shown_escaped(tmp_path):
    try:
        slide = draw_slide(tmp_path / "a\udcff\u202eb\x1b.tiff", 200, 200)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no such names")
    segment_drawn(slide, tmp_path / "out")
    root = read_page(wsiseg.report(tmp_path / "out").output)
    assert next(root.find("h1")).text.startswith(r"a\udcff\u202eb\x1b")


def test_the_pictures_are_the_mask_and_the_slide(reported, cohort):
    root = page_of(reported, "one")
    base, layers = stack(root)
    labels = np.asarray(zarr.open_array(cohort.runs / "one.ome.zarr" / "0"))
    with wsiseg.open_slide(cohort.slides / "one.tiff") as slide:
        pixels = slide.read_region(0, slide.levels[0].box)
    assert base.shape == pixels.shape
    assert np.abs(base.astype(int) - pixels).mean() < 6
    assert set(layers) == {str(label) for label in np.unique(labels)}
    for label, layer in layers.items():
        np.testing.assert_array_equal(layer[..., 3], 255 * (labels == int(label)))


def test_fields_are_cut_out_of_the_slide_at_full_resolution(reported, cohort):
    root = page_of(reported, "one")
    labels = np.asarray(zarr.open_array(cohort.runs / "one.ome.zarr" / "0"))
    (fields,) = root.find("div", class_="fields")
    places = [small.text for small in fields.find("small")]
    assert len(places) == 2
    for number, place in enumerate(places):
        _, x, _, y, *_ = place.replace(",", "").split()
        part = labels[int(y) : int(y) + 512, int(x) : int(x) + 512]
        _, layers = stack(fields, number)
        for label, layer in layers.items():
            np.testing.assert_array_equal(layer[..., 3], 255 * (part == int(label)))


def test_the_same_run_gives_the_same_pictures(cohort, one, reported):
    again = read_page(wsiseg.report(one, slides=cohort.slides).output)
    before = page_of(reported, "one")
    assert [i.attributes["src"] for i in again.find("img")] == [
        i.attributes["src"] for i in before.find("img")
    ]


def test_where_it_was_slow_is_seen_and_told(one):
    table = one / "one.tiles.csv"
    lines = table.read_text().splitlines()
    cells = lines[4].split(",")
    index, y, x = cells[:3]
    cells[4] = "9000.0"
    table.write_text("\n".join([*lines[:4], ",".join(cells), *lines[5:]]) + "\n")
    root = read_page(wsiseg.report(one).output)
    (slow,) = root.find("div", class_="slow")
    first = next(next(slow.find("tbody")).find("tr"))
    assert next(first.find("th")).whole == index
    tint = picture(next(slow.find("img", class_="tint")).attributes["src"])
    plane = json.loads((one / "one.run.json").read_text())["identity"]["plane"]
    at = [
        int((int(corner) + 128) * side / plane[name])
        for corner, side, name in zip((y, x), tint.shape, ("height", "width"), strict=False)
    ]
    brightness = tint[..., :3].sum(axis=2)
    assert brightness[tuple(at)] == brightness.min()


def test_settings_are_shown_in_units_and_lists_are_no_sizes(one):
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    content["checkpoint"] |= {"source": "models/nice.safetensors"}
    content["checkpoint"]["normalisation"]["mean"] = [72.39, 82.9, 73.15]
    content["plan"]["memory_bytes"]["network"] = 3 * 2**20
    run_file.write_text(json.dumps(content))
    root = read_page(wsiseg.report(one).output)
    shown = {
        (next(row.find("th")).whole, next(row.find("td")).whole)
        for table in root.find("table", class_="pairs")
        for row in table.find("tr")
    }
    assert shown >= {
        ("normalisation.mean", "72.39, 82.9, 73.15"),
        ("tile", "256 × 256"),
        ("memory.network", "3 MiB"),
        ("memory", "2\u202f048 MiB"),
    }
    (tile,) = (each for each in next(root.find("dl")).find("div") if "Checkpoint" in each.whole)
    assert tile.whole == "Checkpointnice.safetensorsat 0.5 µm/px"
