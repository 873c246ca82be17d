"""The command line in a report gives the same mask again."""

import json
import shlex
from typing import Annotated

import numpy as np
import pytest
import zarr

import wsiseg
from commands import run
from html_pages import read_page
from reported_runs import OPTIONS, draw_slide, make_checkpoint
from wsiseg.report import repeating
from wsiseg.report.repeating import repeating_command
from wsiseg.report.runs import find_runs
from wsiseg.settings import Option, Settings


def command_in(page):
    return shlex.split(next(read_page(page).find("pre", id="command")).whole)


def test_the_command_repeats_the_run(tmp_path):
    slide = draw_slide(tmp_path / "it's a slide.tiff", 600, 420)
    weights = make_checkpoint().save(tmp_path / "my weights.safetensors")
    options = OPTIONS | {"blend": "gaussian", "mpp": 0.7, "probabilities": True, "memory": "1GiB"}
    options |= {"fill_holes": "20um2", "min_area": "9um2", "threshold": {"tumour": 0.4}}
    first = wsiseg.segment(slide, weights, tmp_path / "out", **options)
    program, *words = command_in(wsiseg.report(tmp_path / "out").output)
    assert program == "wsiseg"
    words[words.index("-o") + 1] = str(tmp_path / "again")
    outcome = run(*words)
    assert outcome.status == 0, outcome.err
    name = first.mask.name
    for store in (name, name.replace(".ome", ".probabilities.ome")):
        np.testing.assert_array_equal(
            zarr.open_array(tmp_path / "again" / store / "0")[:],
            zarr.open_array(tmp_path / "out" / store / "0")[:],
        )


def test_what_auto_chose_is_named_and_defaults_are_not(one):
    words = command_in(wsiseg.report(one).output)
    for option, value in {"--runtime": "torch", "--precision": "fp32", "--device": "cpu"}.items():
        assert words[words.index(option) + 1] == value
    assert not {"--blend", "--memory", "--overwrite", "--resume", "--mpp"} & set(words)


def test_settings_of_other_versions_are_told(one):
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    content["settings"]["sharpen"] = 3
    run_file.write_text(json.dumps(content))
    root = read_page(wsiseg.report(one).output)
    (told,) = root.find("section", class_="notice note")
    assert "sharpen" in told.whole


class Kitchen(Settings):
    """Settings of every kind that a run may have."""

    reach: Annotated[float | None, Option(metavar="LENGTH")] = None
    holes: Annotated[dict[str, float] | None, Option(metavar="[NAME=]AREA")] = None
    threshold: Annotated[dict[str, float] | None, Option(metavar="NAME=P")] = None
    light: bool = True
    names: tuple[str, ...] = ()
    shift: int = 0
    hidden: Annotated[int, Option(shown=False)] = 0

    def as_json(self):
        return self.model_dump(mode="json")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"reach": 2.5}, "--reach 2.5um"),
        ({"holes": {"*": 50.0, "a b": 2}}, "--holes 50.0um2 --holes 'a b=2um2'"),
        ({"threshold": {"tumour": 0.7}}, "--threshold tumour=0.7"),
        ({"light": False}, "--no-light"),
        ({"names": ["a", "b"]}, "--names a,b"),
        ({"shift": -3}, "--shift=-3"),
        ({"hidden": 7, "reach": None}, ""),
    ],
)
def test_settings_of_every_kind_are_written_as_users_write_them(monkeypatch, one, setting, words):
    monkeypatch.setattr(repeating, "SegmentOptions", Kitchen)
    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    content["settings"] = setting
    run_file.write_text(json.dumps(content))
    (run,), _ = find_runs(one)
    assert repeating_command(run).endswith(f"-o {one} {words}".rstrip())


def test_it_is_said_from_where_relative_paths_count(one, tmp_path, monkeypatch):
    def said():
        (section,) = read_page(wsiseg.report(one).output).find("section", aria_labelledby="repeat")
        return section.whole

    run_file = one / "one.run.json"
    content = json.loads(run_file.read_text())
    assert "elative paths" not in said()
    content["summary"] |= {"slide": "slides/one.tiff", "mask": "one/one.ome.zarr"}
    run_file.write_text(json.dumps(content))
    assert "in which the run was begun, which the run file does not name" in said()
    draw_slide(tmp_path / "slides" / "one.tiff", 60, 60)
    assert f"Relative paths count from {tmp_path}." in said()
    monkeypatch.chdir(tmp_path)
    words = command_in(wsiseg.report("one").output)
    assert words[words.index("-o") + 1] == str(one)
