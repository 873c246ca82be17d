"""Locks in object stores that cannot have any."""

import pytest

from wsiseg.remote.remote_path import RemotePath
from wsiseg.store.locks import hold_lock


def test_a_server_without_conditional_writing_has_no_locks_and_that_is_said(monkeypatch):
    obstore = pytest.importorskip("obstore", reason="obstore is an extra: wsiseg[remote]")
    exceptions = pytest.importorskip("obstore.exceptions")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def put(*_: object, **__: object) -> None:
        raise exceptions.NotSupportedError("PutMode")

    monkeypatch.setattr(obstore, "put", put)
    said: list[str] = []
    with hold_lock(RemotePath("s3://lab/out/a.lock"), said.append):
        (told,) = said
    assert told.startswith("s3://lab/out has no conditional writing, so no locks")
