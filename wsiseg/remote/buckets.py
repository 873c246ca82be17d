"""Opening buckets of S3, Google and Azure, with the credentials that this machine has."""

from __future__ import annotations

import configparser
import functools
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from wsiseg.errors import AddressError

RETRIES = 5
"""Times that a request is tried again after the server, or the network, has failed."""

_RETRYING = timedelta(seconds=90)
_CONNECTING, _READING = timedelta(seconds=20), timedelta(seconds=120)

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def open_bucket(url: str, kind: str) -> tuple[Any, str]:
    """Return obstore's store of a bucket, and the key in it.

    Parameters
    ----------
    url : str
        ``s3://bucket/key``, for instance.
    kind : {"s3", "gs", "az"}
        The kind of object store.

    Returns
    -------
    ObjectStore, str
        Stores are kept, so that their connections are.

    Raises
    ------
    AddressError
        If the address names no bucket.
    ImportError
        If obstore is not installed.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise AddressError("the address names no bucket", url, f"Write it as {scheme}://BUCKET/…")
    settings = _s3_settings() if kind == "s3" else _settings(kind)
    frozen = tuple(sorted(settings.items()))
    return _open(kind, scheme, bucket, frozen, RETRIES), key.strip("/")


@functools.lru_cache(maxsize=64)
def _open(
    kind: str, scheme: str, bucket: str, settings: tuple[tuple[str, Any], ...], retries: int
) -> Any:
    from obstore.store import from_url

    plain = str(dict(settings).get("endpoint", "")).startswith("http://")
    return from_url(
        f"{scheme if kind == 'az' else kind}://{bucket}",
        client_options={
            "connect_timeout": _CONNECTING,
            "timeout": _READING,
            "allow_http": plain,
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": _RETRYING,
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=5),
                "base": 2,
            },
        },
        **dict(settings),
    )


def _fsspec_settings(protocol: str) -> dict[str, Any]:
    """Return what is configured for fsspec, as ``FSSPEC_S3`` or in its files."""
    from fsspec.config import conf

    return dict(conf.get(protocol, {}))


def _settings(kind: str) -> dict[str, Any]:
    """Return settings of Google's and Azure's stores; obstore takes the rest from where it is."""
    told = _fsspec_settings("gcs" if kind == "gs" else "abfs")
    told |= _fsspec_settings("gs" if kind == "gs" else "az")
    anonymous = told.get("anon") or told.get("token") == "anon"
    named = {"account_name": told.get("account_name"), "account_key": told.get("account_key")}
    found: dict[str, Any] = {key: str(value) for key, value in named.items() if value}
    return found | ({"skip_signature": True} if anonymous else {})


def _s3_settings() -> dict[str, Any]:
    told = _fsspec_settings("s3")
    client = told.get("client_kwargs") or {}
    env = os.environ
    profile = _read_profile(told.get("profile") or env.get("AWS_PROFILE") or "default")
    known = all(env.get(key) for key in _KEYS)
    found = {
        "endpoint": told.get("endpoint_url")
        or client.get("endpoint_url")
        or env.get("AWS_ENDPOINT_URL_S3")
        or env.get("AWS_ENDPOINT_URL")
        or profile.get("endpoint_url"),
        "region": client.get("region_name")
        or env.get("AWS_REGION")
        or env.get("AWS_DEFAULT_REGION")
        or profile.get("region")
        or "us-east-1",
        "access_key_id": told.get("key"),
        "secret_access_key": told.get("secret"),
        "session_token": told.get("token"),
    }
    if not found["access_key_id"]:
        for name in ("access_key_id", "secret_access_key", "session_token"):
            found[name] = env.get(f"AWS_{name.upper()}") if known else profile.get(f"aws_{name}")
    if told.get("anon") or env.get("AWS_SKIP_SIGNATURE", "").lower() == "true":
        found["skip_signature"] = True
    return {key: value for key, value in found.items() if value}


def _read_profile(name: str) -> dict[str, str]:
    """Return what AWS's files on this machine say under a profile."""
    found: dict[str, str] = {}
    for variable, file, section in (
        ("AWS_CONFIG_FILE", "~/.aws/config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", name),
    ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(Path(os.environ.get(variable) or file).expanduser(), encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            # AWS's own tools tell what is wrong with it; here it holds nothing.
            continue
        if parser.has_section(section):
            found |= dict(parser.items(section))
    return found
