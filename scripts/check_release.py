"""Build the wheel and the sources, and use both as a stranger would: in new environments.

    python scripts/check_release.py                          with this Python
    python scripts/check_release.py python3.12 python3.13    with others, one after the other

Of each Python it makes an empty environment, installs the wheel, and segments the bundled slide.
Then it adds what the journeys of ``tests/journeys`` need, the viewer among it, and runs all of them
but the ``long`` ones from a copy of ``tests/`` outside of the clone, so that nothing but the
installed package can be imported.  A journey that is skipped fails the check, unless for a reason
of `ACCEPTED`.  At last the sources take the wheel's place.  Where HEAD carries a tag, changelog and
citation have to tell of it.  WSISEG_TEST_DATA says where the data are that are not in the
repository.  On Linux without a screen, Xvfb has to be there: scripts/install_system_packages.sh.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from email.parser import Parser
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"

EXTRAS = "cluster,dicom,onnx,openvino,parquet,remote,train,viewer"
"""What journeys use; none makes a network of int8."""

TOOLS = (
    "hypothesis",
    "napari-ome-zarr",
    "ome-zarr-models",
    "pytest",
    "pytest-qt",
    "setuptools",
    "yaozarrs",
)

ACCEPTED = (
    "this test reads slides and weights that are not ours to hand out",
    "forks, and makes a file in memory",
)
"""How the reasons begin for which a journey may be skipped: data, and a system without Linux."""

LOOK = """
import importlib, pathlib, sys, sysconfig
import wsiseg, wsiseg.demo
installed = pathlib.Path(sysconfig.get_path("purelib")).resolve()
for name in ("wsiseg", "wsiseg.tiling", "wsiseg.models", "wsiseg.viewer"):
    file = pathlib.Path(importlib.import_module(name).__file__).resolve()
    if not file.is_relative_to(installed):
        sys.exit(f"{name} was imported from {file}, not from {installed}")
print(wsiseg.__version__)
print(pathlib.Path(wsiseg.demo.__file__).with_name("CMU-1-Small-Region.svs"))
"""
"""Tells where the package comes from, and where its slide lies."""


class ReleaseError(Exception):
    """What keeps the release back."""


def main() -> None:
    """Check with every Python that was named, and end with status 1 at the first failure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pythons", nargs="*", default=[sys.executable], metavar="PYTHON")
    parser.add_argument("--folder", type=Path, help="Where to work; kept, and used again.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wsiseg-release-") as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        try:
            wheel, sources = build(folder / "dist")
            version = check_files(wheel, sources)
            check_tag(version)
            for python in arguments.pythons:
                check_python(python, wheel, sources, folder)
        except ReleaseError as error:
            sys.exit(f"not ready: {error}")


def build(target: Path) -> tuple[Path, Path]:
    """Return the wheel and the sources, built in an environment of the build's own.

    Parameters
    ----------
    target : Path
        The folder for both.
    """
    shutil.rmtree(target, ignore_errors=True)
    # What setuptools left of an earlier build would be packed again.
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    python = new_environment(sys.executable, target.parent / "builder")
    call([python, "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS, "build"])
    call([python, "-m", "build", "--outdir", target, ROOT], shown=False)
    (wheel,) = target.glob("*.whl")
    (sources,) = target.glob("*.tar.gz")
    say(f"{wheel.name}, {sources.name}")
    return wheel, sources


def check_files(wheel: Path, sources: Path) -> str:
    """Return the version, where both archives hold what they should.

    Parameters
    ----------
    wheel, sources : Path
        The archives.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        version = Parser().parsestr(archive.read(metadata).decode())["Version"]
    allowed = ("wsiseg/", f"wsiseg-{version}.dist-info/")
    strange = [name for name in names if not name.startswith(allowed) or "/tests/" in name]
    if strange:
        raise ReleaseError(f"the wheel holds {', '.join(strange[:5])}")
    with tarfile.open(sources) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {*tracked_files(), "PKG-INFO"}
    if wanted - held:
        raise ReleaseError(f"the sources lack {', '.join(sorted(wanted - held)[:5])}")
    say(f"version {version}: {len(names)} files in the wheel, {len(held)} in the sources")
    return str(version)


def tracked_files() -> list[str]:
    """Return what git knows in this clone; nothing where there is no clone."""
    if not (ROOT / ".git").exists():
        return []
    run = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in run.stdout.split("\0") if name]


def check_tag(version: str) -> None:
    """See that changelog, citation and fallback go with a version that is to be published.

    Parameters
    ----------
    version : str
        The version that was built; that of a commit without a tag has a ``.dev`` in it.
    """
    if ".dev" in version:
        say("not at a tag: nothing to be published")
        return
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(rf"^## \[{re.escape(version)}\] - (\S+)$", changelog, re.MULTILINE)
    if heading is None:
        raise ReleaseError(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for line in (f"version: {version}", f"date-released: {heading[1]}"):
        if line not in citation.splitlines():
            raise ReleaseError(f"CITATION.cff has no line '{line}'")


def check_python(python: str, wheel: Path, sources: Path, work: Path) -> None:
    """Install and use both archives.

    Parameters
    ----------
    python : str
        The interpreter: a path, or a name on the search path.
    wheel, sources : Path
        The archives.
    work : Path
        A folder outside of the clone, in which one is made for this Python.
    """
    started = time.monotonic()
    name = Path(python).name if Path(python).name != "python" else Path(python).parents[1].name
    place = work / name
    shutil.rmtree(place, ignore_errors=True)
    mine = new_environment(python, place / "environment")
    told = subprocess.run([mine, "--version"], capture_output=True, text=True, check=True)
    say(f"{told.stdout.strip()}: the wheel alone")
    install(mine, str(wheel))
    use(mine, place / "bare")
    say("and with what the journeys need")
    install(mine, f"{wheel}[{EXTRAS}]", *TOOLS)
    # Tests that kill runs share the scripts of benchmarks that do.
    for folder in ("tests", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__", "results", ".*")
        shutil.copytree(ROOT / folder, place / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    results = place / "journeys.xml"
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/journeys"]
    call([mine, *words, f"--basetemp={place / 'temporary'}", f"--junitxml={results}"], place)
    check_skips(results)
    say("the sources in place of the wheel")
    call([mine, "-m", "pip", "uninstall", "--quiet", "--yes", "wsiseg"])
    install(mine, "--no-deps", str(sources))
    use(mine, place / "from-sources")
    say(f"{told.stdout.strip()}: ready, after {time.monotonic() - started:.0f} s")


def check_skips(results: Path) -> None:
    """See that no journey was skipped for want of something that should be installed.

    Parameters
    ----------
    results : Path
        What pytest wrote of them, as JUnit's XML.
    """
    skipped: dict[str, str] = {}
    for case in ET.parse(results).iter("testcase"):
        found = case.find("skipped")
        if found is not None:
            reason = found.get("message", "")
            if reason == "collection skipped":  # a file as a whole; the text ends with the reason
                reason = (found.text or "").rpartition("Skipped: ")[2].rstrip("')")
            skipped[f"{case.get('classname')}.{case.get('name')}".strip(".")] = reason
    refused = [
        f"{name}: {reason}" for name, reason in skipped.items() if not reason.startswith(ACCEPTED)
    ]
    if refused:
        raise ReleaseError("journeys were skipped: " + "; ".join(refused))
    say("no journey was skipped but for a reason that is accepted")


def new_environment(python: str, place: Path) -> Path:
    """Return the interpreter of an empty environment.

    Parameters
    ----------
    python : str
        The interpreter that it is made with.
    place : Path
        Its folder.
    """
    call([python, "-m", "venv", "--clear", place])
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(python: Path, *words: str) -> None:
    """Install with the versions that were tested together.

    Parameters
    ----------
    python : Path
        The environment's interpreter.
    *words : str
        What pip takes.
    """
    call([python, "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS, *words])


def use(python: Path, place: Path) -> None:
    """Import the package from where it is installed, and segment the bundled slide.

    Parameters
    ----------
    python : Path
        The environment's interpreter.
    place : Path
        A folder outside of the clone.
    """
    place.mkdir(parents=True)
    version, slide = call([python, "-c", LOOK], place, shown=False).splitlines()
    program = python.with_name("wsiseg")
    told = call([program, "--version"], place, shown=False).strip()
    if told != version:
        raise ReleaseError(f"wsiseg --version says {told}, wsiseg.__version__ {version}")
    call([program, "segment", slide, "-o", "out"], place)
    run = json.loads((place / "out" / "CMU-1-Small-Region.run.json").read_text(encoding="utf-8"))
    if run["versions"]["wsiseg"] != version:
        raise ReleaseError(f"the run file says {run['versions']['wsiseg']}, not {version}")


def call(words: list[str | Path], place: Path | None = None, *, shown: bool = True) -> str:
    """Run a command, with nothing that could lead imports back to the clone.

    Parameters
    ----------
    words : list of str or Path
        The command.
    place : Path, optional
        Where to run it.
    shown : bool
        Whether its output is shown rather than returned.

    Returns
    -------
    str
        What it printed where that was not shown.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    run = subprocess.run(
        [str(word) for word in words],
        cwd=place,
        env=environment,
        stdout=None if shown else subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode:
        command = " ".join(str(word) for word in words if "\n" not in str(word))
        raise ReleaseError(f"status {run.returncode} of {command}")
    return run.stdout or ""


def say(text: str) -> None:
    """Print a step."""
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    main()
