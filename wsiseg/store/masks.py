"""Writes masks as OME-Zarr 0.5 label images, band by band."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from zarr.types import AnyArray

from wsiseg.classes import LabelClass
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.store.arrays import UNFINISHED_BY_ZARR, create_array, open_array, write_group
from wsiseg.store.checking import band_is_intact, has_expected_layout
from wsiseg.store.companions import list_companions
from wsiseg.store.disk import Json, remove_tree, translate_write_errors
from wsiseg.store.journal import BandRecord
from wsiseg.store.metadata import VERSION, Placement, image_label, multiscales
from wsiseg.store.pyramid import Heartbeat, build_pyramid, halve_by_mode, no_heartbeat
from wsiseg.store.shard_counts import SHARDS, count_shards
from wsiseg.tiling.bands import NO_LABEL, Band
from wsiseg.tiling.boxes import Box

RAW = "raw"
"""Array of labels as the network gave them, in a mask that is unfinished."""


class MaskStore:
    """A mask that is being written, and its companions: probabilities, uncertainty.

    Until :meth:`finish` the folder holds arrays without metadata, so that no program takes it for
    a finished mask.

    Parameters
    ----------
    path : Path
        ``NAME.ome.zarr``.
    shape : tuple of int
        ``(height, width)`` of the working plane.
    classes : sequence of LabelClass
        In the order of the labels.
    probabilities : Path or None
        ``NAME.probabilities.ome.zarr``, if they are kept.
    uncertainty : Path or None
        ``NAME.uncertainty.ome.zarr``, if it is kept.
    fresh : bool
        Whether to create empty arrays; otherwise those on disk are opened.
    raw : bool
        Whether bands go to an array of their own, :data:`RAW`, as level 0 is made of it later.

    Attributes
    ----------
    labels : zarr.Array
        uint8 ``(H, W)``, to which bands go: level 0, or the raw labels.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import zarr
    >>> from wsiseg.classes import numbered_classes
    >>> from wsiseg.tiling import Box
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = MaskStore(Path(folder, "a.ome.zarr"), (2, 3), numbered_classes(2))
    ...     store.write(Band(Box(0, 0, 2, 3), np.array([[0, 1, 1], [0, 0, 1]], np.uint8)))
    ...     store.finish("a", Placement(mpp=0.5, slide_scale=2.0), {"slide": "a.svs"})
    ...     np.asarray(zarr.open_group(store.path)["0"]).tolist()
    [[0, 1, 1], [0, 0, 1]]
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int],
        classes: Sequence[LabelClass],
        *,
        probabilities: Path | None = None,
        uncertainty: Path | None = None,
        fresh: bool = True,
        raw: bool = False,
    ) -> None:
        self.path = path = as_place(path)
        self._classes = tuple(classes)
        self._companions = list_companions(classes, probabilities, uncertainty)
        with translate_write_errors(path):
            if fresh:
                create_array(path / "0", shape, fill_value=NO_LABEL)
                if raw:
                    create_array(path / RAW, shape, fill_value=NO_LABEL)
                for companion in self._companions:
                    companion.create(shape)
            level = path / (RAW if raw else "0")
            self.labels = open_array(level, mode="r+")
            self._beside: dict[str, AnyArray] = {
                companion.name: open_array(companion.path / "0", mode="r+")
                for companion in self._companions
            }
        beside = (companion.path / "0" for companion in self._companions)
        self._places = dict(
            zip((level, *beside), (self.labels, *self._beside.values()), strict=True)
        )

    @staticmethod
    def can_resume(
        path: Path,
        shape: tuple[int, int],
        classes: Sequence[LabelClass],
        *,
        probabilities: Path | None = None,
        uncertainty: Path | None = None,
        raw: bool = False,
    ) -> bool:
        """Tell whether there are arrays on disk with the layout of this mask.

        Parameters
        ----------
        path : Path
            ``NAME.ome.zarr``.
        shape : tuple of int
            ``(height, width)`` of the working plane.
        classes : sequence of LabelClass
            In the order of the labels.
        probabilities, uncertainty : Path or None
            Stores of companions, if they are kept.
        raw : bool
            Whether bands went to the array of raw labels.
        """
        companions = list_companions(classes, probabilities, uncertainty)
        level = path / (RAW if raw else "0")
        return has_expected_layout(level, shape, fill_value=NO_LABEL) and all(
            companion.exists(shape) for companion in companions
        )

    def has_band(self, record: BandRecord) -> bool:
        """Tell whether a band is on disk as its record says, see :func:`band_is_intact`."""
        return band_is_intact(record, self.labels, self._beside, len(self._classes))

    def remove_band(self, box: Box) -> bool:
        """Remove the shards of a band, so that it can be written again.

        What a killed process was just writing, under Zarr's other name, goes as well.

        Parameters
        ----------
        box : Box
            The band.

        Returns
        -------
        bool
            Whether there was a shard.
        """
        found = False
        with translate_write_errors(self.path):
            for place, array in self._places.items():
                unfinished = _shards(place, array, box, UNFINISHED_BY_ZARR)
                for shard in (*_shards(place, array, box), *unfinished):
                    found |= shard.name.isdigit()
                    if isinstance(shard, RemotePath):
                        shard.unlink(missing_ok=True)
                    elif shard.is_dir() and not shard.is_symlink():
                        shutil.rmtree(shard)
                    else:
                        shard.unlink()
        return found

    def write(self, band: Band) -> None:
        """Write a band and sync it to disk.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        rows, columns = slice(band.box.y, band.box.bottom), slice(band.box.x, band.box.right)
        with translate_write_errors(self.path):
            if not band.touched:
                # What is not there reads as not analysed.
                self.remove_band(band.box)
                return
            self.labels[rows, columns] = band.labels
            for name, array in self._beside.items():
                array[..., rows, columns] = band.companions[name]
            if isinstance(self.path, RemotePath):
                # What an object store has taken is there to stay.
                return
            for place, array in self._places.items():
                for shard in _shards(place, array, band.box):
                    _flush(shard)

    def finish(
        self, name: str, placement: Placement, notes: Json, heartbeat: Heartbeat = no_heartbeat
    ) -> None:
        """Build the pyramid and write the metadata, which makes the folder a mask.

        Parameters
        ----------
        name : str
            Name that viewers show.
        placement : Placement
            Where the working plane lies on the slide.
        notes : dict
            Attributes under the key ``wsiseg``, beside ``ome``.
        heartbeat : callable
            Called after every shard; may raise to cancel.
        """
        with translate_write_errors(self.path):
            for companion in self._companions:
                companion.finish(name, placement, notes, heartbeat)
            finish_mask(self.path, self._classes, name, placement, notes=notes, heartbeat=heartbeat)


def finish_mask(
    path: Path,
    classes: Sequence[LabelClass] | Mapping[int, LabelClass],
    name: str,
    placement: Placement,
    *,
    notes: Json,
    heartbeat: Heartbeat = no_heartbeat,
) -> None:
    """Build the pyramid of a mask from its level 0, and write its metadata.

    Parameters
    ----------
    path : Path
        The folder with the array ``0``.
    classes : sequence or mapping of LabelClass
        In the order of the labels, or by them.
    name : str
        Name that viewers show.
    placement : Placement
        Where the mask lies on the slide.
    notes : dict
        Attributes under the key ``wsiseg``, beside ``ome``.
    heartbeat : callable
        Called after every shard; may raise to cancel.
    """
    levels = build_pyramid(path, halve_by_mode, heartbeat)
    scales = multiscales(name, placement, levels, method="mode")
    ome = {"version": VERSION, "multiscales": scales, "image-label": image_label(classes)}
    write_group(path, {"ome": ome, "wsiseg": {**notes, SHARDS: count_shards(path)}})


def remove_raw(path: Path) -> None:
    """Remove the raw labels of a mask, if there are some."""
    with translate_write_errors(path):
        if (path / RAW).exists():
            remove_tree(path / RAW)


def _flush(shard: Path) -> None:
    """Sync a shard to disk, before the journal records it."""
    # Windows syncs what may be written alone.
    with shard.open("r+b") as file:
        os.fsync(file.fileno())


def _shards(place: Path, array: AnyArray, box: Box, ending: str = "") -> Iterator[Path]:
    """Yield the files of a band's shards: ``c/ROW/COLUMN``, or ``c/CHANNEL/ROW/COLUMN``.

    Objects are named whether they exist or not, as looking for them takes as long as all else.
    """
    assert array.shards is not None
    height, width = array.shards[-2:]
    for column in range(box.x // width, -(-box.right // width)):
        last = f"{box.y // height}/{column}"
        if isinstance(place, RemotePath):
            # Objects appear whole.
            for plane in () if ending else np.ndindex(*array.shape[:-2]):
                yield place.joinpath("c", *map(str, plane), last)
        else:
            yield from place.glob(f"c/{'*/' * (array.ndim - 2)}{last}{ending}")
