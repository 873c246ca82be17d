"""What tests that walk all architectures ask for, so that the heaviest stay light."""

from collections.abc import Mapping

NARROWED: Mapping[str, Mapping[str, int]] = {
    # 4096 channels make 540 MB of weights.
    "fcn8s": {"width": 64},
}
"""Arguments by the architecture's name."""


def narrowed(name: str) -> dict[str, int]:
    """Return the arguments that make an architecture light, none for most."""
    return dict(NARROWED.get(name, {}))
