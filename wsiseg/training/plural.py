"""Numbers of things, as people say them."""


def plural(number: int, thing: str) -> str:
    """Return a number with its noun: ``1 sample``, ``2 samples``.

    Parameters
    ----------
    number : int
        How many.
    thing : str
        Its name in the singular.
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"
