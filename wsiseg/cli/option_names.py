"""Names of command-line options in texts of the library."""

from __future__ import annotations

from collections.abc import Iterable

from wsiseg.wording import PARAMETER, is_option, name_options, set_option_names

__all__ = ["name_options", "offered", "set_option_names"]


def offered(texts: Iterable[str]) -> list[str]:
    """Return the texts whose parameters are options of the command, with those in their place.

    Parameters
    ----------
    texts : iterable of str
        Texts of the library.

    Examples
    --------
    >>> set_option_names({"readers": "--readers"})
    >>> offered(["more `readers`", "a faster disk", "a coarser `mpp`"])
    ['more --readers', 'a faster disk']
    >>> set_option_names({})
    """
    return [
        name_options(each)
        for each in texts
        if all(is_option(found[1]) for found in PARAMETER.finditer(each))
    ]
