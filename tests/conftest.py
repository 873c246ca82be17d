"""What all tests share."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import repetitions

# Idle threads that spin would take the cores from the tests beside.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the cache folder of the tests: what a user has kept neither helps nor suffers."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of test data; see its README for what is in it and under which terms."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("WSISEG_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(
            f"this test reads slides and weights that are not ours to hand out and not at "
            f"{folder}; WSISEG_TEST_DATA says where they are"
        )
    return folder


@pytest.fixture
def usual_rights() -> Iterator[None]:
    """Let new files have the mode 0644."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def real_slide() -> Path:
    """Return the slide that is part of the package: Aperio, skin, 2220×2967 at 0.499 µm."""
    from wsiseg.demo.sections import TISSUE

    return TISSUE


@pytest.fixture(scope="session")
def made_slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the files that are made of the bundled slide."""
    return tmp_path_factory.mktemp("slides")


@pytest.fixture
def slide_file(request: pytest.FixtureRequest, made_slides: Path) -> Callable[[str], Path]:
    """Return what finds a file of the `slides` of the test data, or makes it where it is ours."""
    from slide_files import find_or_make

    def find(name: str) -> Path:
        made = find_or_make(name, made_slides)
        return made or request.getfixturevalue("data") / "slides" / name

    return find


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Start an S3 server, one for all tests of the process, and return its address."""
    from s3_server import s3_server

    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket of the test's own, and return its address; credentials are set."""
    from s3_server import environment, make_bucket

    for name, value in environment(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return make_bucket(s3_endpoint, f"lab-{uuid.uuid4().hex}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help="repeat everything as often as it was meant to be, as `make test-long` does",
    )
    parser.addoption(
        "--mutations",
        type=int,
        help="read this many newly damaged files instead of the 2,000 that are always the same",
    )
    parser.addoption(
        "--screens",
        metavar="DIR",
        help="leave the screenshots of tests/journeys there, in a folder for each journey",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: a repetition that runs with --long only")
    repetitions.choose(long=config.getoption("--long"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    spared = [item for item in items if item.get_closest_marker("long")]
    if spared:
        config.hook.pytest_deselected(items=spared)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
