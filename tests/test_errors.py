import ast
import inspect
import re
from pathlib import Path

import pytest

from wsiseg import errors
from wsiseg.errors import SlideNotFoundError, WsisegError


def test_an_error_is_one_line_of_what_where_and_hint():
    error = SlideNotFoundError("there is no\nsuch slide", "a.svs", "Check  the path.")
    assert str(error) == "there is no such slide (a.svs). Check the path."
    assert str(WsisegError("it failed")) == "it failed."


def test_the_public_list_is_complete_sorted_and_in_the_tree():
    classes = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    ]
    assert sorted(classes) == errors.__all__
    assert all(name in errors.__doc__ for name in classes)


@pytest.mark.parametrize("name", [n for n in errors.__all__ if n != "WsisegError"])
def test_every_error_can_be_caught_as_one(name):
    kind = getattr(errors, name)
    assert issubclass(kind, WsisegError)
    assert kind.__doc__


ROOT = Path(__file__).resolve().parent.parent
WINDOW_TYPES_A_COMMAND = {"viewer/fine_tuning.py", "viewer/widgets/fine_tuning.py"}


def messages(source):
    """Yield every text in a module that is no docstring."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def library_modules():
    for room in ("wsiseg", "models", "tiling", "viewer"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith("wsiseg/cli/") and name not in WINDOW_TYPES_A_COMMAND:
                yield path


def options_in(source):
    """Return the texts that name an option; a whole command may be named."""
    return [
        text
        for text in messages(source)
        if re.search(r"(?<![\w-])--[a-z]", text) and not re.search(r"wsiseg [a-z ]*--", text)
    ]


def test_the_library_speaks_of_parameters_and_never_of_options():
    told = {path: options_in(path.read_text(encoding="utf-8")) for path in library_modules()}
    found = {path.relative_to(ROOT).as_posix(): texts for path, texts in told.items() if texts}
    assert found == {
        # The one setting whose option is not called as it is.
        "wsiseg/training/options.py": ["--set"],
        # The command line that repeats a run, and the options of other programs.
        "wsiseg/report/repeating.py": ["--no-"],
        "wsiseg/throughput/probes/tegrastats.py": ["--interval"],
        "wsiseg/throughput/kernel_counters.py": [
            "--csv",
            "--print-units",
            "--log-file",
            "--profile-from-start",
            "--target-processes",
            "--metrics",
        ],
    }


def test_an_option_in_a_message_is_found():
    found = options_in('"""Doc --x."""\nraise E(f"Use --tile {n}.", "--tile")')
    assert sorted(found) == ["--tile", "Use --tile "]
