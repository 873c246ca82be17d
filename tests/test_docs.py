"""What the docs tell their readers to type runs."""

import ast
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import tifffile
import yaml
from PIL import Image
from shapely.geometry import Point, box

import wsiseg
from commands import run
from dicom_slide import write_dicom_slide
from documents import (
    ROOT,
    Block,
    PageError,
    Reader,
    blocks_of,
    emphasised,
    inline_code,
    known_options,
)
from drawn import collection, in_qupath
from repetitions import some_of
from tiny import named_checkpoint
from wsiseg.demo.sections import TISSUE
from wsiseg.models.registry import ARCHITECTURES
from wsiseg.store.metadata import NOT_ANALYSED

PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
NUCLEI = ROOT / "wsiseg" / "demo" / "nuclei.safetensors"
MANIFEST = ROOT / "viewer" / "napari.yaml"
EDGE = 512
LATER = {"docs/refining.md", "docs/cohorts.md", "docs/checkpoints.md", "docs/improving.md"}
"""Pages whose commands other tests of the suite run as well: `make test-long` follows them."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def goes_on(page: Path) -> bool:
    """Tell a page that is followed in one folder; on others, each block begins in its own."""
    return page.parent.name == "tutorials" or page.name == "start.md"


def write_slide(path: Path, y: int, x: int) -> None:
    """Write a piece of the bundled slide, as Aperio's scanners do."""
    pixels = tifffile.imread(TISSUE, key=0)[y : y + EDGE, x : x + EDGE]
    about = f"Aperio Image Library v11.2.1\r\n{EDGE}x{EDGE} (256x256) JPEG/RGB Q=85|MPP = 0.5"
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg", "metadata": None}
    tifffile.imwrite(path, pixels, description=about, **options)


def write_series(folder: Path) -> None:
    """Write a slide as DICOM."""
    write_dicom_slide(folder, tifffile.imread(TISSUE, key=0)[1000:1256, 900:1156])


def write_drawing(path: Path, names: tuple[str, str, str]) -> None:
    """Draw discs, a hole and the field around them, in QuPath's words."""
    disc, hole, ground = names
    shapes = [in_qupath(box(32, 32, 480, 480), ground), in_qupath(box(60, 60, 120, 120), hole)]
    shapes += [in_qupath(Point(x, 300).buffer(12), disc) for x in range(80, 440, 40)]
    path.write_text(json.dumps(collection(*shapes)), encoding="utf-8")


class Shelf(dict[str, Callable[[Path], object]]):
    """What pages begin with, small: it is made when it is first read, and copied from then on.

    Parameters
    ----------
    home : Path
        Where the originals stand.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        makers = {
            "biopsy.svs": lambda path: write_slide(path, 1000, 900),
            "other.svs": lambda path: write_slide(path, 1700, 900),
            "lab_a.svs": lambda path: write_slide(path, 1700, 900),
            "cut.svs": lambda path: path.write_bytes(TISSUE.read_bytes()[:100_000]),
            "photo.png": lambda path: Image.new("RGB", (160, 120), "gray").save(path),
            "dark.png": lambda path: Image.new("RGB", (600, 600), (5, 5, 40)).save(path),
            "CMU-1-Small-Region.svs": lambda path: shutil.copy(TISSUE, path),
            "slides": self._slides,
            "scans": self._scans,
            "series": write_series,
            "test": self._annotated,
            "learn": self._annotated,
            "drawn": self._drawn,
            "test-drawn": self._drawn,
            "regions.geojson": lambda path: write_drawing(path, ("a", "b", "c")),
            "biopsy.geojson": lambda path: write_drawing(path, ("a", "b", "c")),
            "fields": lambda path: self._pictures(path, Image.Image.copy),
            "masks": lambda path: self._pictures(path, to_mask),
            "frames": lambda path: self._pictures(path, Image.Image.copy),
            "street.png": lambda path: Image.new("RGB", (160, 120), (90, 90, 95)).save(path),
            "street.safetensors": lambda path: named_checkpoint(
                ["tree", "road", "pavement", "building"]
            ).save(path),
            "tissue.safetensors": lambda path: shutil.copy(NUCLEI, path),
            "before.safetensors": lambda path: shutil.copy(NUCLEI, path),
            "nuclei.onnx": lambda path: run(
                "models", "export", "nuclei", "--to", "onnx", "-o", path
            ),
            "run": self._run,
            "out": self._out,
            "cohort.csv": self._list,
        }
        super().__init__({name: partial(self._copy, name) for name in makers})
        self._makers = makers

    def original(self, name: str) -> Path:
        """Return where a file or folder stands, made if need be."""
        path = self._home / name
        if not path.exists():
            self._makers[name](path)
        return path

    def _copy(self, name: str, path: Path) -> None:
        original = self.original(name)
        (shutil.copytree if original.is_dir() else shutil.copy)(original, path)

    def _slides(self, folder: Path) -> None:
        folder.mkdir()
        for name in ("biopsy.svs", "other.svs"):
            self[name](folder / name)

    def _scans(self, folder: Path) -> None:
        (folder / "2026").mkdir(parents=True)
        self["biopsy.svs"](folder / "2026" / "a_HE.svs")
        self["other.svs"](folder / "b_HE.svs")

    def _drawn(self, folder: Path) -> None:
        folder.mkdir()
        for name in ("biopsy", "other"):
            write_drawing(folder / f"{name}.geojson", ("nucleus", "glass", "tissue"))

    def _annotated(self, folder: Path) -> None:
        self._slides(folder)
        for name in ("biopsy", "other"):
            write_drawing(folder / f"{name}.geojson", ("Nucleus", "Glass", "ROI"))

    def _pictures(self, folder: Path, change: Callable[[Image.Image], Image.Image]) -> None:
        folder.mkdir()
        whole = Image.fromarray(tifffile.imread(TISSUE, key=0))
        for number, left in enumerate((900, 1200)):
            part = whole.crop((left, 1000, left + 160, 1120))
            change(part).save(folder / f"frame-{number}.png")

    def _run(self, folder: Path) -> None:
        folder.mkdir()
        shutil.copy(NUCLEI, folder / "best.safetensors")

    def _out(self, folder: Path) -> None:
        wsiseg.segment(
            self.original("biopsy.svs"), output=folder, probabilities=True, uncertainty="entropy"
        )

    def _list(self, path: Path) -> None:
        slides = (self.original(name) for name in ("biopsy.svs", "other.svs"))
        path.write_text("\n".join(["slide", *map(str, slides)]), encoding="utf-8")


def to_mask(picture: Image.Image) -> Image.Image:
    """Return 255 where a picture is dark."""
    return picture.convert("L").point(lambda value: 255 * (value < 130))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings of pages end after an epoch of the many that they take."""
    from wsiseg.training import fitting

    as_told = fitting.adjust_stage
    monkeypatch.setattr(
        fitting, "adjust_stage", lambda stage, options: replace(as_told(stage, options), epochs=1)
    )


@pytest.fixture
def networks_of_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the networks that pages register."""
    monkeypatch.setattr(ARCHITECTURES, "_things", dict(ARCHITECTURES._things))


@pytest.fixture
def no_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `wsiseg view` open its files, and no window: what that does is tested in the viewer."""

    def look(slide: Path, masks: list[Path], *_: object, **__: object) -> None:
        if slide.suffix == ".svs":
            wsiseg.open_slide(slide).close()
        for mask in masks:
            assert (mask / "zarr.json").is_file()

    window = SimpleNamespace(sparing_collector=nullcontext, open_window=look, stay=lambda: None)
    monkeypatch.setitem(sys.modules, "wsiseg.viewer.window", window)
    monkeypatch.setattr("wsiseg.viewer.window", window, raising=False)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")


def follow(
    page: Path, tmp_path: Path, shelf: Mapping[str, Callable], monkeypatch, *, long: bool
) -> None:
    """Type what a page says, without what takes long unless that is asked for."""
    if page.parent.name == "tutorials":
        # Whatever else they need they make.
        shelf = {name: shelf[name] for name in ("biopsy.svs", "out")}
    reader = Reader(tmp_path / "0", shelf)
    for number, block in enumerate(blocks_of(page)):
        if not goes_on(page):
            reader.folder = tmp_path / str(number)
        reader.folder.mkdir(exist_ok=True)
        monkeypatch.chdir(reader.folder)
        if long or not block.is_long:
            try:
                reader.follow(block)
            except Exception as error:
                error.add_note(f"{name_of(page)}:{block.line}")
                raise


def of(pages: list[Path], *, long: bool) -> list[Path]:
    """Return those with blocks that are long or are not."""
    return [
        page
        for page in pages
        if any(block.is_long is long and "not run" not in block.marks for block in blocks_of(page))
    ]


QUICK = of(PAGES, long=False)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_runs_or_says_why_not(page):
    for block in blocks_of(page):
        block.check()


@pytest.mark.usefixtures("networks_of_pages", "no_windows")
@pytest.mark.parametrize(
    "page", some_of(QUICK, [page for page in QUICK if name_of(page) not in LATER]), ids=name_of
)
def test_pages_can_be_followed(page, tmp_path, shelf, monkeypatch):
    follow(page, tmp_path, shelf, monkeypatch, long=False)


@pytest.mark.long
@pytest.mark.usefixtures("networks_of_pages", "no_windows", "short_trainings")
@pytest.mark.parametrize("page", of(PAGES, long=True), ids=name_of)
def test_pages_can_be_followed_to_the_end(page, tmp_path, shelf, monkeypatch):
    follow(page, tmp_path, shelf, monkeypatch, long=True)


OF_OTHERS = {
    "--index-url",  # pip
    *("--scheduler-file", "--nthreads", "--worker-port"),  # dask
    *("--target", "--logdir", "--mutations"),  # docker, tensorboard, our tests
    *("--beside", "--holes", "--defaults"),  # our benchmarks
}


# CONTRIBUTING speaks of the options of many tools.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem != "CONTRIBUTING"], ids=name_of
)
def test_options_and_files_that_pages_name_exist(page):
    known = known_options() | OF_OTHERS
    for code in inline_code(page):
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code)) <= known
        if re.match(r"(tests|benchmarks|scripts|examples|models|tiling|viewer)/[\w./]*$", code):
            assert (ROOT / code).exists(), code


OF_NAPARI = {"Open", "Render Layers Asynchronously"}
"""Names in napari's own menus."""


@pytest.mark.parametrize("page", ["docs/viewer.md", "docs/tutorials/look.md"])
def test_buttons_and_fields_that_pages_name_are_in_the_window(page):
    code = [ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.glob("viewer/**/*.py")]
    texts = {
        node.value
        for tree in code
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    given = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]
    texts |= {each["title"] for each in given["commands"]}
    texts |= {each["display_name"] for each in given["widgets"]} | {NOT_ANALYSED}
    named = set(emphasised(ROOT / page)) - {"Next:"}
    assert len(named) > 10
    # The last word of a way through menus.
    missing = {name for name in named if name.rpartition(" → ")[2] not in texts | OF_NAPARI}
    assert not missing


FAULTS = {
    "```\nwsiseg info biopsy.svs\n```\n": "nothing runs",
    "```ruby\nputs 1\n```\n": "nothing runs 'ruby'",
    "Type\n\n    wsiseg info biopsy.svs\n": "nothing runs",
    "<!-- not run -->\n```console\n$ wsiseg bench\n```\n": "a mark needs a reason",
    "<!-- not run: -->\n```text\nat all\n```\n": "a mark needs a reason",
    "<!-- file: -->\n```yaml\na: 1\n```\n": "a mark needs a name",
}


@pytest.mark.parametrize("page", FAULTS)
def test_blocks_that_nobody_runs_are_found(page, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(page, encoding="utf-8")
    with pytest.raises(PageError, match=FAULTS[page]):
        [block.check() for block in blocks_of(path)]


LIES = {
    "$ wsiseg info none.svs": "ended with 1",
    "$ wsiseg info biopsy.svs\nreader      nobody": "did not print 'reader      nobody'",
    "$ frobnicate": "nothing runs `frobnicate`",
    "$ pip install '.[pictures]'": "to install",
    "$ make coffee": "makes nothing",
    "$ python scripts/none.py": "there is no",
    "wsiseg info biopsy.svs": "no `\\$` before",
}


@pytest.mark.parametrize("block", LIES)
def test_what_is_not_as_a_page_says_is_found(block, tmp_path, shelf, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PageError, match=LIES[block]):
        Reader(tmp_path, shelf).follow(Block("console", block, 1, {}))


def test_commands_that_are_not_run_are_understood(tmp_path, shelf):
    block = Block("console", "$ A=1 wsiseg segment a.svs --frob &", 1, {"not run": "no GPU"})
    with pytest.raises(Exception, match="No such option"):
        Reader(tmp_path, shelf).follow(block)


def test_what_is_shown_may_differ_in_numbers_and_leave_lines_out(tmp_path, shelf, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = "$ wsiseg info biopsy.svs  # look\nsize   99,999 × 7 pixels\n…\nlevel 0 …\n"
    Reader(tmp_path, shelf).follow(Block("console", shown, 1, {}))
