"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Idle threads that spin would take the cores from the tests beside.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Other work may share the machine, so a slow example is no failure.
settings.register_profile("wsiseg", deadline=None, print_blob=True)
settings.load_profile("wsiseg")


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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mutations",
        type=int,
        help="read this many newly damaged files instead of the 2,000 that are always the same",
    )
