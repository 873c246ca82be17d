"""The layout of ESPNetv2's own repository: ``net.…``, ``proj_L4_C.…``, ``pspMod.…``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from wsiseg.models.importing.espnet import ESPNetLayout
from wsiseg.models.importing.espnetv2 import ESPNetv2Layout
from wsiseg.models.normalisation import Normalisation


class StandaloneLayout(ESPNetv2Layout):
    """ESPNetv2 as published with its paper (MIT); the pixels are those of the first ESPNet."""

    authors = "ESPNetv2's authors"
    normalisations: ClassVar[Mapping[str, Normalisation]] = {
        "cityscapes": ESPNetLayout.normalisations["cityscapes"]
    }
    decoder = "standalone"
    encoder = "net"
    classifier = "project_l1.1.conv.weight"
    decoder_renames = (
        (r"^proj_L4_C\.", "decoder.project4."),
        (r"^pspMod\.1\.stages\.(\d)\.conv\.", r"decoder.merge3.1.branches.\1."),
        (r"^pspMod\.1\.project\.", "decoder.merge3.1.merge."),
        (r"^pspMod\.0\.", "decoder.merge3.0."),
        (r"^project_l3\.1\.conv\.", "decoder.project3."),
        (r"^act_l3\.", "decoder.fuse3."),
        (r"^project_l2\.", "decoder.project2."),
        (r"^project_l1\.1\.conv\.", "decoder.project1."),
    )
