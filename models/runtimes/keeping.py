"""Compiled networks that are kept: restored where there is one, compiled and kept where not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from wsiseg.error_translation import translate_errors
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes.cache import Json, keep, kept
from wsiseg.models.runtimes.choosing import RuntimeChoice
from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.models.runtimes.runtime import Runtime, RuntimeSettings

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork

_KIND = "networks"


def restore_or_compile(
    choice: RuntimeChoice,
    settings: RuntimeSettings,
    outputs: tuple[RawOutput, ...],
    identity: str | None,
    build: Callable[[], TileNetwork],
) -> Runtime:
    """Return a compiled network, the kept one if there is one.

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
        Returns the network, if it has to be compiled.
    """
    kind = RUNTIMES[choice.runtime]
    if identity is None or kind.dump is Runtime.dump:
        return kind(build(), settings)
    key: dict[str, Json] = {
        "runtime": choice.runtime,
        "settings": asdict(settings),
        "outputs": outputs,
        "network": identity,
        "circumstances": kind.circumstances(),
    }
    content = kept(_KIND, key)
    if content is not None:
        try:
            with translate_errors(RuntimeUnavailableError):
                return kind.restore(content, outputs, settings)
        except RuntimeUnavailableError as error:
            warnings.warn(
                f"{choice.runtime} does not take its compiled network back, which is made anew: "
                f"{error.what}",
                stacklevel=2,
            )
    runtime = kind(build(), settings)
    made = runtime.dump()
    if made is not None:
        keep(_KIND, key, made)
    return runtime
