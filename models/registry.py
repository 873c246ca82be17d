"""Architectures by name: ``@register`` on a network's class is all it takes to be found."""

from __future__ import annotations

import difflib
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wsiseg.errors import ArgumentError, UnknownArchitectureError

if TYPE_CHECKING:
    from wsiseg.models.networks.network import SegmentationNetwork

N = TypeVar("N", bound="SegmentationNetwork")

_ARCHITECTURES: dict[str, Architecture] = {}


@dataclass(frozen=True)
class Architecture:
    """One registered network.

    Attributes
    ----------
    name : str
        What users type.
    family : str
        Networks of one paper series.
    paper : str
        Where it is described.
    network : type
        The class that builds it.
    """

    name: str
    family: str
    paper: str
    network: type[SegmentationNetwork]

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """What the network takes besides `classes`, by name."""
        parameters = inspect.signature(self.network.__init__).parameters
        return {n: p for n, p in parameters.items() if n not in ("self", "classes")}

    def parse(self, settings: Mapping[str, str]) -> dict[str, bool | int | float | str]:
        """Turn ``--set KEY=VALUE`` texts into typed arguments.

        Raises
        ------
        ArgumentError
            For an unknown key or a value of the wrong kind.
        """
        hints = typing.get_type_hints(self.network.__init__)
        return {key: self._value(key, text, hints) for key, text in settings.items()}

    def _value(self, key: str, text: str, hints: Mapping[str, object]) -> bool | int | float | str:
        if key not in self.arguments:
            known = ", ".join(self.arguments) or "none"
            raise ArgumentError(
                f"{self.name} has no argument {key!r}", "--set", f"It takes: {known}."
            )
        kind = hints[key]
        if typing.get_origin(kind) is typing.Literal:
            allowed = typing.get_args(kind)
            if text in allowed:
                return text
            raise ArgumentError(
                f"{text!r} is no value of {key}", "--set", f"Use one of: {', '.join(allowed)}."
            )
        try:
            if kind is bool:
                return {"true": True, "false": False}[text.lower()]
            parsers: dict[object, Callable[[str], int | float | str]]
            parsers = {int: int, float: float, str: str}
            return parsers[kind](text)
        except (KeyError, ValueError):
            name = getattr(kind, "__name__", str(kind))
            raise ArgumentError(f"{key} wants {name}, got {text!r}", "--set") from None


def register(name: str, *, family: str, paper: str) -> Callable[[type[N]], type[N]]:
    """Make a network known under `name`.

    Parameters
    ----------
    name : str
        What users type.
    family, paper : str
        Shown by ``wsiseg models list``.
    """

    def decorate(network: type[N]) -> type[N]:
        _ARCHITECTURES[name] = Architecture(name, family, paper, network)
        return network

    return decorate


def list_architectures() -> list[Architecture]:
    """Return every registered architecture, in the order of registration."""
    importlib.import_module("wsiseg.models.networks")
    return list(_ARCHITECTURES.values())


def find_architecture(name: str) -> Architecture:
    """Return the architecture called `name`.

    Raises
    ------
    UnknownArchitectureError
        If there is none; names near by are suggested.
    """
    known = {architecture.name: architecture for architecture in list_architectures()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}."
    raise UnknownArchitectureError(f"there is no architecture {name!r}", None, hint)


def create_model(name: str, classes: int, **arguments: object) -> SegmentationNetwork:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : str
        See ``wsiseg models list``.
    classes : int
        1 to 255.
    **arguments
        What the architecture takes besides, ``alpha3=5`` for instance.

    Returns
    -------
    SegmentationNetwork
        In training mode, float32, on the CPU.

    Raises
    ------
    UnknownArchitectureError
        No such name.
    ArgumentError
        An argument that the architecture does not take, or a class count out of range.
    """
    architecture = find_architecture(name)
    unknown = [key for key in arguments if key not in architecture.arguments]
    if unknown:
        known = ", ".join(architecture.arguments) or "none"
        raise ArgumentError(f"{name} has no argument {unknown[0]!r}", None, f"It takes: {known}.")
    try:
        return architecture.network(classes, **arguments)
    except ValueError as error:
        raise ArgumentError(str(error), name) from error
