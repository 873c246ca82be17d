"""Short functions for figures that many publications state, and names of the sources."""

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
    """Return parameter counts of the original code.

    Parameters
    ----------
    source : str
        Who or what was counted.
    classes : int
        Number of classes.
    *counts : tuple of (int, dict)
        Parameters, and the architecture's arguments of that form.
    measure : str
        What is counted.
    """
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
    """Return a published parameter count.

    Parameters
    ----------
    digits : str
        Millions of parameters, as published.
    source : str
        Who states it.
    arguments : dict, optional
        Of the architecture, where they differ from its defaults.
    classes : int
        Number of classes.
    folded : bool
        Whether it was counted after folding; auxiliary heads are then included, as authors do.
    note : str
        Why the count here differs.
    """
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
    """Return a published count of multiply-accumulates.

    Parameters
    ----------
    digits : str
        Billions of multiply-accumulates, as published.
    picture : tuple of int
        ``(height, width)`` of the picture.
    source : str
        Who states it.
    arguments : dict, optional
        Of the architecture, where they differ from its defaults.
    classes : int
        Number of classes.
    folded : bool
        Whether it was counted after folding.
    note : str
        Why the count here differs.
    """
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
    """Return published mean IoU on Cityscapes, and frames per second.

    Parameters
    ----------
    source : str
        Who states them.
    val, test : str, optional
        Mean IoU in per cent.
    fps : str, optional
        Frames per second on `device`.
    device : str
        What it was measured on.
    size : str
        Size of the pictures, where it is not 2048×1024.
    arguments : dict, optional
        Of the architecture, where they differ from its defaults.
    """
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
    """Return figures of another network that are read off a chart of ESPNet's paper.

    Parameters
    ----------
    category : str
        Category mean IoU on Cityscapes in per cent.
    fps : str
        Frames per second.
    """
    return (
        Figure("category mIoU", category, "Cityscapes test", CHART),
        Figure("speed", fps, "1024×512, Titan X", CHART),
    )
