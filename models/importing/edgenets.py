"""The layout of EdgeNets: ``base_net.…``, ``bu_dec_l1.…``, ``merge_enc_dec_l2.…``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from wsiseg.models.importing.espnetv2 import ESPNetv2Layout
from wsiseg.models.normalisation import IMAGENET, Normalisation


class EdgeNetsLayout(ESPNetv2Layout):
    """ESPNetv2 as the EdgeNets repository published it (MIT)."""

    authors = "EdgeNets' authors"
    normalisations: ClassVar[Mapping[str, Normalisation]] = {
        "cityscapes": IMAGENET,
        "voc": IMAGENET,
    }
    decoder = "edgenets"
    encoder = "base_net"
    classifier = "bu_dec_l4.merge_layer.3.weight"
    decoder_renames = (
        # They count from the deepest level, we count as the encoder does.
        *((rf"^bu_dec_l{5 - level}\.", f"decoder.pyramid{level}.") for level in (1, 2, 3, 4)),
        *((rf"^merge_enc_dec_l{5 - level}\.", f"decoder.merge{level}.") for level in (1, 2, 3)),
        *((rf"^bu_br_l{5 - level}\.", f"decoder.fuse{level}.br.") for level in (1, 2, 3)),
        (r"\.projection_layer\.", ".project."),
        (r"\.stages\.", ".branches."),
        (r"\.merge_layer\.0\.", ".gather."),
        (r"\.merge_layer\.2\.", ".merge."),
        (r"\.merge_layer\.3\.", ".expand."),
        (r"\.br\.br\.", ".fuse.br."),
        (r"\.wt_layer\.1\.", ".gate."),
        (r"\.expansion_layer\.", ".expand."),
        (r"\.cbr\.0\.", ".conv."),
        (r"\.(cbr\.1|br\.0)\.", ".norm."),
        (r"\.(cbr\.2|br\.1)\.", ".act."),
    )
