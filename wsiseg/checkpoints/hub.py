"""Checkpoints from ``hf://OWNER/NAME``, through huggingface_hub and its own cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import cast

from huggingface_hub import (
    HfApi,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    scan_cache_dir,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    CacheNotFound,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from wsiseg.checkpoints.addresses import Address, HubPlace, parse_hub
from wsiseg.checkpoints.refusals import UnreachableError, refuse_status
from wsiseg.checkpoints.verifying import Began, digest, refuse_size, verify
from wsiseg.error_translation import reason
from wsiseg.errors import CheckpointError

_HTTP_ERROR = cast("type[Exception]", HfHubHTTPError.__mro__[1])
"""What its HTTP library raises, httpx or httpx2 by version."""

_SUFFIX = ".safetensors"
_MOST_LISTED = 20
_ANSWERING = 20
"""Seconds that a hub may take."""


def fetch_from_hub(address: Address, began: Began) -> tuple[Path, tuple[str, ...]]:
    """Return a checkpoint's file from a repository, fetched if the cache has it not.

    Parameters
    ----------
    address : Address
        Of the form ``hf://OWNER/NAME[/FILE][@REVISION]``.
    began : callable
        Told when a download begins.

    Returns
    -------
    Path, tuple of str
        The file, and what was assumed.

    Raises
    ------
    CheckpointError
        If there is none, or several and FILE is left out; if access is refused, the hash is
        another, or it is no checkpoint.
    """
    place = parse_hub(address)
    if address.sha256 is not None:
        cached = _find_cached(place)
        if cached is not None and digest(cached) == address.sha256:
            verify(cached, address.sha256, address)
            return cached, ()
    try:
        return _download(place, address, began), ()
    except UnreachableError as error:
        cached = None if address.sha256 is not None else _find_cached(place)
        if cached is None:
            raise error.translated(address) from None
        verify(cached, digest(cached), address)
        return cached, (error.noted(address, ""),)


def _download(place: HubPlace, address: Address, began: Began) -> Path:
    """Return the file as the hub has it now."""
    with _translating(place, address):
        name = place.file or _only_checkpoint(place, address)
        url = hf_hub_url(place.repository, name, revision=place.revision)
        told = get_hf_file_metadata(url, timeout=_ANSWERING)
        refuse_size(told.size or 0, address)
        commit = told.commit_hash or place.revision
        before = try_to_load_from_cache(place.repository, name, revision=commit)
        if not isinstance(before, str):
            began(f"fetching {address}")
        with _without_bars():
            path = Path(
                hf_hub_download(
                    place.repository,
                    name,
                    revision=place.revision,
                    library_name="wsiseg",
                    library_version=version("wsiseg"),
                )
            )
    try:
        verify(path, digest(path), address)
    except CheckpointError:
        if not isinstance(before, str):
            _forget(path)
        raise
    return path


def _only_checkpoint(place: HubPlace, address: Address) -> str:
    """Return the one checkpoint of a repository."""
    told = HfApi().model_info(place.repository, revision=place.revision, timeout=_ANSWERING)
    names = [sibling.rfilename for sibling in told.siblings or ()]
    found = sorted(name for name in names if name.endswith(_SUFFIX))
    if not found:
        raise CheckpointError(
            f"the repository has no {_SUFFIX} file", address, "No other files are read."
        )
    if len(found) > 1:
        raise CheckpointError(
            f"the repository has {len(found)} {_SUFFIX} files",
            address,
            f"Name one of them behind the repository: {', '.join(found[:_MOST_LISTED])}"
            f"{', …' * (len(found) > _MOST_LISTED)}.",
        )
    return found[0]


def _find_cached(place: HubPlace) -> Path | None:
    """Return what was fetched before, as the hub's cache knows it."""
    name = place.file or _only_cached(place)
    if name is None:
        return None
    try:
        found = try_to_load_from_cache(place.repository, name, revision=place.revision)
    except HFValidationError:
        # The hub says why.
        return None
    return Path(found) if isinstance(found, str) else None


def _only_cached(place: HubPlace) -> str | None:
    try:
        # Named, as it may have been another when the hub's modules were loaded.
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return None
    wanted = place.revision or "main"
    names = {
        file.file_path.relative_to(revision.snapshot_path).as_posix()
        for repository in repositories
        if repository.repo_type == "model" and repository.repo_id == place.repository
        for revision in repository.revisions
        if wanted in revision.refs or wanted == revision.commit_hash
        for file in revision.files
        if file.file_name.endswith(_SUFFIX)
    }
    return names.pop() if len(names) == 1 else None


def _forget(path: Path) -> None:
    """Remove a file from the hub's cache: the link, and what it leads to."""
    content = path.parent / path.readlink() if path.is_symlink() else path
    path.unlink()
    content.unlink(missing_ok=True)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Leave the terminal to those who show our progress."""
    shown = not are_progress_bars_disabled()
    if shown:
        disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


@contextmanager
def _translating(place: HubPlace, address: Address) -> Iterator[None]:
    """Turn errors of the hub into ours; their texts may name signed addresses."""
    try:
        yield
    except GatedRepoError:
        raise refuse_status(403, address) from None
    except RepositoryNotFoundError:
        raise CheckpointError(
            f"there is no repository {place.repository}, or you have no access to it",
            address,
            "Check its name; log in with 'hf auth login' if it is private.",
        ) from None
    except RevisionNotFoundError:
        raise CheckpointError(
            f"the repository has no revision {place.revision or 'main'}",
            address,
            "Name a branch, tag, or commit.",
        ) from None
    except LocalEntryNotFoundError as error:
        # The connection was lost between two questions.
        raise UnreachableError(address.scrub(reason(error))) from None
    except EntryNotFoundError:
        raise CheckpointError(
            f"the repository has no file {place.file}",
            address,
            f"hf://{place.repository} without a file takes its only checkpoint, or lists them.",
        ) from None
    except HFValidationError as error:
        raise CheckpointError(
            f"this is not the address of a repository: {address.scrub(reason(error))}",
            address,
            "Copy OWNER/NAME from its page.",
        ) from None
    except HfHubHTTPError as error:
        raise refuse_status(error.response.status_code, address) from None
    except (_HTTP_ERROR, OfflineModeIsEnabled, ConnectionError, TimeoutError) as error:
        raise UnreachableError(address.scrub(reason(error))) from None
