"""Options of a command are those that its settings declare."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from pydantic import BeforeValidator, Field
from typer.testing import CliRunner

from wsiseg.cli.settings_options import options_from
from wsiseg.errors import ArgumentError
from wsiseg.settings import Option, Settings, split_pairs


def parse_size(given):
    return int(given.removesuffix("K")) * 1000 if isinstance(given, str) else given


def split(given):
    return split_pairs(given) if isinstance(given, list) else given


class Shared(Settings):
    reader: Annotated[str | None, Field(description="Who reads.")] = None


class Oven(Shared):
    mode: Annotated[Literal["bake", "grill"], Field(description="How."), Option("Heat")] = "bake"
    heat: Annotated[int | None, Field(ge=50, description="Degrees."), Option("Heat")] = None
    room: Annotated[int, BeforeValidator(parse_size), Option(default="2K", metavar="SIZE")] = 2000
    sheet: Annotated[Path | None, Field(description="A sheet.")] = None
    fan: Annotated[bool, Field(description="Fan.")] = False
    light: Annotated[bool, Field(description="Light.")] = True
    hidden: Annotated[int, Option(shown=False)] = 1
    secret: int = 2
    notes: Annotated[
        dict[str, str],
        BeforeValidator(split),
        Field(default_factory=dict),
        Option(names=("--set",)),
    ]


class Dough(Shared):
    flour: Annotated[str, Field(description="Which.")] = "rye"


@pytest.fixture
def run():
    app = typer.Typer(pretty_exceptions_enable=False)
    called = {}

    @app.command()
    @options_from(Dough, Oven, without=("secret",))
    def bake(
        loaves: Annotated[list[str], typer.Argument()],
        chosen: dict[str, object],
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        called.update(loaves=loaves, as_json=as_json, chosen=chosen)
        called.update(dough=Dough.select(chosen), oven=Oven.select(chosen))

    def invoke(*arguments):
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result, called

    return invoke


def test_values_reach_the_command_checked(run):
    result, called = run(
        *("one", "two", "--heat", "90", "--mode", "grill", "--room", "3K", "--no-light", "--fan"),
        *("--sheet", "a.txt", "--flour", "oat", "--reader", "me", "--json"),
    )
    assert result.exit_code == 0, result.output
    expected = Oven(
        mode="grill", heat=90, room=3000, sheet=Path("a.txt"), fan=True, light=False, reader="me"
    )
    assert called["oven"] == expected
    assert called["dough"] == Dough(flour="oat", reader="me")
    assert called["loaves"] == ["one", "two"]
    assert called["as_json"] is True


def test_what_is_left_out_has_its_default(run):
    _, called = run("one")
    assert (called["oven"], called["dough"], called["as_json"]) == (Oven(), Dough(), False)


def test_a_wrong_value_ends_in_our_words(run):
    with pytest.raises(ArgumentError, match=r"10 is too small \(`heat`\)"):
        run("one", "--heat", "10")
    with pytest.raises(ArgumentError, match=r"Use 'bake' or 'grill'"):
        run("one", "--mode", "fry")


def test_help_shows_what_is_declared(run):
    result, _ = run("--help")
    lines = {line.strip("│ ") for line in result.output.splitlines()}
    text = " ".join(" ".join(lines).split())
    assert "bake|grill How. [default: bake]" in text
    assert "[default: 2K]" in text
    assert "--light --no-light" in text
    assert "--hidden" not in text
    assert "--secret" not in text
    assert "<bool>" not in next(line for line in lines if line.startswith("--fan"))


def test_other_choices_are_left_to_the_settings():
    # A Literal of typer's own would refuse in other words than Python users read.
    assert sys.modules["wsiseg.cli.settings_options"]._plain_type(Literal["a", "b"]) == (
        str,
        ("a", "b"),
    )


def test_pairs_are_given_one_by_one(run):
    _, called = run("one", "--set", "a=1", "--set", "b = 2")
    assert called["oven"].notes == {"a": "1", "b": "2"}
    assert called["chosen"] == {"notes": ["a=1", "b = 2"]}
