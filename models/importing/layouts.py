"""Every known key layout, and which of them a state dict is in."""

from __future__ import annotations

from wsiseg.errors import CheckpointError, UnknownArchitectureError
from wsiseg.models.importing.bisenetv1 import MMSegBiSeNetV1Layout
from wsiseg.models.importing.bisenetv2 import MMSegBiSeNetV2Layout
from wsiseg.models.importing.cgnet import CGNetLayout, MMSegCGNetLayout
from wsiseg.models.importing.dabnet import DABNetLayout
from wsiseg.models.importing.ddrnet import DDRNetLayout, RDRNetLayout
from wsiseg.models.importing.edgenets import EdgeNetsLayout
from wsiseg.models.importing.enet import ENetLayout
from wsiseg.models.importing.erfnet import ERFNetLayout, MMSegERFNetLayout
from wsiseg.models.importing.espnet import ESPNetLayout
from wsiseg.models.importing.espnetv2_classifier import is_classifier
from wsiseg.models.importing.espnetv2_standalone import StandaloneLayout
from wsiseg.models.importing.fast_scnn import MMSegFastSCNNLayout
from wsiseg.models.importing.icnet import ICNetLayout, MMSegICNetLayout
from wsiseg.models.importing.key_renaming import State
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.importing.pidnet import PIDNetLayout
from wsiseg.models.importing.stdc import MMSegSTDCLayout
from wsiseg.models.importing.ynet import YNetLayout
from wsiseg.models.registry import find_architecture
from wsiseg.models.weight_files import shorten

LAYOUTS: tuple[KeyLayout, ...] = (
    ESPNetLayout(),
    EdgeNetsLayout(),
    StandaloneLayout(),
    ERFNetLayout(),
    MMSegERFNetLayout(),
    ENetLayout(),
    CGNetLayout(),
    MMSegCGNetLayout(),
    DABNetLayout(),
    MMSegFastSCNNLayout(),
    MMSegBiSeNetV2Layout(),
    MMSegSTDCLayout(),
    MMSegBiSeNetV1Layout(),
    ICNetLayout(),
    MMSegICNetLayout(),
    RDRNetLayout(),
    DDRNetLayout(),
    PIDNetLayout(),
    YNetLayout(),
)
"""Every known key layout; a new one is a file and an entry here."""


def find_layout(architecture: str, state: State, where: object = None) -> KeyLayout:
    """Return the layout of a network that a state dict is in.

    Parameters
    ----------
    architecture : str
        Our name of the network.
    state : mapping of str to Tensor
        Under the authors' names, without a prefix.
    where : object, optional
        The file, for errors.

    Raises
    ------
    UnknownArchitectureError
        If there is no such architecture, or no layout of it is known.
    CheckpointError
        If it is in none of them.
    """
    find_architecture(architecture)
    able = [layout for layout in LAYOUTS if architecture in layout.architectures]
    if not able:
        known = sorted({name for layout in LAYOUTS for name in layout.architectures})
        hint = _suggest(state) or f"There are importers for {', '.join(known)}."
        raise UnknownArchitectureError(f"there is no importer for {architecture}", where, hint)
    for layout in able:
        if layout.matches(architecture, state):
            return layout
    first = ", ".join(shorten(key) for key in list(state)[:3]) or "nothing"
    raise CheckpointError(
        f"these are not weights of {architecture} in a known layout; the file begins with {first}",
        where,
        _suggest(state) or "Check `architecture`.",
    )


def _suggest(state: State) -> str:
    """Return a hint at the architectures that weights may be of, nothing for unknown ones."""
    names = matching_architectures(state) + (["espnetv2"] if is_classifier(state) else [])
    return f"Did you mean `architecture` {' or '.join(names)}?" if names else ""


def matching_architectures(state: State) -> list[str]:
    """Return the architectures whose layout a state dict is in.

    Parameters
    ----------
    state : mapping of str to Tensor
        Under the authors' names, without a prefix.
    """
    names = [n for k in LAYOUTS for n in k.architectures if k.matches(n, state)]
    return list(dict.fromkeys(names))
