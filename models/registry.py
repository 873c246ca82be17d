"""Architectures by name: ``@register`` on a network's class is all it takes to be found."""

from __future__ import annotations

import inspect
import reprlib
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wsiseg.errors import ArgumentError, UnknownArchitectureError
from wsiseg.registry import Registry

if TYPE_CHECKING:
    from wsiseg.models.networks.network import SegmentationNetwork

N = TypeVar("N", bound="SegmentationNetwork")

Arguments = dict[str, bool | int | float | str]

LARGEST_WHOLE = 4096
LARGEST_FACTOR = 16.0
"""What any argument of a network may be at most: a channel or block count, and a factor."""


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

    def describe(self, name: str) -> str:
        """Return the allowed values and the default of an argument, in words."""
        kind = typing.get_type_hints(self.network.__init__)[name]
        default = self.arguments[name].default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        return f"{_wanted(kind)}; {text} if left out"

    def parse(self, settings: Mapping[str, str]) -> Arguments:
        """Turn ``--set KEY=VALUE`` texts into typed arguments.

        Raises
        ------
        ArgumentError
            For an unknown key or a value of the wrong kind.
        """
        self._check_names(settings, "`arguments`")
        hints = typing.get_type_hints(self.network.__init__)
        return {key: _parse(key, text, hints[key]) for key, text in settings.items()}

    def check(self, arguments: Mapping[str, object]) -> None:
        """Check the arguments of a network, by name, kind and size.

        Raises
        ------
        ArgumentError
            For an unknown name, or a value of the wrong kind or size.
        """
        self._check_names(arguments)
        hints = typing.get_type_hints(self.network.__init__)
        for key, value in arguments.items():
            allowed = typing.get_args(hints[key])
            # A whole number is as good a factor as any.
            kinds = (int, float) if hints[key] is float else (hints[key],)
            if (value not in allowed) if allowed else type(value) not in kinds:
                raise ArgumentError(
                    f"{reprlib.repr(value)} is not a value of {key}", self.name, _wanted(hints[key])
                )
            # Values that are too small are refused by the network itself.
            if isinstance(value, int | float) and value > _largest(hints[key]):
                raise ArgumentError(
                    f"{key} is {reprlib.repr(value)}",
                    self.name,
                    f"It may be {_largest(hints[key]):g} at most.",
                )

    def _check_names(self, names: Iterable[str], where: str | None = None) -> None:
        for name in names:
            if name not in self.arguments:
                known = ", ".join(self.arguments) or "none"
                raise ArgumentError(
                    f"{self.name} has no argument {reprlib.repr(name)}",
                    where,
                    f"It takes: {known}.",
                )


def _parse(key: str, text: str, kind: object) -> bool | int | float | str:
    if typing.get_origin(kind) is typing.Literal and text in typing.get_args(kind):
        return text
    parsers: dict[object, Callable[[str], bool | int | float | str]] = {
        int: int,
        float: float,
        str: str,
        bool: lambda text: {"true": True, "false": False}[text.lower()],
    }
    try:
        return parsers[kind](text)
    except (KeyError, ValueError):
        raise ArgumentError(
            f"{key} wants {_wanted(kind)}, got {reprlib.repr(text)}", "`arguments`"
        ) from None


def _largest(kind: object) -> float:
    return LARGEST_FACTOR if kind is float else LARGEST_WHOLE


def _wanted(kind: object) -> str:
    names: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number"}
    allowed = typing.get_args(kind)
    return f"one of {', '.join(map(str, allowed))}" if allowed else names.get(kind, "a text")


ARCHITECTURES: Registry[Architecture] = Registry(
    "architecture",
    "wsiseg.networks",
    home="wsiseg.models.networks",
    error=UnknownArchitectureError,
)
"""By name; those of this package are registered when `wsiseg.models.networks` is imported."""


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
        ARCHITECTURES.register(name)(Architecture(name, family, paper, network))
        return network

    return decorate


def list_architectures() -> list[Architecture]:
    """Return every registered architecture, ours by name and then those of other packages."""
    return list(ARCHITECTURES.values())


def find_architecture(name: str) -> Architecture:
    """Return the architecture called `name`.

    Raises
    ------
    UnknownArchitectureError
        If there is none; names near by are suggested.
    """
    return ARCHITECTURES.find(name)


def create_model(name: str, classes: int, **arguments: object) -> SegmentationNetwork:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : str
        See ``wsiseg models list``.
    classes : int
        1 to 255.
    **arguments
        Arguments of the architecture, ``alpha3=5`` for instance.

    Returns
    -------
    SegmentationNetwork
        In training mode, float32, on the CPU.

    Raises
    ------
    UnknownArchitectureError
        If there is no such name.
    ArgumentError
        For an argument that the architecture does not take, a class count out of range, or a
        network that would be far larger than any that is known.

    Examples
    --------
    >>> import torch
    >>> network = create_model("espnet", classes=8, alpha3=3).eval()
    >>> network(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 8, 64, 96])
    """
    from wsiseg.models.budget import within_budget

    architecture = find_architecture(name)
    architecture.check(arguments)
    try:
        with within_budget():
            return architecture.network(classes, **arguments)
    except ValueError as error:
        raise ArgumentError(str(error), name) from error
    except (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError) as error:
        # Impossible sizes raise wherever PyTorch first uses them.
        given = ", ".join(f"{key}={value}" for key, value in arguments.items())
        raise ArgumentError(
            f"there is no network with {given or f'{classes} classes'}", name
        ) from error
