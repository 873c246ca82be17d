import inspect

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
