"""Writes a multi-frame DICOM file frame by frame.

highdicom and pydicom hold all frames, and what is said of each, in memory.  Here frames are
collected in a file beside, and copied behind what is said of them
(https://dicom.nema.org/medical/dicom/current/output/chtml/part05/sect_A.4.html).
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset, write_sequence_item

from wsiseg.errors import OutputError

_GROUPS, _PIXELS = (0x5200, 0x9230), (0x7FE0, 0x0010)
_ITEM, _END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_UNDEFINED = 2**32 - 1

_LONGEST = 2**32 - 2
"""Bytes of pixels that are stored as they are."""


@dataclass(frozen=True)
class Frame:
    """Where a frame lies.

    Attributes
    ----------
    row, column : int
        Of its first pixel, counted from 0.
    segment : int or None
        Its segment, if it holds one alone.
    """

    row: int
    column: int
    segment: int | None


@dataclass
class FrameSpool:
    """Frames, as they are collected.

    Parameters
    ----------
    file : file
        Takes their bytes.
    """

    file: BinaryIO
    frames: list[Frame] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, frame: Frame, encoded: bytes) -> None:
        """Add a frame behind the others.

        Parameters
        ----------
        frame : Frame
            Where it lies.
        encoded : bytes
            Its pixels, as the file holds them.
        """
        padded = encoded + b"\0" * (len(encoded) % 2)
        self.file.write(padded)
        self.frames.append(frame)
        self.lengths.append(len(padded))
        self.digest.update(f"{frame}".encode() + padded)


def write_dicom(
    output: Path, header: Dataset, groups: Iterable[Dataset], spool: FrameSpool, *, packed: bool
) -> None:
    """Write a file.

    Parameters
    ----------
    output : Path
        The file.
    header : Dataset
        What stands before the items of the frames, with its file meta information.
    groups : iterable of Dataset
        The item of each frame, in their order.
    spool : FrameSpool
        The frames.
    packed : bool
        Whether frames are compressed, each by itself.

    Raises
    ------
    OutputError
        If there are more pixels than a file holds that are not compressed.
    """
    total = sum(spool.lengths)
    if not packed and total > _LONGEST:
        raise OutputError(
            f"a DICOM file cannot hold {total / 1e9:.1f} GB of binary frames",
            output,
            "Use `segmentation=labelmap`, or fewer `classes`.",
        )
    pydicom.dcmwrite(output, header, enforce_file_format=True)
    with output.open("r+b") as plain:
        plain.seek(0, 2)
        file = DicomFileLike(plain)
        file.is_little_endian, file.is_implicit_VR = True, False
        _begin(file, _GROUPS, b"SQ", _UNDEFINED)
        for group in groups:
            write_sequence_item(file, group, ["utf-8"])
        _mark(file, _END, 0)
        spool.file.seek(0)
        if not packed:
            _begin(file, _PIXELS, b"OB", total)
            shutil.copyfileobj(spool.file, plain)
            return
        # A basic table of offsets ends at 4 GiB.
        lengths = np.array(spool.lengths, np.uint64)
        table = Dataset()
        table.ExtendedOffsetTable = (
            (np.cumsum(lengths + np.uint64(8)) - lengths - 8).astype("<u8").tobytes()
        )
        table.ExtendedOffsetTableLengths = lengths.astype("<u8").tobytes()
        write_dataset(file, table)
        _begin(file, _PIXELS, b"OB", _UNDEFINED)
        _mark(file, _ITEM, 0)
        for length in spool.lengths:
            _mark(file, _ITEM, length)
            plain.write(spool.file.read(length))
        _mark(file, _END, 0)


def _begin(file: DicomFileLike, tag: tuple[int, int], kind: bytes, length: int) -> None:
    file.write(struct.pack("<HH2sHI", *tag, kind, 0, length))


def _mark(file: DicomFileLike, tag: tuple[int, int], length: int) -> None:
    file.write(struct.pack("<HHI", *tag, length))
