"""Limits on the size of a network, checked while it is built."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

MOST_PARAMETERS = 200_000_000
"""The largest architecture here, FCN-8s, has 138 million."""

MOST_MODULES = 4_000
"""The largest here, RDRNet-L, has seven hundred."""


class OversizedNetworkError(ValueError):
    """A network that is being built passes what any architecture needs."""


@contextmanager
def within_budget() -> Iterator[None]:
    """Build a network, and stop as soon as it has too many layers or weights.

    Weights are counted before they are drawn, so that nothing but address space has been taken.

    Raises
    ------
    OversizedNetworkError
        From within.
    """
    builder = threading.get_ident()
    modules = parameters = 0

    def count_module(*_: object) -> None:
        nonlocal modules
        if threading.get_ident() == builder:
            modules += 1
            if modules > MOST_MODULES:
                msg = f"the network has more than {MOST_MODULES:,} layers"
                raise OversizedNetworkError(msg)

    def count_parameter(_: nn.Module, __: str, parameter: nn.Parameter | None) -> None:
        nonlocal parameters
        if threading.get_ident() == builder and parameter is not None:
            parameters += parameter.numel()
            if parameters > MOST_PARAMETERS:
                msg = f"the network has more than {MOST_PARAMETERS / 1e6:,.0f} million parameters"
                raise OversizedNetworkError(msg)

    hooks = [
        register_module_module_registration_hook(count_module),
        register_module_parameter_registration_hook(count_parameter),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
