"""Compiled networks that are kept: restored where there is one, compiled and kept where not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from wsiseg.error_translation import translate_errors
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes.cache import Json, keep, kept
from wsiseg.models.runtimes.choosing import RuntimeChoice
from wsiseg.models.runtimes.kept_runtime import KeptRuntime, ReshapedRuntime
from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.models.runtimes.runtime import Runtime, RuntimeSettings

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork

Kept = TypeVar("Kept", bound=KeptRuntime)


def restore_or_compile(
    choice: RuntimeChoice,
    settings: RuntimeSettings,
    outputs: tuple[RawOutput, ...],
    identity: str | None,
    build: Callable[[], TileNetwork],
) -> Runtime:
    """Return a compiled network: the kept one, one of the kept graph, or a new one, which is kept.

    Parameters
    ----------
    choice : RuntimeChoice
        Names the runtime.
    settings : RuntimeSettings
        Batch, tile, device, precision and threads.
    outputs : tuple of str
        What the network gives.
    identity : str or None
        The digest of its weights; None if it is not to be kept.
    build : callable
        Returns the network, if neither is kept.
    """
    kind = RUNTIMES[choice.runtime]
    if identity is None or not issubclass(kind, KeptRuntime):
        return kind(build(), settings)
    graph_key: dict[str, Json] = {
        "runtime": choice.runtime,
        "network": identity,
        "outputs": outputs,
        "precision": settings.precision,
        "versions": kind.versions(),
    }
    key = {**graph_key, "settings": asdict(settings), "hardware": kind.hardware(settings)}
    runtime: KeptRuntime | None = _take("networks", key, kind.restore, outputs, settings)
    if runtime is not None:
        return runtime
    if issubclass(kind, ReshapedRuntime):
        runtime = _take("graphs", graph_key, kind.from_graph, outputs, settings)
    if runtime is None:
        runtime = kind(build(), settings)
        if isinstance(runtime, ReshapedRuntime):
            keep("graphs", graph_key, runtime.graph())
    keep("networks", key, runtime.dump())
    return runtime


def _take(
    name: str,
    key: dict[str, Json],
    make: Callable[[bytes, tuple[RawOutput, ...], RuntimeSettings], Kept],
    outputs: tuple[RawOutput, ...],
    settings: RuntimeSettings,
) -> Kept | None:
    """Return a runtime of what was kept, None if there is nothing, or it is not taken."""
    content = kept(name, key)
    if content is None:
        return None
    try:
        with translate_errors(RuntimeUnavailableError):
            return make(content, outputs, settings)
    except RuntimeUnavailableError as error:
        warnings.warn(
            f"{key['runtime']} cannot load the network that was kept, which is made again: "
            f"{error.what}",
            stacklevel=2,
        )
        return None
