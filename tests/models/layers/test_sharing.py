"""Layers are for several networks; what one network alone uses stands in that network's file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import wsiseg.models
from wsiseg.models.registry import list_architectures

ROOM = Path(wsiseg.models.__file__).parent
LAYERS = "wsiseg.models.layers."


def definitions(path: Path) -> dict[str, ast.AST]:
    """Return what a file defines at its top level, functions and classes that others may import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_")
    }


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the file of layers and the name of what a file imports from there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(LAYERS):
            for alias in node.names:
                yield str(node.module).removeprefix(LAYERS), alias.name


def mentioned(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def users(room: Path) -> dict[tuple[str, str], set[str]]:
    """Return for each layer the files of networks that use it, through other layers as well."""
    files = {path.stem: path for path in (room / "layers").glob("[!_]*.py")}
    defined = {stem: definitions(path) for stem, path in files.items()}
    found = {(stem, name): set[str]() for stem, names in defined.items() for name in names}

    def use(stem: str, name: str, network: str) -> None:
        if network in found.get((stem, name), {network}):
            return
        found[stem, name].add(network)
        # What stands beside it and under an underscore is not told apart.
        inside = mentioned(ast.parse(files[stem].read_text(encoding="utf-8")))
        own = mentioned(defined[stem][name])
        for other in defined[stem]:
            if other in own:
                use(stem, other, network)
        for other_stem, other in imported(files[stem]):
            if other in inside:
                use(other_stem, other, network)

    for network in (room / "networks").glob("[!_]*.py"):
        for stem, name in imported(network):
            use(stem, name, network.stem)
    return found


def test_every_layer_is_used_by_several_networks() -> None:
    found = users(ROOM)
    assert len(found) > 20
    assert {layer: by for layer, by in found.items() if len(by) < 2} == {}


def test_a_layer_of_one_network_is_noticed(tmp_path: Path) -> None:
    """A fault planted for the test above."""
    for folder in ("layers", "networks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "layers" / "inner.py").write_text("class Inner: ...\n")
    (tmp_path / "layers" / "outer.py").write_text(
        f"from {LAYERS}inner import Inner\nclass Outer(Inner): ...\nclass Spare: ...\n"
    )
    for network, layer in (("one", "outer"), ("two", "inner")):
        text = f"from {LAYERS}{layer} import {layer.title()}\n"
        (tmp_path / "networks" / f"{network}.py").write_text(text)
    assert users(tmp_path) == {
        ("inner", "Inner"): {"one", "two"},
        ("outer", "Outer"): {"one"},
        ("outer", "Spare"): set(),
    }


def test_every_architecture_is_a_file_of_the_networks() -> None:
    ours = [a.network for a in list_architectures() if a.network.__module__.startswith("wsiseg.")]
    assert {network.__module__.rpartition(".")[0] for network in ours} == {"wsiseg.models.networks"}
