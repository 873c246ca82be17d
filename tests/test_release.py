"""What a release is made of: versions that agree, recipes that say what the package says."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import jinja2
import pytest
import yaml
from PIL import Image

import wsiseg
from commands import run
from tiny import tiny_checkpoint

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FALLBACK = PROJECT["tool"]["setuptools_scm"]["fallback_version"]


def git(folder, *words):
    name = ("-c", "user.name=Anna", "-c", "user.email=anna@example.org")
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


def version_of(folder):
    command = [sys.executable, "-m", "setuptools_scm"]
    told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return told.stdout.strip()


def test_the_version_is_that_of_the_tag(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert version_of(tmp_path) == FALLBACK
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    assert re.fullmatch(re.escape(FALLBACK[:-1]) + r"1\+g[0-9a-f]+", version_of(tmp_path))
    git(tmp_path, "tag", "v7.8.9")
    assert version_of(tmp_path) == "7.8.9"


def test_module_command_line_and_run_file_tell_the_same_version(tmp_path):
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    Image.new("RGB", (64, 48), "pink").save(tmp_path / "picture.png")
    words = ("-c", checkpoint, "--level", 0, "--tissue", "none", "-o", tmp_path / "out")
    assert run("segment", tmp_path / "picture.png", *words).status == 0
    content = json.loads((tmp_path / "out" / "picture.run.json").read_text(encoding="utf-8"))
    assert content["versions"]["wsiseg"] == wsiseg.__version__
    assert run("--version").out.strip() == wsiseg.__version__


def release_part(version):
    return tuple(int(part) for part in version.split(".")[:3])


def test_without_history_the_version_is_no_older_than_the_last_release():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d\S*)\]", changelog, re.MULTILINE)
    assert FALLBACK.endswith(".dev0")
    assert all(release_part(FALLBACK) >= release_part(version) for version in released)


def test_the_citation_tells_of_a_release_only_if_the_changelog_does():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert ("version" in citation) == ("date-released" in citation)
    if "version" in citation:
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        assert f"## [{citation['version']}] - {citation['date-released']}" in changelog


def test_the_citation_names_the_papers_of_the_page_on_citing():
    page = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    entry = re.compile(r"@inproceedings.*?title += \{(.*?)\},\n.*?year += \{(\d+)\}", re.DOTALL)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["references"]
    assert [(each["title"], str(each["year"])) for each in cited] == [
        (re.sub(r"[{}]", "", title), year) for title, year in entry.findall(page)
    ]


def render_recipe(**environ):
    text = (ROOT / "conda" / "meta.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(jinja2.Template(text).render(environ=environ))


def test_the_conda_recipe_names_what_the_package_names():
    recipe = render_recipe()
    assert recipe["package"]["version"] == FALLBACK
    assert render_recipe(GIT_DESCRIBE_TAG="v1.2.3")["package"]["version"] == "1.2.3"
    # Of conda-forge, OpenSlide itself comes with openslide-python, and PyTorch has its old name.
    wanted = {
        each.replace("torch>", "pytorch>")
        for each in PROJECT["project"]["dependencies"]
        if not each.startswith("openslide-bin")
    }
    wanted.add(f"python{PROJECT['project']['requires-python']}")
    assert {each.replace(" ", "") for each in recipe["requirements"]["run"]} == wanted
    built = {each.replace(" ", "") for each in recipe["requirements"]["host"]}
    assert built - {"pip"} == {
        f"python{PROJECT['project']['requires-python']}",
        *PROJECT["build-system"]["requires"],
    }
    program = f"wsiseg = {PROJECT['project']['scripts']['wsiseg']}"
    assert recipe["build"]["entry_points"] == [program]


def lint(*words):
    told = subprocess.run([*map(str, words)], cwd=ROOT, check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr


def test_workflows_and_citation_are_valid():
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema")
    lint(*check, "vendor.github-workflows", *(ROOT / ".github" / "workflows").glob("*.yml"))
    lint(*check, "vendor.citation-file-format", "CITATION.cff")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no hadolint for Windows on PyPI")
def test_the_dockerfile_is_valid():
    lint(Path(sys.executable).with_name("hadolint"), "Dockerfile")


@pytest.fixture
def check():
    path = ROOT / "scripts" / "check_release.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_tag_is_refused_that_changelog_or_citation_do_not_tell_of(check, monkeypatch, tmp_path):
    monkeypatch.setattr(check, "ROOT", tmp_path)
    check.check_tag("0.2.0.dev5+gabcdef0")
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n", encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text("version: 0.1.0\n", encoding="utf-8")
    with pytest.raises(check.ReleaseError, match=r"no heading '## \[0\.2\.0\]"):
        check.check_tag("0.2.0")
    (tmp_path / "CHANGELOG.md").write_text("## [0.2.0] - 2027-01-02\n", encoding="utf-8")
    with pytest.raises(check.ReleaseError, match=r"no line 'version: 0\.2\.0'"):
        check.check_tag("0.2.0")
    citation = "version: 0.2.0\ndate-released: 2027-01-02\n"
    (tmp_path / "CITATION.cff").write_text(citation, encoding="utf-8")
    check.check_tag("0.2.0")


def write_results(path, *skipped):
    """Write what pytest does with --junitxml: of a file that is skipped as a whole, otherwise."""
    cases = (
        f'<testcase classname="tests.journeys.test_{k}" name="test_it">{found}</testcase>'
        for k, found in enumerate(skipped)
    )
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return path


def test_a_journey_that_is_skipped_for_want_of_a_package_is_refused(check, tmp_path):
    data = f'<skipped message="{check.ACCEPTED[0]} and not at data">tests/conftest.py:3</skipped>'
    check.check_skips(write_results(tmp_path / "fine.xml", "", data))
    viewer = """<skipped message="collection skipped">('test_napari.py', 16, 'Skipped: the viewer is
        an extra')</skipped>"""
    with pytest.raises(check.ReleaseError, match=r"test_2\.test_it: the viewer is\s+an extra$"):
        check.check_skips(write_results(tmp_path / "viewer.xml", "", data, viewer))
    screen = '<skipped message="there is no screen">tests/virtual_screen.py:21</skipped>'
    with pytest.raises(check.ReleaseError, match=r"test_0\.test_it: there is no screen"):
        check.check_skips(write_results(tmp_path / "screen.xml", screen))


def test_a_wheel_with_anything_else_is_refused(check, monkeypatch, tmp_path):
    monkeypatch.setattr(check, "ROOT", tmp_path)
    wheel, sources = tmp_path / "a.whl", tmp_path / "a.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("wsiseg/__init__.py", "")
        archive.writestr("wsiseg-1.0.dist-info/METADATA", "Version: 1.0\n")
    (tmp_path / "PKG-INFO").touch()
    with tarfile.open(sources, "w:gz") as archive:
        archive.add(tmp_path / "PKG-INFO", "wsiseg-1.0/PKG-INFO")
    assert check.check_files(wheel, sources) == "1.0"
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tests/conftest.py", "")
    with pytest.raises(check.ReleaseError, match=r"the wheel holds tests/conftest\.py"):
        check.check_files(wheel, sources)
