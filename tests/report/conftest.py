"""A folder of runs as they come, and the report on it; tests leave them as they are."""

import shutil

import pytest

import wsiseg
from reported_runs import make_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory):
    return make_cohort(*(tmp_path_factory.mktemp(name) for name in ("slides", "runs")))


@pytest.fixture(scope="session")
def reported(cohort, tmp_path_factory):
    """Return what a report on the cohort wrote, beside nothing else."""
    return wsiseg.report(cohort.runs, tmp_path_factory.mktemp("pages") / "all.html")


@pytest.fixture
def one(cohort, tmp_path):
    """Return a folder with one finished run, whose files a test may spoil."""
    folder = tmp_path / "one"
    folder.mkdir()
    for ending in (".ome.zarr", ".run.json", ".tiles.csv"):
        source = cohort.runs / f"one{ending}"
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / source.name)
    return folder
