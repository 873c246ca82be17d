"""Settings are declared once: what a user gives is checked, keywords are shown."""

import inspect
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from wsiseg.errors import ArgumentError
from wsiseg.settings import Settings, keywords_from


class Oven(Settings):
    mode: Annotated[Literal["bake", "grill"], Field(description="How.")] = "bake"
    heat: Annotated[int | None, Field(ge=50, le=250, description="Degrees.")] = None
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    fan: bool = False
    steam: bool = False

    @model_validator(mode="after")
    def _one_of_them(self):
        if self.fan and self.steam:
            raise ArgumentError("`fan` and `steam` exclude each other", None, "Give one of them.")
        return self


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"mode": "fry"}, "'fry' is not one of the choices (`mode`). Use 'bake' or 'grill'."),
        ({"heat": 10}, "10 is too small (`heat`). At least 50."),
        ({"heat": 300}, "300 is too large (`heat`). At most 250."),
        ({"share": 0}, "0 is too small (`share`). More than 0.0."),
        ({"share": 1}, "1 is too large (`share`). Less than 1.0."),
        ({"heat": "hot"}, "'hot' is not a whole number"),
        ({"fan": True, "steam": True}, "`fan` and `steam` exclude each other. Give one of them."),
        ({"heatt": 90}, "there is no setting 'heatt'. Did you mean heat?"),
        ({"zzz": 1}, "there is no setting 'zzz'. Known: fan, heat, mode, share, steam."),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(given, text):
    with pytest.raises(ArgumentError) as caught:
        Oven(**given)
    assert str(caught.value).startswith(text)


def test_a_job_shows_its_settings_as_keywords():
    @keywords_from(Oven)
    def bake(dough, *, listener=None, **options):
        return Oven(**options)

    parameters = inspect.signature(bake).parameters
    assert list(parameters) == ["dough", "listener", *Oven.model_fields]
    assert parameters["heat"].default is None
    assert parameters["heat"].annotation == int | None  # without its bounds
    assert parameters["mode"].default == "bake"
    assert bake("rye", heat=200).heat == 200


def test_replacing_checks_again():
    oven = Oven(heat=200)
    assert oven.replace(fan=True) == Oven(heat=200, fan=True)
    with pytest.raises(ArgumentError, match="too small"):
        oven.replace(heat=1)


class Kitchen(Settings):
    oven: Oven
    name: str = ""


def test_what_is_wrong_deeper_inside_is_told_in_the_same_words():
    assert Kitchen(oven={"heat": 90}).oven == Oven(heat=90)
    with pytest.raises(ArgumentError, match=r"10 is too small \(`heat`\)"):
        Kitchen(oven={"heat": 10})
    with pytest.raises(ArgumentError, match="there is no setting 'heatt'"):
        Kitchen(oven={"heatt": 90})
