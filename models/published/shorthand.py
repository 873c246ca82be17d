"""Short ways to state figures that many publications give, and who gives them."""

from __future__ import annotations

from wsiseg.models.published.figure import Arguments, Figure, Measure

ESPNET, EDGENETS, YNET = "ESPNet's authors", "EdgeNets' README", "YNet's project page"
MMSEG, COUNTED_MMSEG = "MMSegmentation's model zoo", "MMSegmentation 1.0, counted"
COUNTED = "the authors' code, counted"
RDRNET, PIDNET, PADDLE = "RDRNet's README", "PIDNet's README", "PaddleSeg's PP-LiteSeg README"
CHART = "ESPNet's paper, read off the chart (±0.5)"

PRETRAINED = "Cityscapes val, encoder from ImageNet"
V100 = "V100"
RTX3090 = "2048×1024, RTX 3090"

AS_THEIRS = "the original code, counted the same way, has as many as ours"
"""Why operations differ from those that authors print."""

SMALL, LARGE = (512, 1024), (1024, 2048)
"""Pictures that operations are usually counted at."""

Figures = tuple[Figure, ...]


def counted(
    source: str, classes: int, *counts: tuple[int, Arguments], measure: Measure = "parameters"
) -> Figures:
    """State parameters that were counted in the original code, each with the form's arguments."""
    return tuple(
        Figure(measure, f"{count / 1e6:.6f}", f"{classes} classes", source, arguments, classes)
        for count, arguments in counts
    )


def parameters(
    digits: str,
    source: str,
    arguments: Arguments | None = None,
    *,
    classes: int = 19,
    folded: bool = False,
    note: str = "",
) -> Figure:
    """State parameters in millions; folded ones with auxiliary heads, as authors count them."""
    measure: Measure = "parameters folded, with auxiliary heads" if folded else "parameters"
    return Figure(
        measure, digits, f"{classes} classes", source, arguments or {}, classes, note=note
    )


def macs(
    digits: str,
    picture: tuple[int, int],
    source: str,
    arguments: Arguments | None = None,
    *,
    classes: int = 19,
    folded: bool = False,
    note: str = "",
) -> Figure:
    """State multiply-accumulates in billions for a picture of ``(height, width)``."""
    return Figure(
        "MACs folded" if folded else "MACs",
        digits,
        f"{picture[1]}×{picture[0]}, {classes} classes",
        source,
        arguments or {},
        classes,
        picture,
        note=note,
    )


def cityscapes(
    source: str,
    *,
    val: str | None = None,
    test: str | None = None,
    fps: str | None = None,
    device: str = "",
    size: str = "",
    arguments: Arguments | None = None,
) -> Figures:
    """State mean IoU on Cityscapes, and pictures per second on a device."""
    of = f", {size}" if size else ""
    stated: tuple[tuple[Measure, str | None, str], ...] = (
        ("mIoU", val, f"Cityscapes val{of}"),
        ("mIoU", test, f"Cityscapes test{of}"),
        ("speed", fps, f"{size}, {device}" if size else device),
    )
    return tuple(
        Figure(measure, digits, on, source, arguments or {})
        for measure, digits, on in stated
        if digits is not None
    )


def chart(category: str, fps: str) -> Figures:
    """State what ESPNet's paper draws of other networks."""
    return (
        Figure("category mIoU", category, "Cityscapes test", CHART),
        Figure("speed", fps, "1024×512, Titan X", CHART),
    )
