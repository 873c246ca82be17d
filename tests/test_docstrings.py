"""Whoever calls a public function reads in its docstring what each parameter is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("tiling", "models", "wsiseg", "viewer")

POINTERS = ("; see :", "See :")
"""A docstring may name another one, in which the same parameters are described."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, Function]]:
    """Yield functions and methods with their names, those of nested classes included."""
    for node in body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield f"{owner}{node.name}", node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, f"{owner}{node.name}.")


def parameters(function: Function) -> set[str]:
    given = function.args
    names = {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    return names - {"self", "cls"}


def is_described(function: Function) -> bool:
    text = ast.get_docstring(function) or ""
    return "Parameters\n----------\n" in text or any(pointer in text for pointer in POINTERS)


def is_command(function: Function) -> bool:
    """Tell a command of the command line, whose options describe themselves in ``--help``."""
    return {"as_json", "quiet", "debug"} <= parameters(function)


def undescribed(source: str) -> list[str]:
    """Return the public functions of two parameters or more that do not describe them."""
    return [
        name
        for name, function in public_functions(ast.parse(source).body)
        if len(parameters(function)) > 1 and not is_described(function) and not is_command(function)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_functions_of_two_parameters_or_more_describe_them(room):
    found = {
        str(file.relative_to(ROOT)): undescribed(file.read_text(encoding="utf-8"))
        for file in sorted((ROOT / room).rglob("*.py"))
    }
    assert {file: names for file, names in found.items() if names} == {}


def test_what_is_not_described_is_found():
    source = '''
def bare(a, *, b): ...
def short(a, b):
    """Add two numbers."""
def told(a, b):
    """Add two numbers.

    Parameters
    ----------
    a, b : int
        The numbers.
    """
def same(a, b):
    """Add two numbers; see :func:`told`."""
def _private(a, b): ...
def one(a): ...
class Outer:
    class Inner:
        def method(self, a, b): ...
        async def later(self, a, b): ...
        @classmethod
        def make(cls, a): ...
class _Hidden:
    def method(self, a, b): ...
def command(slide, as_json, quiet, debug): ...
'''
    assert undescribed(source) == ["bare", "short", "Outer.Inner.method", "Outer.Inner.later"]
