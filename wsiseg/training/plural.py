"""Numbers of things, as people say them."""


def plural(number: int, thing: str) -> str:
    """Return ``1 sample``, ``2 samples``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
