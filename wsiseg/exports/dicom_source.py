"""The DICOM images of a slide: where their pixels and their frames lie."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import VLWholeSlideMicroscopyImageStorage

from wsiseg.error_translation import translate_errors
from wsiseg.errors import UnsuitableSlideError
from wsiseg.tiling.slides import Slide

_EMPTY = {
    "AccessionNumber": "",
    "PatientBirthDate": "",
    "PatientID": "",
    "PatientName": "",
    "PatientSex": "",
    "StudyDate": "",
    "StudyID": "",
    "StudyTime": "",
}
"""What an image has to state, if only that it is not known; many do not."""

_NEEDED = ("FrameOfReferenceUID", "ImageOrientationSlide", "SharedFunctionalGroupsSequence")
"""Without these nobody knows where pixels lie."""


@dataclass(frozen=True)
class SourceImage:
    """One level of a DICOM slide.

    Attributes
    ----------
    header : Dataset
        All but its pixels.
    corner : tuple of float
        x, y and z of the centre of its first pixel on the glass, in mm.
    spacing : tuple of float
        ``(height, width)`` of a pixel in mm.
    stated : bool
        Whether the file says where it lies on the glass.
    """

    header: Dataset
    corner: tuple[float, float, float]
    spacing: tuple[float, float]
    stated: bool

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return int(self.header.TotalPixelMatrixRows), int(self.header.TotalPixelMatrixColumns)

    @property
    def directions(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where the rows' and the columns' next pixels lie on the glass: unit vectors."""
        along = np.array([float(each) for each in self.header.ImageOrientationSlide])
        return along[3:], along[:3]

    def place(self, y: float, x: float) -> tuple[float, float, float]:
        """Return where a point lies on the glass.

        Parameters
        ----------
        y, x : float
            In pixels of the image, from the corner of its first.

        Returns
        -------
        tuple of float
            x, y and z in mm.
        """
        down, across = self.directions
        (height, width), centre = self.spacing, 0.5
        moved = (y - centre) * height * down + (x - centre) * width * across
        first, second, third = (np.array(self.corner) + moved).tolist()
        return first, second, third

    def frames(self) -> npt.NDArray[np.int64]:
        """Return the first row and column of each frame, ``(n, 2)``, counted from 0."""
        header = self.header
        if header.get("DimensionOrganizationType") == "TILED_FULL":
            rows = range(0, self.shape[0], header.Rows)
            columns = range(0, self.shape[1], header.Columns)
            plane = [(row, column) for row in rows for column in columns]
            # One plane after the other, where several were focussed on.
            return np.array(plane * max(1, int(header.NumberOfFrames) // len(plane)), np.int64)
        items = [
            group.PlanePositionSlideSequence[0] for group in header.PerFrameFunctionalGroupsSequence
        ]
        places = [
            (each.RowPositionInTotalImagePixelMatrix, each.ColumnPositionInTotalImagePixelMatrix)
            for each in items
        ]
        return np.array(places, np.int64) - 1

    def as_one_tile(self, edge: int) -> Dataset:
        """Return a header that says the same of an image of one frame.

        highdicom takes the facts of a slide from the headers of its images, and looks at every
        frame of theirs.
        """
        header = Dataset()
        for element in self.header:
            if element.keyword != "PerFrameFunctionalGroupsSequence":
                header.add(copy.deepcopy(element))
        header.NumberOfFrames, header.DimensionOrganizationType = 1, "TILED_FULL"
        header.Rows = header.Columns = edge
        header.TotalPixelMatrixRows = header.TotalPixelMatrixColumns = edge
        header.TotalPixelMatrixOriginSequence = [_origin(self.corner)]
        for keyword, value in _EMPTY.items():
            if keyword not in header:
                setattr(header, keyword, value)
        return header


def read_source(slide: Slide, path: Path) -> list[SourceImage]:
    """Read the headers of a slide's levels.

    Parameters
    ----------
    slide : Slide
        Open.
    path : Path
        One of the files, or their folder.

    Returns
    -------
    list of SourceImage
        From the finest on.

    Raises
    ------
    UnsuitableSlideError
        If the slide is not one of DICOM, or its headers do not tell where its pixels lie.
    """
    if slide.facts.vendor != "dicom":
        raise UnsuitableSlideError(
            "the slide is not DICOM, so there is nothing that a segmentation could refer to", path
        )
    with translate_errors(
        lambda why: UnsuitableSlideError(f"the slide's DICOM headers cannot be used: {why}", path)
    ):
        headers = [header for header in _read_headers(path) if _is_level(header)]
        # A folder may hold several series.
        whole = slide.facts.to_file_pixels(slide.levels[0].box).shape
        sizes = [(int(h.TotalPixelMatrixRows), int(h.TotalPixelMatrixColumns)) for h in headers]
        series = {
            h.SeriesInstanceUID for h, size in zip(headers, sizes, strict=True) if size == whole
        }
        if path.is_file():
            series &= {pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID}
        if len(series) != 1:
            raise ValueError(f"{len(series)} series in its folder have images of {whole} pixels")
        images = [_understand(h) for h in headers if h.SeriesInstanceUID in series]
        images.sort(key=lambda image: image.shape, reverse=True)
        return images


def _read_headers(path: Path) -> list[Dataset]:
    found: list[Dataset] = []
    for file in sorted((path if path.is_dir() else path.parent).iterdir()):
        if file.is_file():
            try:
                found.append(pydicom.dcmread(file, stop_before_pixels=True))
            except (InvalidDicomError, EOFError):
                # Another file, or an empty one.
                continue
    return found


def _is_level(header: Dataset) -> bool:
    kind = header.get("ImageType", ())
    return header.get("SOPClassUID") == VLWholeSlideMicroscopyImageStorage and "VOLUME" in kind


def _understand(header: Dataset) -> SourceImage:
    for keyword in _NEEDED:
        if not header.get(keyword):
            message = f"{keyword} is missing"
            raise ValueError(message)
    measures = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    height, width = (float(each) for each in measures.PixelSpacing)
    stated = bool(header.get("TotalPixelMatrixOriginSequence"))
    corner = [0.0, 0.0, 0.0]
    if stated:
        origin = header.TotalPixelMatrixOriginSequence[0]
        corner = [float(origin.get(f"{axis}OffsetInSlideCoordinateSystem") or 0) for axis in "XYZ"]
    return SourceImage(header, (corner[0], corner[1], corner[2]), (height, width), stated)


def _origin(corner: tuple[float, float, float]) -> Dataset:
    item = Dataset()
    for axis, place in zip("XYZ", corner, strict=True):
        setattr(item, f"{axis}OffsetInSlideCoordinateSystem", place)
    return item
