"""What stands beside a mask: stores of bytes for the same pixels, such as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsiseg.classes import LabelClass
from wsiseg.store.arrays import create_array, write_group
from wsiseg.store.checking import has_expected_layout
from wsiseg.store.disk import Json
from wsiseg.store.metadata import VERSION, Placement, multiscales
from wsiseg.store.pyramid import Heartbeat, build_pyramid, halve_by_mean
from wsiseg.tiling.slides.own_stores import HOLDS, OURS

NOTHING = 0
"""The value of what was not analysed."""

_UNCERTAIN = LabelClass("uncertainty", (255, 255, 0))


@dataclass(frozen=True)
class Companion:
    """A store beside a mask: bytes, 255 for 1.0 and 0 where nothing was analysed.

    Attributes
    ----------
    name : str
        What it holds.
    path : Path
        Its folder.
    channels : tuple of LabelClass
        Names and colours of its planes.
    stacked : bool
        Whether the planes are stacked along an axis of channels; otherwise there is only one.
    """

    name: str
    path: Path
    channels: tuple[LabelClass, ...]
    stacked: bool

    def shape(self, plane: tuple[int, int]) -> tuple[int, ...]:
        """Return its shape beside a mask of `plane`, ``(H, W)``."""
        return (len(self.channels), *plane) if self.stacked else plane

    def create(self, plane: tuple[int, int]) -> None:
        """Create the array of level 0, empty."""
        create_array(self.path / "0", self.shape(plane), fill_value=NOTHING)

    def exists(self, plane: tuple[int, int]) -> bool:
        """Tell whether there is such an array of level 0."""
        return has_expected_layout(self.path / "0", self.shape(plane), fill_value=NOTHING)

    def finish(self, name: str, placement: Placement, notes: Json, heartbeat: Heartbeat) -> None:
        """Build the pyramid and write the metadata, as of a mask.

        Parameters
        ----------
        name : str
            Name that viewers show.
        placement : Placement
            Where the mask lies on the slide.
        notes : dict
            Attributes under the key ``wsiseg``.
        heartbeat : callable
            Called after every shard; may raise to cancel.
        """
        levels = build_pyramid(self.path, halve_by_mean, heartbeat)
        scales = multiscales(name, placement, levels, method="mean", channels=self.stacked)
        omero = {"channels": [_describe(entry) for entry in self.channels]}
        ome: Json = {"version": VERSION, "multiscales": scales, "omero": omero}
        write_group(self.path, {"ome": ome, OURS: {**notes, HOLDS: self.name}})


def list_companions(
    classes: Sequence[LabelClass], probabilities: Path | None, uncertainty: Path | None
) -> list[Companion]:
    """Return the companions of a mask that are kept.

    Parameters
    ----------
    classes : sequence of LabelClass
        In the order of the labels.
    probabilities, uncertainty : Path or None
        Their folders, if they are kept.
    """
    found = []
    if probabilities is not None:
        found.append(Companion("probabilities", probabilities, tuple(classes), stacked=True))
    if uncertainty is not None:
        found.append(Companion("uncertainty", uncertainty, (_UNCERTAIN,), stacked=False))
    return found


def _describe(entry: LabelClass) -> Json:
    return {
        "label": entry.name,
        "color": "".join(f"{value:02X}" for value in entry.colour),
        "active": True,
        "window": {"min": 0, "max": 255, "start": 0, "end": 255},
    }
