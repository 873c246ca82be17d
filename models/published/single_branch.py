"""Figures of other networks with one path through them, and of ICNet's cascade."""

from __future__ import annotations

from wsiseg.models.published.figure import Figure
from wsiseg.models.published.shorthand import (
    COUNTED,
    COUNTED_MMSEG,
    ESPNET,
    MMSEG,
    SMALL,
    V100,
    YNET,
    Figures,
    chart,
    cityscapes,
    counted,
    macs,
    parameters,
)

_CAMVID = "CamVid test, 480×360"
_UNSEEN = "Mapillary, never trained on"
_CAFFE, _SAEMANN = "1024×512, Caffe, Titan X (Pascal)", "TimoSaemann's ENet"

_ENET: Figures = (
    *cityscapes("PyTorch-ENet's README", val="59.5"),
    *cityscapes("ENet's paper", test="58.3"),
    *chart("80.4", "89"),
    Figure("mIoU", "52.1", "CamVid test", "PyTorch-ENet's README"),
    Figure("mIoU", "51.3", _CAMVID, ESPNET),
    Figure("class accuracy", "68.3", _CAMVID, ESPNET),
    Figure("mIoU", "33", _UNSEEN, ESPNET),
    Figure("speed", "49.0", f"{_CAFFE}, 20.4 ms", _SAEMANN),
    *counted("PyTorch-ENet, counted", 20, (351_804, {})),
    *counted("PyTorch-ENet, counted", 19, (351_660, {})),
    *counted("PyTorch-ENet, counted", 12, (350_652, {}), (359_780, {"form": "camvid"})),
)

_ERFNET: Figures = (
    *cityscapes("erfnet_pytorch's README", val="72.1", test="69.8"),
    *cityscapes("ERFNet's paper", val="70.0", test="68.0"),
    *chart("86.5", "48"),
    Figure("mIoU", "25", _UNSEEN, ESPNET),
    *cityscapes(MMSEG, val="72.5", fps="15.3", device=V100, arguments={"form": "mmseg"}),
    parameters("2.06", "erfnet_pytorch's README", classes=20),
    *counted(COUNTED, 20, (2_066_836, {})),
    *counted(COUNTED, 19, (2_066_642, {})),
    *counted(COUNTED_MMSEG, 19, (2_084_095, {"form": "mmseg"})),
)

_LIMINN = "ICNet-pytorch, counted"
_NOT_USED = (
    "theirs runs all of the residual network on the half picture and keeps its first two stages, "
    "and classifies for training too"
)


def _icnet_of_mmsegmentation() -> Figures:
    rows = (
        ("resnet18", "68.14", "74.43", "27.1", 25_174_393),
        ("resnet50", "68.91", "76.29", "20.1", 47_827_833),
        ("resnet101", "70.28", "76.15", "17.0", 66_819_961),
    )
    found: list[Figure] = []
    for backbone, scratch, pretrained, fps, count in rows:
        form = {"form": "mmseg", "backbone": backbone}
        found += cityscapes(MMSEG, val=scratch, fps=fps, device=V100, arguments=form)
        on = "Cityscapes val, encoder from ImageNet, 160 000 steps"
        found.append(Figure("mIoU", pretrained, on, MMSEG, form))
        found += counted(COUNTED_MMSEG, 19, (count, form))
    return tuple(found)


_ICNET: Figures = (
    *cityscapes(
        "ICNet's README",
        val="67.7",
        test="69.5",
        fps="30.3",
        device="2048×1024, Titan X",
        arguments={"form": "caffe"},
    ),
    *counted(
        "ICNet's prototxt, counted", 19, (6_699_987, {"form": "caffe"}), measure="parameters folded"
    ),
    *cityscapes("ICNet-pytorch's README", val="71.0", fps="52.6", device="GTX 1080 Ti"),
    *counted(_LIMINN, 19, (28_298_376, {}), (47_290_504, {"backbone": "resnet101"})),
    macs("73.63", SMALL, _LIMINN, note=_NOT_USED),
    macs("122.1", SMALL, _LIMINN, {"backbone": "resnet101"}, note=_NOT_USED),
    *_icnet_of_mmsegmentation(),
)

FIGURES: dict[str, Figures] = {
    "enet": _ENET,
    "erfnet": _ERFNET,
    "icnet": _ICNET,
    "cgnet": (
        *cityscapes("CGNet's paper", test="64.8"),
        *cityscapes(MMSEG, val="68.27", fps="31.1", device=V100, arguments={"form": "mmseg"}),
        *counted(COUNTED, 19, (496_306, {})),
        *counted(COUNTED, 11, (494_258, {})),
        *counted(COUNTED_MMSEG, 19, (496_325, {"form": "mmseg"})),
    ),
    "dabnet": (
        *cityscapes("DABNet's authors", test="70.1"),
        *counted(COUNTED, 19, (756_643, {})),
    ),
    "fcn8s": chart("85.7", "15"),
    "segnet": (
        *chart("79.1", "17"),
        Figure("mIoU", "55.6", _CAMVID, ESPNET),
        Figure("class accuracy", "65.2", _CAMVID, ESPNET),
        Figure("speed", "15.0", f"{_CAFFE}, 66.5 ms", _SAEMANN),
        parameters("29.4", _SAEMANN),
        Figure("size", "117.8", "19 classes", _SAEMANN),
        Figure("mIoU", "37.6", "breast biopsies, 8 tissues", YNET),
        Figure(
            "parameters", "12.8", "8 classes", YNET, classes=8, variant="the form compared there"
        ),
    ),
    "sqnet": chart("84.3", "28"),
    "pspnet": chart("90.6", "5"),
    "deeplabv2": chart("86.4", "7"),
}
"""By the architecture's name."""
