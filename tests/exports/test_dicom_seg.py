"""DICOM segmentations hold the mask pixel for pixel, for pydicom and for highdicom."""

import highdicom
import numpy as np
import pydicom
import pytest

import wsiseg
from commands import run
from dicom_slide import TILE, write_dicom_slide
from stored_masks import CLASSES, draw_cells, write_mask

SHAPE = 1100, 1301


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A mask at twice the size of the pixels of a slide with three levels; a part is empty."""
    labels = draw_cells(*SHAPE)
    labels[:600, 500:1100] = 255
    folder = tmp_path_factory.mktemp("cells")
    blank = np.full((2 * SHAPE[0], 2 * SHAPE[1], 3), 220, np.uint8)
    slide = write_dicom_slide(folder / "slide", blank, mpp=(0.25, 0.25), levels=2)
    return write_mask(folder, labels, mpp=0.5, slide_scale=2.0, slide="slide"), labels, slide


def placed(seg, value):
    """Return the segment numbers, put together by the frames' positions in the matrix."""
    whole = np.zeros((seg.TotalPixelMatrixRows + 512, seg.TotalPixelMatrixColumns + 512), np.uint8)
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        place = groups.PlanePositionSlideSequence[0]
        top = place.RowPositionInTotalImagePixelMatrix - 1
        left = place.ColumnPositionInTotalImagePixelMatrix - 1
        part = whole[top : top + seg.Rows, left : left + seg.Columns]
        held = value(frame, groups)
        assert not part[held > 0].any()
        part += held
    assert not whole[seg.TotalPixelMatrixRows :].any()
    assert not whole[:, seg.TotalPixelMatrixColumns :].any()
    return whole[: seg.TotalPixelMatrixRows, : seg.TotalPixelMatrixColumns]


def of_segment(frame, groups):
    return frame * groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber


@pytest.mark.parametrize("classes", [None, ["gland", "Tumour: <b>&"]])
@pytest.mark.parametrize("segmentation", ["labelmap", "binary"])
def test_every_pixel_is_that_of_the_mask(cells, tmp_path, segmentation, classes):
    path, labels, _ = cells
    options = {"segmentation": segmentation, "classes": classes}
    result = wsiseg.export(path, "dicom-seg", tmp_path / "a.dcm", **options)
    assert result.warnings == ()
    seg = pydicom.dcmread(result.output)
    binary = segmentation == "binary"
    first = 0 if classes is None else 1
    expected = np.where((labels == 255) | (labels < first), 0, labels + 1 - first)
    value = of_segment if binary else lambda frame, _: frame
    np.testing.assert_array_equal(placed(seg, value), expected)
    named = {each.SegmentNumber: each.SegmentLabel for each in seg.SegmentSequence}
    wanted = [entry.name for entry in CLASSES][first:]
    assert [named[number] for number in range(1, len(wanted) + 1)] == wanted
    # Tiles of nothing are left out.
    assert seg.DimensionOrganizationType == "TILED_SPARSE"
    assert seg.NumberOfFrames < 9 * (len(wanted) if binary else 1)
    read = highdicom.seg.segread(result.output)
    matrix = read.get_total_pixel_matrix(combine_segments=True)
    np.testing.assert_array_equal(matrix, expected)
    colour = read.get_segment_description(2 - first).RecommendedDisplayCIELabValue
    shown = highdicom.color.CIELabColor.from_dicom_value(colour).to_rgb()
    assert np.abs(np.subtract(shown, CLASSES[1].colour)).max() <= 2


def test_tiles_name_the_frames_that_they_were_made_of(cells, tmp_path):
    path, _, slide = cells
    seg = pydicom.dcmread(wsiseg.export(path, "dicom-seg", tmp_path / "a.dcm").output)
    # The level with pixels of the mask's size.
    source = pydicom.dcmread(slide / "1.dcm")
    assert (source.TotalPixelMatrixRows, source.TotalPixelMatrixColumns) == SHAPE
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    across = -(-SHAPE[1] // TILE)
    for groups in seg.PerFrameFunctionalGroupsSequence:
        place = groups.PlanePositionSlideSequence[0]
        top = place.RowPositionInTotalImagePixelMatrix - 1
        left = place.ColumnPositionInTotalImagePixelMatrix - 1
        rows, columns = (
            range(begin // TILE, -(-min(begin + 512, end) // TILE))
            for begin, end in zip((top, left), SHAPE, strict=True)
        )
        expected = [row * across + column + 1 for row in rows for column in columns]
        (derivation,) = groups.DerivationImageSequence
        named = derivation.SourceImageSequence
        assert {each.ReferencedSOPInstanceUID for each in named} == {source.SOPInstanceUID}
        assert [each.ReferencedFrameNumber for each in named] == expected


def test_a_mask_of_nothing_is_one_empty_frame(tmp_path):
    write_dicom_slide(tmp_path / "slide", np.full((40, 50, 3), 220, np.uint8))
    path = write_mask(tmp_path, np.full((40, 50), 255, np.uint8), slide="slide")
    for kind in ("labelmap", "binary"):
        file = wsiseg.export(path, "dicom-seg", tmp_path / f"{kind}.dcm", segmentation=kind).output
        seg = pydicom.dcmread(file)
        assert seg.NumberOfFrames == 1
        assert not seg.pixel_array.any()
        highdicom.seg.segread(file)


def test_a_segmentation_may_lie_in_the_folder_of_its_slide(tmp_path):
    slide = write_dicom_slide(tmp_path / "slide", np.full((40, 50, 3), 220, np.uint8), levels=2)
    path = write_mask(tmp_path, draw_cells(40, 50), slide="slide")
    first = wsiseg.export(path, "dicom-seg", slide / "a.dcm").output.read_bytes()
    (slide / "empty.dcm").touch()
    again = wsiseg.export(path, "dicom-seg", tmp_path / "b.dcm", slide=slide / "1.dcm").output
    assert again.read_bytes() == first


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "ImageOrientationSlide"])
def test_a_slide_that_lies_nowhere_is_refused_in_a_line(tmp_path, keyword):
    slide = write_dicom_slide(tmp_path / "slide", np.full((40, 50, 3), 220, np.uint8))
    header = pydicom.dcmread(slide / "0.dcm")
    delattr(header, keyword)
    header.save_as(slide / "0.dcm")
    path = write_mask(tmp_path, draw_cells(40, 50), slide="slide")
    outcome = run("export", path, "--to", "dicom-seg", "-o", tmp_path / "a.dcm")
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        f"error: the slide's DICOM headers cannot be used: {keyword} is missing ({slide})."
    ]


@pytest.mark.parametrize(
    ("name", "shape", "mpp"),
    [
        ("dicom_cmu1/cmu-1-small-region", (1484, 1110), 0.998),
        ("dicom_google/multi_frame_jpeg_camelyon_challenge_image.dcm", (700, 1152), None),
        ("dicom_highdicom/sm_image.dcm", (50, 50), 0.499),
        ("openslide_python/boxes_0.dcm", (16, 16), 0.499),
    ],
)
def test_slides_of_others(data, tmp_path, name, shape, mpp):
    slide = data / "slides" / name
    labels = draw_cells(*shape)
    scale = 2.0 if mpp == 0.998 else 1.0
    path = write_mask(tmp_path, labels, mpp=mpp or 28.97, slide_scale=scale, slide=slide.name)
    result = wsiseg.export(path, "dicom-seg", tmp_path / "a.dcm", slide=slide)
    stated = not name.startswith(("dicom_cmu1", "dicom_google"))
    assert [each.partition(";")[0] for each in result.warnings] == (
        [] if stated else ["the slide does not state where it lies on the glass"]
    )
    read = highdicom.seg.segread(result.output)
    matrix = read.get_total_pixel_matrix(combine_segments=True)
    np.testing.assert_array_equal(matrix, np.where(labels == 255, 0, labels + 1))
    if scale == 1 and stated:
        image = highdicom.imread(slide)
        ours, theirs = (each.get_volume_geometry() for each in (read, image))
        np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-6)
