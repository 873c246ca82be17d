"""Figures of networks with a path for details beside the deep one, and of those after BiSeNet."""

from __future__ import annotations

from wsiseg.models.published.figure import Figure
from wsiseg.models.published.shorthand import (
    AS_THEIRS,
    COUNTED,
    COUNTED_MMSEG,
    LARGE,
    MMSEG,
    PADDLE,
    PIDNET,
    PRETRAINED,
    RDRNET,
    RTX3090,
    V100,
    Figures,
    cityscapes,
    counted,
    macs,
    parameters,
)

_GTX1080 = "GTX 1080 Ti"
_CAMVID = "CamVid test, 960×720"


def _compared(
    val: str,
    test: str,
    fps: str,
    million: str,
    billion: str,
    *,
    folded: bool = False,
    note: str = "",
) -> Figures:
    """State a row of the table in RDRNet's README."""
    return (
        *cityscapes(RDRNET, val=val, test=test, fps=fps, device=RTX3090),
        parameters(million, RDRNET, folded=folded),
        macs(billion, LARGE, RDRNET, folded=folded, note=note),
    )


def _without_heads(million: str, billion: str) -> Figures:
    """State what that table counts without auxiliary heads."""
    return (
        Figure("parameters folded", million, "19 classes", RDRNET),
        macs(billion, LARGE, RDRNET, folded=True),
    )


def _paddle(size: str, val: str, test: str, fps: str, backbone: str = "") -> Figures:
    """State a row of the table in PaddleSeg's README."""
    arguments = {"backbone": backbone} if backbone else {}
    return cityscapes(
        PADDLE, val=val, test=test, fps=fps, device=_GTX1080, size=size, arguments=arguments
    )


FIGURES: dict[str, Figures] = {
    "rdrnet-s-simple": (
        *_compared("76.7", "75.4", "134.6", "7.2", "41.0", folded=True),
        *counted(COUNTED, 19, (8_833_126, {})),
    ),
    "rdrnet-s": (
        *_compared("76.8", "76.0", "129.4", "7.3", "43.4", folded=True),
        *counted(COUNTED, 19, (8_946_406, {})),
    ),
    "rdrnet-m": (
        *_compared("78.8", "78.3", "52.5", "26.0", "162", folded=True),
        *counted(COUNTED, 19, (30_867_366, {})),
    ),
    "rdrnet-l": (
        *_compared("79.6", "78.6", "39.0", "36.9", "238", folded=True),
        *counted(COUNTED, 19, (43_345_830, {})),
    ),
    "bisenetv1": (
        *cityscapes(RDRNET, val="74.4", test="73.6", fps="65.9", device=RTX3090),
        *_without_heads("13.3", "118"),
        *_paddle("1536×768", "74.8", "74.7", "65.5"),
        *cityscapes(MMSEG, val="75.16"),
        *counted(COUNTED_MMSEG, 19, (13_425_721, {})),
    ),
    "bisenetv2": (
        *cityscapes(RDRNET, val="73.6", test="72.2", fps="74.4", device=RTX3090),
        *_without_heads("3.4", "98.4"),
        *_paddle("1024×512", "73.4", "72.6", "156"),
        *cityscapes(MMSEG, val="75.76"),
        *counted(COUNTED_MMSEG, 19, (14_804_255, {})),
    ),
    "fast-scnn": (
        *cityscapes(MMSEG, val="70.96", fps="56.5", device=V100),
        *counted(COUNTED_MMSEG, 19, (1_456_617, {})),
    ),
    "stdc1": (
        *cityscapes(MMSEG, val="71.82", fps="23.1", device=V100),
        Figure("mIoU", "74.94", PRETRAINED, MMSEG),
        *_paddle("1024×512", "72.2", "71.9", "250.4"),
        *_paddle("1536×768", "74.5", "75.3", "126.7"),
        *counted(COUNTED_MMSEG, 19, (8_573_022, {})),
    ),
    "stdc2": (
        *cityscapes(MMSEG, val="73.15", fps="23.7", device=V100),
        Figure("mIoU", "76.67", PRETRAINED, MMSEG),
        *_paddle("1024×512", "74.2", "73.4", "188.6"),
        *_paddle("1536×768", "77.0", "76.8", "97.0"),
        *counted(COUNTED_MMSEG, 19, (12_603_486, {})),
    ),
    "ddrnet23-slim": (
        *_compared("76.3", "74.6", "131.7", "5.7", "36.3"),
        *counted(COUNTED_MMSEG, 19, (5_734_278, {})),
    ),
    "ddrnet23": (
        *_compared("78.0", "77.6", "54.6", "20.3", "143"),
        *counted(COUNTED_MMSEG, 19, (20_299_238, {})),
    ),
    "pidnet-s": (
        *cityscapes(PIDNET, val="78.8", test="78.6", fps="93.2", device=RTX3090),
        *_compared("76.4", "76.2", "102.6", "7.7", "47.3", note=AS_THEIRS),
        *cityscapes(MMSEG, val="78.74"),
        *counted(COUNTED_MMSEG, 19, (7_720_871, {})),
    ),
    "pidnet-m": (
        *cityscapes(PIDNET, val="79.9", test="79.8", fps="42.2", device=RTX3090),
        *_compared("78.2", "78.3", "42.0", "28.7", "177"),
        *cityscapes(MMSEG, val="80.22"),
        *counted(COUNTED_MMSEG, 19, (28_762_983, {})),
    ),
    "pidnet-l": (
        *cityscapes(PIDNET, val="80.9", test="80.6", fps="31.1", device=RTX3090),
        *_compared("78.8", "78.4", "31.8", "37.3", "275"),
        *cityscapes(MMSEG, val="80.89"),
        *counted(COUNTED_MMSEG, 19, (37_314_183, {})),
    ),
    "pp-liteseg": (
        *_paddle("1024×512", "73.1", "72.0", "273.6"),
        *_paddle("1536×768", "76.0", "74.9", "143.6"),
        *cityscapes(PADDLE, val="77.04", size="2048×1024"),
        *_paddle("1024×512", "75.3", "73.9", "195.3", "stdc2"),
        *_paddle("1536×768", "78.2", "77.5", "102.6", "stdc2"),
        *cityscapes(PADDLE, val="79.04", size="2048×1024", arguments={"backbone": "stdc2"}),
        Figure("mIoU", "73.3", _CAMVID, PADDLE),
        Figure("mIoU", "75.1", _CAMVID, PADDLE, {"backbone": "stdc2"}),
    ),
}
"""By the architecture's name."""
