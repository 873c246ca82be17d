"""Small DICOM slides whose pixels, and whose place on the glass, are known."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, VLWholeSlideMicroscopyImageStorage, generate_uid

TILE = 64
PLACE = (21.5, 40.25, 0.0)
"""mm at which the centre of the first pixel lies."""

ORIENTATION = [0.0, -1.0, 0.0, -1.0, 0.0, 0.0]


def write_dicom_slide(folder, pixels, *, mpp=(0.5, 0.5), levels=1):
    """Write the levels of a slide, each half the one before, and return the folder.

    `mpp` is the height and the width of a pixel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape, glass, study, series = pixels.shape, *(generate_uid() for _ in range(3))
    for level in range(levels):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
        header.SOPClassUID = VLWholeSlideMicroscopyImageStorage
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.StudyInstanceUID, header.SeriesInstanceUID = study, series
        header.FrameOfReferenceUID, header.Modality = glass, "SM"
        kind = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
        header.ImageType = kind if level else ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        header.PatientName, header.PatientID = "Doe^Jane", "7"
        header.SamplesPerPixel, header.PhotometricInterpretation = 3, "RGB"
        header.PlanarConfiguration = header.PixelRepresentation = 0
        header.BitsAllocated = header.BitsStored = 8
        header.HighBit = 7
        header.Rows = header.Columns = TILE
        header.TotalPixelMatrixRows, header.TotalPixelMatrixColumns = pixels.shape[:2]
        header.DimensionOrganizationType = "TILED_FULL"
        header.TotalPixelMatrixFocalPlanes = header.NumberOfOpticalPaths = 1
        header.ImageOrientationSlide = ORIENTATION
        measures, shared, path = Dataset(), Dataset(), Dataset()
        size = [length * 1e-3 for length in mpp]
        sides = [s * of / now for s, of, now in zip(size, shape, pixels.shape, strict=False)]
        measures.PixelSpacing, measures.SliceThickness = [round(s, 12) for s in sides], 0.001
        shared.PixelMeasuresSequence = [measures]
        header.SharedFunctionalGroupsSequence = [shared]
        path.OpticalPathIdentifier = "1"
        header.OpticalPathSequence = [path]
        header.TotalPixelMatrixOriginSequence = [_place(size, sides)]
        frames = list(_tiles(pixels))
        header.NumberOfFrames = len(frames)
        header.PixelData = b"".join(frames)
        pydicom.dcmwrite(folder / f"{level}.dcm", header, enforce_file_format=True)
        pixels = np.ascontiguousarray(pixels[::2, ::2])
    return folder


def _place(size, sides):
    """Return where the centre of a level's first pixel lies."""
    item, along = Dataset(), np.array(ORIENTATION)
    down, across = ((now - finest) / 2 for now, finest in zip(sides, size, strict=True))
    place = np.array(PLACE) + down * along[3:] + across * along[:3]
    for axis, value in zip("XYZ", place, strict=True):
        setattr(item, f"{axis}OffsetInSlideCoordinateSystem", round(float(value), 12))
    return item


def _tiles(pixels):
    for top in range(0, len(pixels), TILE):
        for left in range(0, pixels.shape[1], TILE):
            tile = np.full((TILE, TILE, 3), 255, np.uint8)
            part = pixels[top : top + TILE, left : left + TILE]
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile.tobytes()
