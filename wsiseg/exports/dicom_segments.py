"""The segments of a DICOM segmentation: highdicom makes the header, frames are streamed.

A frame is a tile of the mask.  Tiles without any class are left out (``TILED_SPARSE``), and each
of the others names the frames of the slide that it was made of.
"""

from __future__ import annotations

import importlib.metadata
import math
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import highdicom as hd
import numpy as np
from highdicom.frame import encode_frame
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from wsiseg.annotations.labels import Labels
from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.dicom_file import Frame, FrameSpool, write_dicom
from wsiseg.exports.dicom_source import SourceImage
from wsiseg.exports.mask import Mask
from wsiseg.store.disk import replace_when_complete
from wsiseg.text import escape_unprintable
from wsiseg.tiling.bands import NO_LABEL

_TILE = 512

_LONGEST_LABEL = 64
"""Characters of a text of the kind LO."""

_TISSUE = Code("85756007", "SCT", "Tissue")
_SEGMENTATION = Code("113076", "DCM", "Segmentation")
_SOURCE = Code("121322", "DCM", "Source image for image processing operation")


def write_segments(
    mask: Mask,
    labels: tuple[int, ...],
    levels: list[SourceImage],
    output: Path,
    progress: ProgressCallback,
    *,
    binary: bool,
) -> None:
    """Write a segmentation.

    Parameters
    ----------
    mask : Mask
        The mask.
    labels : tuple of int
        Labels that are exported: they become the segments 1, 2, and so on.
    levels : list of SourceImage
        The slide, from the finest level on.
    output : Path
        The file, which appears complete or not at all.
    progress : callable
        Called with the share that is done, 0 to 1; may raise to cancel.
    binary : bool
        Whether each segment has frames of its own, instead of one map of labels.
    """
    if not labels:
        raise ArgumentError("the mask has no class to export", mask.store)
    placed = _Placed(mask, levels)
    with (
        replace_when_complete(output) as unfinished,
        tempfile.TemporaryFile(dir=output.parent, prefix=".wsiseg-frames-") as temporary,
    ):
        spool = FrameSpool(cast("BinaryIO", temporary))
        for frame, encoded in _encode(mask, labels, progress, binary=binary):
            spool.add(frame, encoded)
        header = _make_header(mask, labels, placed, spool.digest.hexdigest(), binary=binary)
        header.NumberOfFrames = len(spool.frames)
        items = _describe(spool.frames, placed)
        write_dicom(unfinished, header, items, spool, packed=not binary)


class _Placed:
    """A mask on the glass.

    Parameters
    ----------
    mask : Mask
        The mask.
    levels : list of SourceImage
        The slide, from the finest level on.
    """

    def __init__(self, mask: Mask, levels: list[SourceImage]) -> None:
        self.shape, self.finest = mask.shape, levels[0]
        # Pixels of the file's finest level along one of the mask, and where that begins.
        self._side = [mask.side / stretch for stretch in mask.stretch]
        self._corner = [c / s for c, s in zip(mask.corner, mask.stretch, strict=True)]
        self.spacing = tuple(
            side * length for side, length in zip(self._side, self.finest.spacing, strict=True)
        )
        # Of what the tiles are said to be made: the level that has pixels of about this size.
        self.source = min(levels, key=lambda each: abs(math.log(each.spacing[0] / self.spacing[0])))
        self._frames = self.source.frames()

    def centre(self, row: int, column: int) -> tuple[float, float, float]:
        """Return where the centre of a pixel lies, in mm."""
        y, x = (
            corner + (place + 0.5) * side
            for corner, place, side in zip(self._corner, (row, column), self._side, strict=True)
        )
        return self.finest.place(y, x)

    def source_frames(self, row: int, column: int) -> list[int]:
        """Return the numbers of the source's frames that a tile meets, counted from 1."""
        met = np.ones(len(self._frames), bool)
        size = (int(self.source.header.Rows), int(self.source.header.Columns))
        for axis, place in enumerate((row, column)):
            coarser = self.finest.shape[axis] / self.source.shape[axis]
            end = min(place + _TILE, self.shape[axis])
            first, last = (
                (self._corner[axis] + edge * self._side[axis]) / coarser for edge in (place, end)
            )
            begins = self._frames[:, axis]
            met &= (begins < last) & (begins + size[axis] > first)
        return (np.flatnonzero(met) + 1).tolist()


def _encode(
    mask: Mask, labels: tuple[int, ...], progress: ProgressCallback, *, binary: bool
) -> Iterator[tuple[Frame, bytes]]:
    """Yield the frames that hold anything; the first tile if none does."""
    segments = np.zeros(NO_LABEL + 1, np.uint8)
    segments[list(labels)] = np.arange(1, len(labels) + 1)
    empty = True
    for top, rows in mask.strips(labels, progress, height=_TILE):
        for left in range(0, rows.shape[1], _TILE):
            tile = _whole_tile(segments[rows[:, left : left + _TILE]])
            found = np.flatnonzero(np.bincount(tile.ravel(), minlength=2)[1:]) + 1
            for frame, encoded in _frames(tile, found.tolist(), top, left, binary=binary):
                empty = False
                yield frame, encoded
    if empty:
        blank = np.zeros((_TILE, _TILE), np.uint8)
        yield next(_frames(blank, [1], 0, 0, binary=binary))


def _whole_tile(part: Labels) -> Labels:
    if part.shape == (_TILE, _TILE):
        return part
    return np.pad(part, [(0, _TILE - length) for length in part.shape])


def _frames(
    tile: Labels, found: list[int], top: int, left: int, *, binary: bool
) -> Iterator[tuple[Frame, bytes]]:
    if binary:
        for segment in found:
            bits = np.packbits(tile == segment, bitorder="little")
            yield Frame(top, left, segment), bits.tobytes()
    elif found:
        encoded = encode_frame(np.ascontiguousarray(tile), JPEGLSLossless, 8, 8, "MONOCHROME2")
        yield Frame(top, left, None), encoded


def _make_header(
    mask: Mask, labels: tuple[int, ...], placed: _Placed, digest: str, *, binary: bool
) -> Dataset:
    """Return all that stands before the frames, as highdicom makes it for a single tile."""
    source = placed.source.as_one_tile(_TILE)
    kind = SegmentationTypeValues.BINARY if binary else SegmentationTypeValues.LABELMAP
    measures = placed.source.header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    version = importlib.metadata.version("wsiseg")
    named = repr([mask.classes[label] for label in labels])
    sources = [str(source.SOPInstanceUID), kind.value, digest, named, version]
    header = Segmentation(
        [source],
        np.zeros((1, _TILE, _TILE), np.uint8),
        kind,
        [_describe_segment(n, mask.classes[each], version) for n, each in enumerate(labels, 1)],
        series_instance_uid=generate_uid(entropy_srcs=["series", *sources]),
        series_number=1,
        sop_instance_uid=generate_uid(entropy_srcs=["instance", *sources]),
        instance_number=1,
        manufacturer="wsiseg",
        manufacturer_model_name="wsiseg",
        software_versions=version,
        device_serial_number="none",
        content_label="WSISEG",
        content_description=_text(mask.slide),
        series_description=_text(f"wsiseg: {mask.slide}"),
        specific_character_set="ISO_IR 192",
        transfer_syntax_uid=ExplicitVRLittleEndian if binary else JPEGLSLossless,
        pixel_measures=hd.PixelMeasuresSequence(
            pixel_spacing=placed.spacing,
            slice_thickness=float(measures.get("SliceThickness") or 1e-3),
        ),
        plane_positions=[hd.PlanePositionSequence("SLIDE", placed.centre(0, 0), (1, 1))],
        omit_empty_frames=False,
        tile_pixel_array=True,
        tile_size=(_TILE, _TILE),
    )
    for keyword in ("PixelData", "PerFrameFunctionalGroupsSequence"):
        delattr(header, keyword)
    header.TotalPixelMatrixRows, header.TotalPixelMatrixColumns = placed.shape
    _repeatable(header, mask, sources)
    return header


def _describe_segment(number: int, entry: LabelClass, version: str) -> SegmentDescription:
    name = _text(entry.name)
    return SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=_TISSUE,
        # Names of classes are anybody's; a private scheme says so.
        segmented_property_type=Code(f"CLASS{number}", "99WSISEG", name),
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="wsiseg", version=version, family=codes.DCM.ArtificialIntelligence
        ),
        display_color=hd.color.CIELabColor.from_rgb(*entry.colour),
    )


def _text(text: str) -> str:
    r"""Return a text as LO holds it: a backslash would begin another value."""
    plain = escape_unprintable(text).replace("\\", "/").strip()
    return plain[:_LONGEST_LABEL].strip() or "unnamed"


def _repeatable(header: Dataset, mask: Mask, sources: list[str]) -> None:
    """Say when the mask was begun, instead of now: the same mask gives the same file."""
    array = mask.image.path / mask.image.levels[0].path.rpartition("/")[2]
    begun = datetime.fromtimestamp(array.stat().st_mtime, UTC)
    for kind in ("InstanceCreation", "Content", "Series"):
        for part, form in (("Date", "%Y%m%d"), ("Time", "%H%M%S")):
            if f"{kind}{part}" in header:
                setattr(header, f"{kind}{part}", begun.strftime(form))
    for equipment in header.get("ContributingEquipmentSequence", ()):
        equipment.ContributionDateTime = begun.strftime("%Y%m%d%H%M%S")
    dimensions = generate_uid(entropy_srcs=["dimensions", *sources])
    for item in (*header.DimensionOrganizationSequence, *header.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions


def _describe(frames: list[Frame], placed: _Placed) -> Iterator[Dataset]:
    """Yield what is said of each frame."""
    rows, columns = (
        {place: number for number, place in enumerate(sorted({*places}), 1)}
        for places in ([each.row for each in frames], [each.column for each in frames])
    )
    for frame in frames:
        item, content = Dataset(), Dataset()
        place = [rows[frame.row], columns[frame.column]]
        content.DimensionIndexValues = [*([frame.segment] if frame.segment else []), *place]
        item.FrameContentSequence = [content]
        if frame.segment is not None:
            identified = Dataset()
            identified.ReferencedSegmentNumber = frame.segment
            item.SegmentIdentificationSequence = [identified]
        item.PlanePositionSlideSequence = hd.PlanePositionSequence(
            "SLIDE", placed.centre(frame.row, frame.column), (frame.column + 1, frame.row + 1)
        )
        item.DerivationImageSequence = [_derivation(frame, placed)]
        yield item


def _derivation(frame: Frame, placed: _Placed) -> Dataset:
    derivation = Dataset()
    derivation.SourceImageSequence = [
        _made_of(placed.source, number) for number in placed.source_frames(frame.row, frame.column)
    ]
    derivation.DerivationCodeSequence = [_coded(_SEGMENTATION)]
    return derivation


def _made_of(source: SourceImage, number: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.header.SOPClassUID
    item.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    # One each, as highdicom reads it.
    item.ReferencedFrameNumber = number
    item.PurposeOfReferenceCodeSequence = [_coded(_SOURCE)]
    item.SpatialLocationsPreserved = "NO"
    return item


def _coded(code: Code) -> Dataset:
    item: Dataset = hd.sr.CodedConcept.from_code(code)
    return item
