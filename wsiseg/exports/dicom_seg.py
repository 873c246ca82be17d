"""DICOM segmentations of DICOM slides, as a map of labels or as a plane for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from wsiseg.errors import RuntimeUnavailableError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, Written
from wsiseg.exports.mask import Mask
from wsiseg.exports.slides import SlideOptions, open_slide_of
from wsiseg.settings import Option


class DicomSegOptions(SlideOptions):
    """Settings of DICOM segmentations."""

    segmentation: Annotated[
        Literal["labelmap", "binary"],
        Field(
            description="labelmap: one plane of labels, small files; binary: one plane per class, "
            "which older programs read."
        ),
        Option("DICOM"),
    ] = "labelmap"


def _write(
    mask: Mask, output: Path, options: DicomSegOptions, progress: ProgressCallback
) -> Written:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise RuntimeUnavailableError(
            "highdicom is not installed", None, "Run: pip install 'wsiseg[dicom]'."
        ) from error
    from wsiseg.exports.dicom_segments import write_segments
    from wsiseg.exports.dicom_source import read_source

    labels = mask.labels_of(options.classes)
    with open_slide_of(mask, options.slide, output) as slide:
        levels = read_source(slide, slide.path)
        binary = options.segmentation == "binary"
        write_segments(mask, labels, levels, output, progress, binary=binary)
    told = mask.warnings()
    if not levels[0].stated:
        told += ("the slide does not state where it lies on the glass; its corner is taken for 0",)
    return Written(warnings=told)


DICOM_SEG = ExportFormat(
    "a segmentation of a DICOM slide", (".dcm", ".dicom"), DicomSegOptions, _write
)
