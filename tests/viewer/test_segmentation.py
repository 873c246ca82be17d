"""What a window segments: parts that are those of the whole, and runs that can be gone on with."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
import zarr

import wsiseg
from array_slide import ArraySlide
from tiny import tiny_checkpoint
from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError, CheckpointError, OutputExistsError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.slides import with_slide_mpp
from wsiseg.viewer import part_plan, segmentation
from wsiseg.viewer.layers import preview as previews
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import KEY, SlideView
from wsiseg.viewer.layers.preview import Preview, TileProgress
from wsiseg.viewer.painting import region_at
from wsiseg.viewer.predictor_cache import PredictorCache
from wsiseg.viewer.saving import save_painting
from wsiseg.viewer.segmentation import ExistingOutput, Outcome, PartTask, SlideTask

OPTIONS = SegmentOptions(
    runtime="torch", tissue="none", tile=256, halo=8, threads=1, max_bad_tiles="100%"
)
WHOLE = {"runtime": "torch", "tissue": "none", "tile": 512, "halo": 8}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(mpp=0.8).save(
        tmp_path_factory.mktemp("checkpoints") / "tiny.safetensors"
    )


@pytest.fixture
def view(slide_file):
    with open_slide(slide_file) as slide:
        yield SlideView(slide, Frame.of(slide))


def run(task, heard=None):
    return task.run(PredictorCache(), (lambda _: None) if heard is None else heard.append)


class Stop(BaseException):
    """Nobody wants the result any more."""


def stop_after(tiles):
    def report(news):
        if isinstance(news, TileProgress) and news.tiles == tiles:
            raise Stop

    return report


@pytest.mark.parametrize(("mpp", "level"), [(None, None), (0.5, None), (1.3, None), (None, 0)])
@pytest.mark.parametrize("tile", [None, 256])
def test_a_part_is_what_segment_gives_there(view, checkpoint, tmp_path, mpp, level, tile):
    whole = wsiseg.segment(view.slide, checkpoint, tmp_path, mpp=mpp, level=level, **WHOLE).labels[
        :
    ]
    options = OPTIONS.replace(mpp=mpp, level=level, tile=tile)
    task = PartTask(view, checkpoint, options, Box(601, 333, 900, 1111))
    ((labels, settings, kind),) = run(task).layers
    part = settings["metadata"][KEY]
    np.testing.assert_array_equal(labels, whole[part.box.slices_in(part.plane.box)])
    assert (kind, labels.shape) == ("labels", part.box.shape)
    scale = part.plane.slide_scale
    assert part.box.y == np.floor(601 / scale)
    assert part.box.right == np.ceil((333 + 1111) / scale)
    # Of its first pixel the corner, half a pixel before its centre, lies where the part begins.
    np.testing.assert_allclose(settings["scale"], 0.5 * scale)
    corner = np.array(settings["translate"]) - np.array(settings["scale"]) / 2
    begins = np.array([part.box.y, part.box.x]) * scale
    np.testing.assert_allclose(view.frame.to_slide(corner), begins)


def test_a_blended_part_is_what_segment_gives_there(view, checkpoint, tmp_path):
    blended = {"tile": 256, "halo": 32, "blend": "gaussian"}
    whole = wsiseg.segment(view.slide, checkpoint, tmp_path, **WHOLE | blended).labels[:]
    task = PartTask(view, checkpoint, OPTIONS.replace(**blended), Box(601, 333, 400, 500))
    ((labels, settings, _),) = run(task).layers
    part = settings["metadata"][KEY]
    np.testing.assert_array_equal(labels, whole[part.box.slices_in(part.plane.box)])


def test_outside_a_region_nothing_is_labelled(view, checkpoint):
    region = shapely.Point(1000, 900).buffer(300)
    whole = PartTask(view, checkpoint, OPTIONS.replace(level=0), view.slide.levels[0].box)
    ((expected, _, _),) = run(whole).layers
    heard = []
    ((labels, settings, _),) = run(
        PartTask.of_region(view, checkpoint, OPTIONS.replace(level=0), region), heard
    ).layers
    box = settings["metadata"][KEY].box
    assert (box.y, box.x, box.bottom, box.right) == (600, 700, 1200, 1300)
    y, x = np.mgrid[box.y : box.bottom, box.x : box.right] + 0.5
    inside = shapely.contains_xy(region, x, y)
    np.testing.assert_array_equal(labels, np.where(inside, expected[600:1200, 700:1300], NO_LABEL))
    (preview,) = [news for news in heard if isinstance(news, Preview)]
    np.testing.assert_array_equal(preview.labels, labels)


def test_what_is_too_large_is_refused(view, checkpoint, monkeypatch):
    monkeypatch.setattr(part_plan, "LARGEST_PART", 500)
    with pytest.raises(ArgumentError, match=r"688×563 pixels, too many .* Whole slide"):
        run(PartTask(view, checkpoint, OPTIONS, Box(0, 0, 900, 1100)))


def test_a_region_beside_the_slide_is_refused(view, checkpoint):
    with pytest.raises(ArgumentError, match="outside biopsy"):
        PartTask.of_region(view, checkpoint, OPTIONS, shapely.box(-50, -50, -1, -1))


def test_a_broken_checkpoint_is_an_error(view, tmp_path):
    (tmp_path / "x.safetensors").write_text("no weights")
    for path in (tmp_path / "x.safetensors", tmp_path / "y.safetensors"):
        with pytest.raises(CheckpointError):
            run(PartTask(view, path, OPTIONS, Box(0, 0, 100, 100)))


@pytest.mark.parametrize("slide_mpp", [0.5, None])
def test_a_checkpoint_without_a_resolution_works_at_level_0_and_says_so(tmp_path, slide_mpp):
    pixels = np.random.default_rng(1).integers(0, 256, (300, 400, 3), np.uint8)
    slide = ArraySlide(pixels, mpp=slide_mpp)
    checkpoint = tiny_checkpoint(mpp=None).save(tmp_path / "tiny.safetensors")
    view = SlideView(slide, Frame.of(slide))
    found = run(PartTask(view, checkpoint, OPTIONS, Box(10, 20, 100, 200)))
    ((labels, settings, _),) = found.layers
    assert labels.shape == (100, 200)
    assert settings["units"] == (("pixel",) * 2 if slide_mpp is None else ("um",) * 2)
    assert any("level 0 is taken as it is" in note for note in found.notes)


@pytest.mark.parametrize(("slide_mpp", "said"), [(0.5, None), (0.3, 0.3)])
def test_what_the_file_says_itself_is_not_the_users_word(slide_mpp, said):
    slide = ArraySlide(np.zeros((100, 100, 3), np.uint8), mpp=0.5)
    given = with_slide_mpp(slide, slide_mpp, override=True)
    view = SlideView(given, Frame.of(given))
    options, _ = segmentation.settle_resolution(OPTIONS, tiny_checkpoint(), view)
    assert (options.slide_mpp, options.override_mpp) == (said, said is not None)


@pytest.mark.parametrize(("mpp", "wanted"), [(0.5, "0.5"), (None, "0.8")])
@pytest.mark.parametrize("whole", [True, False])
def test_a_slide_without_a_resolution_is_not_taken_at_level_0_unasked(
    checkpoint, tmp_path, mpp, wanted, whole
):
    slide = ArraySlide(np.zeros((100, 100, 3), np.uint8), mpp=None)
    view = SlideView(slide, Frame.of(slide))
    options = OPTIONS.replace(mpp=mpp)
    task = (
        SlideTask(view, checkpoint, options, tmp_path / "out")
        if whole
        else PartTask(view, checkpoint, options, Box(0, 0, 50, 50))
    )
    with pytest.raises(ArgumentError, match=rf"unknown.* at {wanted} .*choose level 0"):
        run(task)


def test_other_colours_than_the_network_learnt_from_are_told_of(view, tmp_path):
    made = tiny_checkpoint(mpp=0.5)
    card = made.card.model_copy(update={"training": {"stain": "macenko"}})
    path = Checkpoint(card, made.network).save(tmp_path / "stained.safetensors")
    (note,) = run(PartTask(view, path, OPTIONS, Box(0, 0, 100, 100))).notes
    assert "was trained on colours normalised by macenko" in note


def test_unreadable_tiles_stay_blank_and_are_counted(checkpoint):
    pixels = np.random.default_rng(1).integers(0, 256, (1000, 1000, 3), np.uint8)
    slide = ArraySlide(pixels, damaged=[Box(0, 0, 10, 10)])
    view = SlideView(slide, Frame.of(slide))
    found = run(PartTask(view, checkpoint, OPTIONS.replace(level=0), Box(100, 100, 500, 500)))
    ((labels, _, _),) = found.layers
    assert found.unread == 1
    assert any("is not analysed: these pixels are gone" in note for note in found.notes)
    assert (labels[:100, :100] == NO_LABEL).all()
    assert (labels[200:, 200:] != NO_LABEL).all()


def test_a_part_costs_little_more_than_its_own_area(checkpoint):
    slide = ArraySlide(np.zeros((6000, 6000, 3), np.uint8))
    view = SlideView(slide, Frame.of(slide))
    options = OPTIONS.replace(level=0, tile=None)
    heard = []
    run(PartTask(view, checkpoint, options, Box(3000, 3000, 300, 300)), heard)
    last = [news for news in heard if isinstance(news, TileProgress)][-1]
    assert last.tiles == last.wanted <= 4
    assert last.pixels == 300 * 300


def test_a_preview_shows_every_so_many_pixels(view, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(previews, "LARGEST_PREVIEW", 300)
    heard = []
    task = SlideTask(view, checkpoint, OPTIONS.replace(level=0), tmp_path)
    assert isinstance(run(task, heard), Outcome)
    (preview,) = [news for news in heard if isinstance(news, Preview)]
    labels = zarr.open_array(task.files.mask / "0", mode="r")[:]
    np.testing.assert_array_equal(preview.labels, labels[::7, ::7])
    _, settings, _ = preview.layer()
    np.testing.assert_allclose(settings["scale"], 0.5 * 7)


@pytest.mark.parametrize("tiles", [1, 50])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(view, checkpoint, tmp_path, tiles):
    options = OPTIONS.replace(level=0)
    expected = SlideTask(view, checkpoint, options, tmp_path / "a")
    run(expected)
    task = SlideTask(view, checkpoint, options, tmp_path / "b")
    with pytest.raises(Stop):
        task.run(PredictorCache(), stop_after(tiles))
    if tiles == 1:
        # Nothing was worth keeping.
        assert task.files.existing is None
        assert isinstance(run(task), Outcome)
    else:
        standing = run(task)
        assert standing == ExistingOutput(task, task.files.store, finished=False)
        heard = []
        assert isinstance(run(standing.task.resuming(), heard), Outcome)
        # What the first run left is on the screen again.
        (preview,) = [news for news in heard if isinstance(news, Preview)]
        labels = zarr.open_array(task.files.mask / "0", mode="r")[:]
        np.testing.assert_array_equal(preview.labels, labels[::2, ::2])
    np.testing.assert_array_equal(
        zarr.open_array(task.files.mask / "0", mode="r")[:],
        zarr.open_array(expected.files.mask / "0", mode="r")[:],
    )


def test_what_stands_is_told_of_and_can_be_replaced(view, checkpoint, tmp_path):
    task = SlideTask(view, checkpoint, OPTIONS.replace(mpp=2.0), tmp_path)
    run(task)
    other = replace(task, options=OPTIONS.replace(mpp=3.0))
    assert run(other) == ExistingOutput(other, task.files.store, finished=True)
    run(other.overwriting())
    shape = zarr.open_array(task.files.mask / "0", mode="r").shape
    assert shape == (300, 350)


def test_a_painting_in_the_way_is_neither_gone_on_with_nor_replaced(view, checkpoint, tmp_path):
    region = region_at(view, Box(0, 0, 20, 30), None, {0: LabelClass("tumour", (200, 0, 0))})
    painting = save_painting(region, np.zeros(region.box.shape, np.uint8), tmp_path)
    task = SlideTask(view, checkpoint, OPTIONS, tmp_path)
    assert task.files.store == painting
    for each in (task, task.resuming(), task.overwriting()):
        with pytest.raises(OutputExistsError):
            run(each)
    assert (zarr.open_array(painting / "0", mode="r")[:20, :30] == 0).all()


def test_a_mask_goes_beside_its_slide_and_lies_over_it(view, checkpoint, slide_file, tmp_path):
    copy = tmp_path / slide_file.name
    copy.write_bytes(slide_file.read_bytes())
    with open_slide(copy) as slide:
        task = SlideTask(SlideView(slide, view.frame), checkpoint, OPTIONS)
        ((levels, settings, _),) = run(task).layers
        assert task.files.mask.parent == tmp_path
    np.testing.assert_allclose(settings["scale"], 0.8)
    labels = zarr.open_array(task.files.mask / "0", mode="r")[:]
    np.testing.assert_array_equal(np.asarray(levels[0]), labels)


def test_progress_is_told_in_words():
    assert str(TileProgress(0, 12)) == "0 of 12 tiles"
    assert str(TileProgress(3, 12, 6_000_000, 30.0)) == "3 of 12 tiles, 0.2 Mpx/s, 1:30 left"


@pytest.mark.parametrize("with_image", [False, True])
def test_building_the_pyramid_can_be_stopped_and_gone_on_with(
    view, checkpoint, tmp_path, with_image
):
    heard = []

    def stop_in_the_last_stage(news):
        stages = [text for text in [*heard, news] if isinstance(text, str)]
        heard.append(news)
        if stages[-2:] == [stages[-1]] * 2 and ("image" in stages[-1] or not with_image):
            raise Stop

    options = OPTIONS.replace(level=0, with_image=with_image)
    task = SlideTask(view, checkpoint, options, tmp_path)
    with pytest.raises(Stop):
        task.run(PredictorCache(), stop_in_the_last_stage)
    assert isinstance(run(task), ExistingOutput)
    resumed = replace(task, options=options.replace(resume=True))
    assert isinstance(run(resumed), Outcome)
