"""Figures of the ESPNets and Y-Net."""

from __future__ import annotations

from wsiseg.models.published.figure import Figure
from wsiseg.models.published.shorthand import (
    AS_THEIRS,
    COUNTED,
    EDGENETS,
    ESPNET,
    SMALL,
    YNET,
    Figures,
    cityscapes,
    counted,
    macs,
    parameters,
)

_TITAN = "1024×512, Titan X"
_POSTER, _POSTER_CHART = "ESPNet's poster", "ESPNet's poster, read off the chart"
_TISSUE = "breast biopsies, 8 tissues"
_PADDLESEG = "PaddleSeg's model zoo"
_UNLIKE_CHART = "read off a chart; ours is four bytes a parameter"
_UNLIKE_POSTER = "the paper does not say where its units normalise"


def _exchanged(unit: str, million: str, note: str, *chart: str) -> Figures:
    """State ESPNet-C with three units of another kind at level 3 (poster)."""
    arguments: dict[str, int | str] = {"alpha3": 3}
    if unit != "esp":
        arguments["unit"] = unit
    accuracy, fps, size = chart
    read_as_counted = unit in ("esp", "mobilenet")
    return (
        parameters(million, _POSTER, arguments, classes=20, note=note),
        Figure("mIoU", accuracy, "Cityscapes", _POSTER_CHART, arguments),
        Figure("speed", fps, "GTX 960M", _POSTER_CHART, arguments),
        Figure(
            "size",
            size,
            "20 classes",
            _POSTER_CHART,
            arguments,
            20,
            note="" if read_as_counted else _UNLIKE_CHART,
        ),
    )


_ESPNET_C: Figures = (
    Figure("mIoU", "53.3", "Cityscapes val", "ESPNet's author, issue 9"),
    *counted(COUNTED, 19, (349_193, {})),
    *counted(COUNTED, 20, (349_449, {}), (252_297, {"alpha3": 5}), (187_529, {"alpha3": 3})),
    *_exchanged("esp", "0.187", "", "49", "54", "0.75"),
    *_exchanged("mobilenet", "0.233", "", "42", "52.3", "0.93"),
    *_exchanged("shufflenet", "0.181", "", "37", "55.4", "0.74"),
    *_exchanged("inception", "0.328", "", "43", "42.3", "1.42"),
    *_exchanged("resnext", "0.424", "", "50", "36.6", "1.65"),
    *_exchanged("resnet", "1.200", _UNLIKE_POSTER, "54", "31.3", "4.7"),
)

_ESPNET: Figures = (
    *cityscapes(ESPNET, test="60.336"),
    Figure("category mIoU", "82.178", "Cityscapes test", ESPNET),
    *cityscapes("ESPNet's author, issue 9", val="61.4"),
    *cityscapes(_PADDLESEG, val="64.17"),
    Figure("mIoU", "55.64", "CamVid test, 480×360", ESPNET),
    Figure("class accuracy", "68.30", "CamVid test, 480×360", ESPNET),
    Figure("mIoU", "63.01", "VOC 2012 test", ESPNET),
    Figure("mIoU", "40", "Mapillary, never trained on", ESPNET),
    Figure("speed", "112", _TITAN, ESPNET),
    Figure("speed", "21", "1024×512, laptop", ESPNET),
    Figure("speed", "9", "1024×512, Jetson TX2", ESPNET),
    parameters("0.36", "ESPNet's README", classes=20),
    parameters("0.4", ESPNET, classes=21),
    *counted(
        COUNTED,
        20,
        (364_569, {}),
        (267_417, {"alpha3": 5}),
        (202_649, {"alpha3": 3}),
        (365_109, {"skip": "train"}),
    ),
    *counted(COUNTED, 19, (362_949, {})),
    *counted(COUNTED, 12, (354_517, {"skip": "train"})),
    macs("4.5", SMALL, "ESPNet's README", classes=20, note=AS_THEIRS),
    Figure("MACs", "2.2", "VOC 2012, pictures of an unknown size", EDGENETS, classes=21),
)


def _edgenets() -> Figures:
    accuracy = (
        ("Cityscapes val, 512×256", ("47.3", "52.2", "54.6", None)),
        ("Cityscapes val, 1024×512", ("53.9", "60.1", "63.8", "66.4")),
        ("VOC 2012 val, 256×256", ("39.82", "54.14", "59.39", "63.36")),
        ("VOC 2012 val, 384×384", ("47.18", "60.22", "63.67", "67.01")),
    )
    widths = (0.5, 1.0, 1.5, 2.0)
    costs = zip(
        widths, ("0.08", "0.23", "0.47", "0.79"), ("0.598", "1.087", "1.715", "2.699"), strict=True
    )
    return (
        *(
            Figure("mIoU", digits, on, EDGENETS, {"width": width})
            for on, row in accuracy
            for width, digits in zip(widths, row, strict=True)
            if digits is not None
        ),
        Figure("mIoU", "66.2", "Cityscapes test, 1024×512", EDGENETS, {"width": 2.0}),
        Figure("mIoU", "67.95", "VOC 2012 test, 384×384", EDGENETS, {"width": 2.0}),
        *(
            figure
            for width, million, billion in costs
            for figure in (
                parameters(million, EDGENETS, {"width": width}, classes=20),
                macs(billion, SMALL, EDGENETS, {"width": width}, classes=20, note=AS_THEIRS),
            )
        ),
        macs("0.76", (384, 384), EDGENETS, {"width": 2.0}, classes=21),
    )


_ESPNETV2: Figures = (
    *_edgenets(),
    *cityscapes(_PADDLESEG, val="70.88"),
    *counted(
        COUNTED,
        20,
        (80_342, {"width": 0.5}),
        (234_010, {}),
        (343_106, {"width": 1.25}),
        (468_362, {"width": 1.5}),
        (789_242, {"width": 2.0}),
        (99_418, {"width": 0.5, "decoder": "standalone"}),
        (340_782, {"decoder": "standalone"}),
        (515_038, {"width": 1.25, "decoder": "standalone"}),
        (725_166, {"width": 1.5, "decoder": "standalone"}),
        (1_253_038, {"width": 2.0, "decoder": "standalone"}),
    ),
)


def _ablation(variant: str, narrow: tuple[str, str], wide: tuple[str, str] | None) -> Figures:
    """State parameters and accuracy of a step towards Y-Net, at two widths of its decoder."""
    found = []
    for width, pair in ((64, narrow), (128, wide)):
        if pair is not None:
            words = f"{variant}, width {width}"
            found += [
                Figure("parameters", pair[0], "8 classes", YNET, {}, 8, variant=words),
                Figure("mIoU", pair[1], _TISSUE, YNET, {}, 8, variant=words),
            ]
    return tuple(found)


_YNET: Figures = (
    Figure("mIoU", "44.03", _TISSUE, YNET),
    Figure("mIoU", "44.19", _TISSUE, YNET, {"unit": "D1"}),
    parameters("2.75", YNET, classes=8),
    parameters("7.62", YNET, {"unit": "D1"}, classes=8),
    *counted(COUNTED, 8, (2_755_488, {}), (7_624_608, {"unit": "D1"})),
    macs("7.785", (384, 384), COUNTED, classes=8),
    macs("22.05", (384, 384), COUNTED, {"unit": "D1"}, classes=8),
    *_ablation("ESP encoder, ESP decoder, no sharing", ("0.49", "30.39"), ("1.95", "35.23")),
    *_ablation("ESP encoder, ESP decoder, added", ("0.49", "32.12"), ("1.95", "36.19")),
    *_ablation("ESP encoder, ESP decoder, concatenated", ("0.57", "34.58"), ("2.25", "38.03")),
    *_ablation("RCB encoder, RCB decoder, no sharing", ("1.72", "33.05"), ("6.84", "37.93")),
    *_ablation("RCB encoder, RCB decoder, added", ("1.72", "36.34"), ("6.84", "39.21")),
    *_ablation("RCB encoder, RCB decoder, concatenated", ("1.81", "38.75"), ("7.16", "40.23")),
    # Those of width 128 are the networks that can be built.
    *_ablation("ESP encoder, PSP decoder, concatenated", ("0.69", "37.12"), None),
    *_ablation("RCB encoder, PSP decoder, concatenated", ("1.91", "41.96"), None),
)

_JOINT: Figures = (
    Figure("mIoU", "43.24", _TISSUE, YNET),
    Figure("mIoU", "43.11", _TISSUE, YNET, {"unit": "D1"}),
    Figure("diagnosis accuracy", "62.5", "breast biopsies, discriminative mask", YNET),
    Figure("diagnosis accuracy", "53.25", "breast biopsies, mask of all tissues", YNET),
    Figure("diagnosis accuracy", "52.22", "breast biopsies, mask without background", YNET),
    Figure("diagnosis accuracy", "48.06", "breast biopsies, mask without stroma", YNET),
    parameters("3.91", YNET, classes=8),
    parameters("9.11", YNET, {"unit": "D1"}, classes=8),
    *counted(COUNTED, 8, (3_913_381, {}), (9_110_437, {"unit": "D1"})),
    macs("8.236", (384, 384), COUNTED, classes=8),
    macs("22.78", (384, 384), COUNTED, {"unit": "D1"}, classes=8),
)

FIGURES = {
    "espnet-c": _ESPNET_C,
    "espnet": _ESPNET,
    "espnetv2": _ESPNETV2,
    "ynet": _YNET,
    "ynet-joint": _JOINT,
}
"""By the architecture's name."""
