"""The names that residual networks have in nearly all programs: ``layer1.0.conv2`` and so on."""

from __future__ import annotations

import re

from wsiseg.models.importing.key_renaming import Renames, State, count_numbered
from wsiseg.models.layers.resnet import Backbone

_BACKBONES: dict[int, Backbone] = {2: "resnet18", 6: "resnet50", 23: "resnet101"}


def _stem(match: re.Match[str]) -> str:
    # Convolution, norm and ReLU are numbered in a row.
    layer, part = divmod(int(match[1]), 3)
    return f"resnet.stem.{layer}.{('conv', 'norm')[part]}."


RESNET: Renames = (
    (r"\bresnet\.(?:stem|conv1)\.(\d)\.(?=weight|bias|running|num)", _stem),
    (r"\bresnet\.conv1\.(?!\d)", "resnet.stem.0.conv."),
    (r"\bresnet\.bn1\.", "resnet.stem.0.norm."),
    (r"\bresnet\.layer([1-4])\.", lambda m: f"resnet.stages.{int(m[1]) - 1}."),
    (r"(\.stages\.\d\.\d+)\.conv(\d)\.", lambda m: f"{m[1]}.convs.{int(m[2]) - 1}.conv."),
    (r"(\.stages\.\d\.\d+)\.bn(\d)\.", lambda m: f"{m[1]}.convs.{int(m[2]) - 1}.norm."),
    (r"(\.stages\.\d\.\d+)\.downsample\.0\.", r"\1.shortcut.conv."),
    (r"(\.stages\.\d\.\d+)\.downsample\.1\.", r"\1.shortcut.norm."),
)
"""Patterns for a residual network that is called ``resnet`` already."""


def read_backbone(state: State, prefix: str) -> Backbone:
    """Return which residual network a state dict holds, by the blocks of its third stage.

    Parameters
    ----------
    state : mapping of str to Tensor
        Under the authors' names.
    prefix : str
        Before the names of the residual network: ``"backbone."``.

    Returns
    -------
    {"resnet18", "resnet50", "resnet101"}

    Raises
    ------
    ValueError
        For any other depth.
    """
    blocks = count_numbered(state, f"{prefix}layer3.")
    bottlenecks = f"{prefix}layer1.0.conv3.weight" in state
    if blocks not in _BACKBONES or bottlenecks != (blocks > 2):
        msg = f"no residual network has {blocks} blocks in its third stage"
        raise ValueError(msg)
    return _BACKBONES[blocks]
