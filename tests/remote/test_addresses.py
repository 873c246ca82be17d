"""Addresses in the paths of other systems."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from wsiseg.remote.addresses import is_remote, restore


@pytest.mark.parametrize("kind", [PurePosixPath, PureWindowsPath])
@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/out/a b.svs",
        "https://me:secret@host:8080/a.svs?token=1",
        "hf://OWNER/NAME@main",
    ],
)
def test_an_address_comes_out_of_a_path_as_it_went_in(kind, address):
    path = kind(address)
    assert is_remote(path)
    assert restore(path.as_posix()) == address
    assert restore((path.parent / path.name).as_posix()) == address


@pytest.mark.parametrize(
    "path", ["C:\\slides\\a.svs", "C:/slides/a.svs", "\\\\server\\share\\a.svs"]
)
def test_drives_and_shares_of_windows_are_no_addresses(path):
    assert not is_remote(PureWindowsPath(path))
