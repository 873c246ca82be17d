"""Registries: networks, readers, runtimes, recipes and the like, by their names.

A registry has our entries and those of other packages, which declare entry points in the
registry's group::

    [project.entry-points."wsiseg.readers"]
    acme = "acme_slides:AcmeSlide"

Entries are imported at first use, so names can be listed and checked at no cost.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import reprlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Generic, TypeVar, cast

from wsiseg.errors import ArgumentError, WsisegError

T = TypeVar("T")


def foreign_entries(group: str) -> EntryPoints:
    """Return the entry points of a group in all installed packages.

    Parameters
    ----------
    group : str
        ``"wsiseg.readers"``.
    """
    return _scan(tuple(sys.path)).select(group=group)


@functools.lru_cache(maxsize=1)
def _scan(_: tuple[str, ...]) -> EntryPoints:
    """Return all entry points; to look for them opens a file of every installed package."""
    return cast("EntryPoints", entry_points())


_LONGEST = 100
"""Letters of a name with which others are compared."""


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to entries, which are imported at first use.

    It iterates over our names in the order in which they were added, then over those of other
    packages, sorted.

    Parameters
    ----------
    kind : str
        What an entry is called in messages: ``"reader"``.
    group : str
        Group of the entry points of other packages: ``"wsiseg.readers"``.
    entries : mapping of str to str
        Our entries, as ``"module:attribute"``.
    home : str, optional
        A package whose modules call :meth:`register` when they are imported.
    error : type, optional
        What :meth:`find` raises for an unknown name.

    Examples
    --------
    >>> writers = Registry("format", "example.formats", {"json": "json:dumps"})
    >>> writers.find("json")([1])
    '[1]'
    >>> writers.find("jsn")
    Traceback (most recent call last):
    ...
    wsiseg.errors.ArgumentError: there is no format 'jsn'. Did you mean json?
    """

    def __init__(
        self,
        kind: str,
        group: str,
        entries: Mapping[str, str] | None = None,
        *,
        home: str | None = None,
        error: type[WsisegError] = ArgumentError,
    ) -> None:
        self.kind = kind
        self.group = group
        self._home = home
        self._error = error
        self._ours = {
            name: EntryPoint(name, value, group) for name, value in (entries or {}).items()
        }
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds an entry under `name`."""

        def add(thing: T) -> T:
            self._things[name] = thing
            return thing

        return add

    def find(self, name: str, where: str | None = None) -> T:
        """Return the entry of a name.

        Parameters
        ----------
        name : str
            The name, as a user writes it.
        where : str, optional
            Names the parameter in the error.

        Raises
        ------
        ArgumentError
            If the name is unknown, with similar ones; or if another package's entry cannot be
            loaded.
        """
        return self._load(self.check(name, where))

    def check(self, name: str, where: str | None = None) -> str:
        """Return a name if it is known, without importing its entry.

        Parameters
        ----------
        name : str
            The name, as a user writes it.
        where : str, optional
            Names the parameter in the error.

        Raises
        ------
        ArgumentError
            If the name is unknown, with similar ones.
        """
        if name in self._names:
            return name
        # Names may come out of a file, and comparing long ones takes long.
        near = difflib.get_close_matches(name.lower()[:_LONGEST], self._names, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Use {', '.join(self._names)}."
        raise self._error(f"there is no {self.kind} {reprlib.repr(name)}", where, hint)

    def __getitem__(self, name: str) -> T:
        if name not in self._names:
            raise KeyError(name)
        return self._load(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        foreign = self._foreign
        registered = (name for name in self._things if name not in foreign)
        return tuple(dict.fromkeys((*self._ours, *registered, *foreign)))

    @cached_property
    def _foreign(self) -> dict[str, EntryPoint]:
        """Entries of other packages; our names take precedence."""
        if self._home is not None:
            importlib.import_module(self._home)
        found = {}
        for entry in sorted(foreign_entries(self.group), key=lambda each: each.name):
            if entry.name in self._ours or entry.name in self._things:
                warnings.warn(
                    f"{entry.value} is left out: there is a {self.kind} {entry.name!r} already",
                    stacklevel=2,
                )
            else:
                found[entry.name] = entry
        return found

    def _load(self, name: str) -> T:
        if name in self._things:
            return self._things[name]
        if name in self._ours:
            thing = self._ours[name].load()
        else:
            thing = self._load_foreign(self._foreign[name])
        # Loading it may have registered it, in the form in which the registry holds things.
        return self._things.setdefault(name, thing)

    def _load_foreign(self, entry: EntryPoint) -> T:
        try:
            return cast("T", entry.load())
        except Exception as error:
            owner = "another package" if entry.dist is None else entry.dist.name
            raise ArgumentError(
                f"the {self.kind} {entry.name!r} of {owner} cannot be loaded: {error}",
                entry.value,
                f"Update {owner}, or remove it.",
            ) from error
