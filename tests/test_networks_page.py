"""The page about the networks is what its script writes."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "write_networks_page.py"


@pytest.mark.long
def test_page_of_the_networks_is_what_would_be_written_now() -> None:
    spec = importlib.util.spec_from_file_location("write_networks_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    standing = script.PAGE.read_text(encoding="utf-8")
    # Receptive fields take long; `--check` measures them as well.
    fields = script.read_fields(standing)
    assert standing == script.make_page(fields), f"run python scripts/{SCRIPT.name}"
    assert "?" not in fields.values()
