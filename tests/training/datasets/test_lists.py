"""Lists of names, however they were saved."""

from pathlib import Path

import pytest

from wsiseg.errors import DataSetError
from wsiseg.training.datasets.lists import read_list

TEXT = "a b\n\n# a comment\ne\u0301 \n#1\n  c\t\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-16-be"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_names_are_read_however_they_were_saved(
    encoding: str, newline: str, tmp_path: Path
) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(TEXT.replace("\n", newline).encode(encoding))
    assert read_list(path) == ["a b", "\u00e9", "#1", "c"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"caf\xe9\n", b"\x80" * 10])
def test_what_is_no_text_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(DataSetError, match="not text in UTF-8"):
        read_list(path)


def test_a_list_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n# nothing\n \n")
    with pytest.raises(DataSetError, match="the list of names is empty"):
        read_list(path)
    with pytest.raises(DataSetError, match="cannot be read"):
        read_list(tmp_path)
