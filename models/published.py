"""What has been published about each architecture: accuracy, size, speed, and by whom.

Only figures that stand in a paper, a repository or an answer of the authors, and parameters
counted by running the original code.  What is read off a chart says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Measure = Literal[
    "mIoU",
    "category mIoU",
    "diagnosis accuracy",
    "speed",
    "parameters",
    "parameters folded",
    "MACs",
    "MACs folded",
]

UNITS: dict[Measure, str] = {
    "mIoU": "%",
    "category mIoU": "%",
    "diagnosis accuracy": "%",
    "speed": "FPS",
    "parameters": "M",
    "parameters folded": "M",
    "MACs": "G",
    "MACs folded": "G",
}


@dataclass(frozen=True)
class Figure:
    """One published number.

    Attributes
    ----------
    measure : str
        What is measured; its unit stands in `UNITS`.
    value : float
        In that unit, with the digits that were published.
    on : str
        Data set and part of it, size of the pictures and device, or number of classes.
    source : str
        Who says so.
    arguments : dict
        Of the architecture, where they are not those that it has if left out.
    classes : int
        That parameters and operations are counted at.
    """

    measure: Measure
    value: float
    on: str
    source: str
    arguments: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    classes: int = 19

    @property
    def unit(self) -> str:
        """What `value` counts: per cent, millions and the like."""
        return UNITS[self.measure]

    @property
    def text(self) -> str:
        """Measure, value and unit, and the arguments where there are any."""
        form = ", ".join(f"{key}={value}" for key, value in self.arguments.items())
        return f"{self.measure} {self.value:.10g} {self.unit}" + (f" with {form}" if form else "")


def list_figures(name: str) -> tuple[Figure, ...]:
    """Return what has been published about an architecture, nothing for one unknown here."""
    return PUBLISHED.get(name, ())


def _counted(
    source: str, *counts: tuple[int, Mapping[str, bool | int | float | str], int]
) -> tuple[Figure, ...]:
    """Return parameters that were counted in the original code: number, arguments, classes."""
    return tuple(
        Figure("parameters", count / 1e6, f"{classes} classes", source, arguments, classes)
        for count, arguments, classes in counts
    )


def _streets(
    source: str,
    *,
    val: float | None = None,
    test: float | None = None,
    fps: float | None = None,
    device: str = "",
    arguments: Mapping[str, bool | int | float | str] | None = None,
) -> tuple[Figure, ...]:
    """Return mean IoU on Cityscapes and pictures per second."""
    found = (
        ("mIoU", val, "Cityscapes val"),
        ("mIoU", test, "Cityscapes test"),
        ("speed", fps, device),
    )
    return tuple(
        Figure(measure, value, on, source, arguments or {})  # type: ignore[arg-type]
        for measure, value, on in found
        if value is not None
    )


ESPNET, EDGENETS, YNET = "ESPNet's authors", "EdgeNets' README", "YNet's project page"
MMSEG, COUNTED_MMSEG = "MMSegmentation's model zoo", "MMSegmentation 1.0, counted"
COUNTED = "the authors' code, counted"
RDRNET, PIDNET, PADDLE = "RDRNet's README", "PIDNet's README", "PaddleSeg's PP-LiteSeg README"
CHART = "ESPNet's paper, read off the chart (±0.5)"

PRETRAINED = "Cityscapes val, encoder from ImageNet"
TITAN = "1024×512, Titan X"
V100 = "V100"
RTX3090 = "2048×1024, RTX 3090"
GTX1080 = "1024×512, GTX 1080 Ti"


def _chart(category: float, fps: float) -> tuple[Figure, ...]:
    return (
        Figure("category mIoU", category, "Cityscapes test", CHART),
        Figure("speed", fps, TITAN, CHART),
    )


PUBLISHED: dict[str, tuple[Figure, ...]] = {
    "espnet-c": (
        Figure("mIoU", 53.3, "Cityscapes val", "ESPNet's author, issue 9"),
        Figure("parameters", 0.187, "20 classes", "ESPNet's poster", {"alpha3": 3}, 20),
        *_counted(COUNTED, (349_449, {}, 20), (349_193, {}, 19), (187_529, {"alpha3": 3}, 20)),
    ),
    "espnet": (
        Figure("mIoU", 60.336, "Cityscapes test", ESPNET),
        Figure("category mIoU", 82.178, "Cityscapes test", ESPNET),
        Figure("mIoU", 61.4, "Cityscapes val", "ESPNet's author, issue 9"),
        Figure("mIoU", 55.64, "CamVid test, 480×360", ESPNET),
        Figure("mIoU", 63.01, "VOC 2012 test", ESPNET),
        Figure("mIoU", 40.0, "Mapillary, never trained on", ESPNET),
        Figure("speed", 112.0, TITAN, ESPNET),
        Figure("speed", 9.0, "1024×512, Jetson TX2", ESPNET),
        Figure("parameters", 0.36, "20 classes", "ESPNet's README", {}, 20),
        *_counted(COUNTED, (364_569, {}, 20), (362_949, {}, 19)),
        Figure("MACs", 4.5, "1024×512", "ESPNet's README", {}, 20),
    ),
    "espnetv2": (
        *(
            Figure("mIoU", value, "Cityscapes val, 1024×512", EDGENETS, {"width": width})
            for width, value in ((0.5, 53.9), (1.0, 60.1), (1.5, 63.8), (2.0, 66.4))
        ),
        Figure("mIoU", 66.2, "Cityscapes test, 1024×512", EDGENETS, {"width": 2.0}),
        *(
            Figure("mIoU", value, "VOC 2012 val, 384×384", EDGENETS, {"width": width})
            for width, value in ((0.5, 47.18), (1.0, 60.22), (1.5, 63.67), (2.0, 67.01))
        ),
        Figure("mIoU", 67.95, "VOC 2012 test, 384×384", EDGENETS, {"width": 2.0}),
        *(
            Figure("parameters", value, "20 classes", EDGENETS, {"width": width}, 20)
            for width, value in ((0.5, 0.08), (1.0, 0.23), (1.5, 0.47), (2.0, 0.79))
        ),
        *(
            Figure("MACs", value, "1024×512", EDGENETS, {"width": width}, 20)
            for width, value in ((0.5, 0.598), (1.0, 1.087), (1.5, 1.715), (2.0, 2.699))
        ),
        *_counted(
            COUNTED,
            (234_010, {}, 20),
            (340_782, {"decoder": "standalone"}, 20),
        ),
    ),
    "ynet": (
        Figure("mIoU", 44.03, "breast biopsies, 8 tissues", YNET),
        Figure("mIoU", 44.19, "breast biopsies, 8 tissues", YNET, {"unit": "D1"}),
        Figure("parameters", 2.75, "8 classes", YNET, {}, 8),
        Figure("parameters", 7.62, "8 classes", YNET, {"unit": "D1"}, 8),
        *_counted(COUNTED, (2_755_488, {}, 8), (7_624_608, {"unit": "D1"}, 8)),
    ),
    "ynet-joint": (
        Figure("mIoU", 43.24, "breast biopsies, 8 tissues", YNET),
        Figure("mIoU", 43.11, "breast biopsies, 8 tissues", YNET, {"unit": "D1"}),
        Figure("diagnosis accuracy", 62.5, "breast biopsies, discriminative mask", YNET),
        Figure("parameters", 3.91, "8 classes", YNET, {}, 8),
        Figure("parameters", 9.11, "8 classes", YNET, {"unit": "D1"}, 8),
        *_counted(COUNTED, (3_913_381, {}, 8), (9_110_437, {"unit": "D1"}, 8)),
    ),
    "enet": (
        *_streets("PyTorch-ENet's README", val=59.5),
        *_streets("ENet's paper", test=58.3),
        Figure("mIoU", 52.1, "CamVid test", "PyTorch-ENet's README"),
        Figure("mIoU", 51.3, "CamVid test, 480×360", ESPNET),
        Figure("mIoU", 33.0, "Mapillary, never trained on", ESPNET),
        *_counted("PyTorch-ENet, counted", (351_660, {}, 19), (350_652, {}, 12)),
    ),
    "erfnet": (
        *_streets("erfnet_pytorch's README", val=72.1, test=69.8),
        Figure("mIoU", 25.0, "Mapillary, never trained on", ESPNET),
        *_streets(MMSEG, val=72.5, fps=15.3, device=V100, arguments={"form": "mmseg"}),
        *_counted(COUNTED, (2_066_642, {}, 19)),
        *_counted(COUNTED_MMSEG, (2_084_095, {"form": "mmseg"}, 19)),
        Figure("parameters", 2.06, "20 classes", "erfnet_pytorch's README", {}, 20),
    ),
    "icnet": (
        *_streets(
            "ICNet's README",
            val=67.7,
            test=69.5,
            fps=30.3,
            device="2048×1024, Titan X",
            arguments={"form": "caffe"},
        ),
        *_streets("ICNet-pytorch's README", val=71.0, fps=52.6, device="GTX 1080 Ti"),
        *(
            figure
            for backbone, accuracy, fps, count in (
                ("resnet18", 68.14, 27.1, 25_174_393),
                ("resnet50", 68.91, 20.1, 47_827_833),
                ("resnet101", 70.28, 17.0, 66_819_961),
            )
            for figure in (
                *_streets(
                    MMSEG,
                    val=accuracy,
                    fps=fps,
                    device=V100,
                    arguments={"form": "mmseg", "backbone": backbone},
                ),
                *_counted(COUNTED_MMSEG, (count, {"form": "mmseg", "backbone": backbone}, 19)),
            )
        ),
    ),
    "rdrnet-s-simple": (
        *_streets(RDRNET, val=76.7, test=75.4, fps=134.6, device=RTX3090),
        Figure("parameters folded", 7.2, "19 classes, auxiliary head counted", RDRNET),
        *_counted(COUNTED, (8_833_126, {}, 19)),
        Figure("MACs folded", 41.0, "2048×1024", RDRNET),
    ),
    "rdrnet-s": (
        *_streets(RDRNET, val=76.8, test=76.0, fps=129.4, device=RTX3090),
        Figure("parameters folded", 7.3, "19 classes, auxiliary head counted", RDRNET),
        *_counted(COUNTED, (8_946_406, {}, 19)),
        Figure("MACs folded", 43.4, "2048×1024", RDRNET),
    ),
    "rdrnet-m": (
        *_streets(RDRNET, val=78.8, test=78.3, fps=52.5, device=RTX3090),
        Figure("parameters folded", 26.0, "19 classes, auxiliary head counted", RDRNET),
        *_counted(COUNTED, (30_867_366, {}, 19)),
        Figure("MACs folded", 162.0, "2048×1024", RDRNET),
    ),
    "rdrnet-l": (
        *_streets(RDRNET, val=79.6, test=78.6, fps=39.0, device=RTX3090),
        Figure("parameters folded", 36.9, "19 classes, auxiliary head counted", RDRNET),
        *_counted(COUNTED, (43_345_830, {}, 19)),
        Figure("MACs folded", 238.0, "2048×1024", RDRNET),
    ),
    "fcn8s": _chart(85.7, 15.0),
    "segnet": (
        *_chart(79.1, 17.0),
        Figure("mIoU", 55.6, "CamVid test, 480×360", ESPNET),
    ),
    "sqnet": _chart(84.3, 28.0),
    "pspnet": _chart(90.6, 5.0),
    "deeplabv2": _chart(86.4, 7.0),
    "bisenetv1": (
        *_streets(RDRNET, val=74.4, test=73.6, fps=65.9, device=RTX3090),
        *_streets(MMSEG, val=75.16),
        *_counted(COUNTED_MMSEG, (13_425_721, {}, 19)),
    ),
    "bisenetv2": (
        *_streets(RDRNET, val=73.6, test=72.2, fps=74.4, device=RTX3090),
        *_streets(MMSEG, val=75.76),
        *_counted(COUNTED_MMSEG, (14_804_255, {}, 19)),
    ),
    "fast-scnn": (
        *_streets(MMSEG, val=70.96, fps=56.5, device=V100),
        *_counted(COUNTED_MMSEG, (1_456_617, {}, 19)),
    ),
    "cgnet": (
        *_streets("CGNet's paper", test=64.8),
        *_streets(MMSEG, val=68.27, fps=31.1, device=V100, arguments={"form": "mmseg"}),
        *_counted(COUNTED, (496_306, {}, 19)),
        *_counted(COUNTED_MMSEG, (496_325, {"form": "mmseg"}, 19)),
    ),
    "dabnet": (
        *_streets("DABNet's authors", test=70.1),
        *_counted(COUNTED, (756_643, {}, 19)),
    ),
    "stdc1": (
        *_streets(MMSEG, val=71.82, fps=23.1, device=V100),
        Figure("mIoU", 74.94, PRETRAINED, MMSEG),
        *_streets(PADDLE, test=71.9, fps=250.4, device=GTX1080),
        *_counted(COUNTED_MMSEG, (8_573_022, {}, 19)),
    ),
    "stdc2": (
        *_streets(MMSEG, val=73.15, fps=23.7, device=V100),
        Figure("mIoU", 76.67, PRETRAINED, MMSEG),
        *_streets(PADDLE, test=73.4, fps=188.6, device=GTX1080),
        *_counted(COUNTED_MMSEG, (12_603_486, {}, 19)),
    ),
    "ddrnet23-slim": (
        *_streets(RDRNET, val=76.3, test=74.6, fps=131.7, device=RTX3090),
        *_counted(COUNTED_MMSEG, (5_734_278, {}, 19)),
    ),
    "ddrnet23": (
        *_streets(RDRNET, val=78.0, test=77.6, fps=54.6, device=RTX3090),
        *_counted(COUNTED_MMSEG, (20_299_238, {}, 19)),
    ),
    "pidnet-s": (
        *_streets(PIDNET, val=78.8, test=78.6, fps=93.2, device=RTX3090),
        *_streets(RDRNET, val=76.4, test=76.2, fps=102.6, device=RTX3090),
        *_streets(MMSEG, val=78.74),
        *_counted(COUNTED_MMSEG, (7_720_871, {}, 19)),
    ),
    "pidnet-m": (
        *_streets(PIDNET, val=79.9, test=79.8, fps=42.2, device=RTX3090),
        *_streets(RDRNET, val=78.2, test=78.3, fps=42.0, device=RTX3090),
        *_streets(MMSEG, val=80.22),
        *_counted(COUNTED_MMSEG, (28_762_983, {}, 19)),
    ),
    "pidnet-l": (
        *_streets(PIDNET, val=80.9, test=80.6, fps=31.1, device=RTX3090),
        *_streets(RDRNET, val=78.8, test=78.4, fps=31.8, device=RTX3090),
        *_streets(MMSEG, val=80.89),
        *_counted(COUNTED_MMSEG, (37_314_183, {}, 19)),
    ),
    "pp-liteseg": (
        *_streets(PADDLE, val=73.1, test=72.0, fps=273.6, device=GTX1080),
        *_streets(
            PADDLE, val=75.3, test=73.9, fps=195.3, device=GTX1080, arguments={"backbone": "stdc2"}
        ),
        Figure("mIoU", 73.3, "CamVid test, 960×720", PADDLE),
        Figure("mIoU", 75.1, "CamVid test, 960×720", PADDLE, {"backbone": "stdc2"}),
    ),
}
"""Figures by the architecture's name."""
