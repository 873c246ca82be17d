import itertools

import pytest

from array_slide import ArraySlide, noise
from tiny import REACH, tiny_checkpoint
from wsiseg.errors import ArgumentError, MemoryBudgetError, ResolutionError
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.segmentation.memory import MemoryCosts
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import make_plan
from wsiseg.tiling.boxes import Box


@pytest.fixture
def predictor():
    return Predictor(tiny_checkpoint(), choose_runtime("torch", "cpu"))


def plan_of(predictor, slide, **options):
    return make_plan(slide, predictor, SegmentOptions(**{"tissue": "none", **options}))


def test_the_checkpoints_resolution_is_worked_at_unless_another_is_asked_for(predictor):
    slide = ArraySlide(noise(100, 80), mpp=0.25)
    assert plan_of(predictor, slide).plane.mpp == 0.5
    assert plan_of(predictor, slide, mpp=1.0).plane.slide_scale == 4
    assert plan_of(predictor, slide, level=0).plane.mpp == 0.25
    with pytest.raises(ResolutionError):
        plan_of(predictor, ArraySlide(noise(9, 9), mpp=None))
    nowhere = Predictor(tiny_checkpoint(mpp=None), predictor.choice)
    with pytest.raises(ArgumentError, match="`level=0`"):
        plan_of(nowhere, slide)


def test_a_checkpoint_that_saw_smaller_pictures_is_announced_where_levels_are_worked_at(predictor):
    halved = tiny_checkpoint(mpp=None)
    halved.card = halved.card.model_copy(update={"training": {"scale": 0.5}})
    slide = ArraySlide(noise(100, 80), mpp=0.25)
    plan = plan_of(Predictor(halved, predictor.choice), slide, level=0)
    assert "trained at 0.5 times the size of its pictures" in plan.warnings[0]
    assert not plan_of(Predictor(halved, predictor.choice), slide, mpp=0.5).warnings
    assert not plan_of(predictor, ArraySlide(noise(100, 80), mpp=0.5), level=0).warnings


def test_the_halo_is_no_larger_than_the_network_sees(predictor):
    cover = plan_of(predictor, ArraySlide(noise(3000, 40))).cover
    assert 0 < cover.halo <= REACH


def test_tile_and_halo_of_the_user_are_kept(predictor):
    plan = plan_of(predictor, ArraySlide(noise(300, 200)), tile=128, halo=16)
    assert (plan.cover.shapes, plan.cover.halo) == (((128, 128),), 16)


def test_a_smaller_budget_means_smaller_tiles_or_stripes_and_is_kept(predictor):
    slide = ArraySlide(noise(2400, 9000))
    rich, poor = (
        plan_of(predictor, slide, blend="gaussian", memory=mib << 20) for mib in (4096, 600)
    )
    assert len(rich.windows) == 1
    assert poor.memory.total <= 600 << 20
    assert poor.cover.shapes < rich.cover.shapes or len(poor.windows) > 1
    with pytest.raises(MemoryBudgetError, match="`memory`"):
        plan_of(predictor, slide, memory=100 << 20)


def test_stripes_partition_the_plane_at_shards_and_are_announced(predictor):
    slide = ArraySlide(noise(64, 9000))
    plan = plan_of(predictor, slide, blend="gaussian", tile=64, halo=8, memory=486 << 20)
    edges = [(window.x, window.right) for window in plan.windows]
    assert len(edges) > 1
    assert edges[0][0] == 0
    assert edges[-1][1] == 9000
    assert all(right == left for (_, right), (left, _) in itertools.pairwise(edges))
    assert all(left % 4096 == 0 for left, _ in edges)
    assert any("stripes" in text for text in plan.warnings)


def test_enlarging_is_announced(predictor):
    plan = plan_of(predictor, ArraySlide(noise(40, 30), mpp=1.0))
    assert (plan.plane.height, plan.plane.width) == (80, 60)
    assert any("enlarged 2.00 times" in text for text in plan.warnings)


def test_memory_does_not_grow_with_the_slides_height():
    costs = MemoryCosts(
        cache_bytes=1 << 26,
        bytes_per_pixel=100,
        classes=8,
        blend="crop",
        probabilities=False,
        source_scale=0,
        batch=1,
        readers=2,
        ahead=3,
    )
    needs = [costs.need([(1024, 1024)], [Box(0, 0, height, 12_000)]) for height in (10_000, 20_000)]
    assert needs[0] == needs[1]


def test_what_is_looked_at_eight_times_costs_eight_times_and_memory_for_the_mean(predictor):
    slide = ArraySlide(noise(128, 128))
    once, often = (plan_of(predictor, slide, tile=128, halo=16, tta=tta) for tta in (False, True))
    assert (once.orientations, often.orientations) == (1, 8)
    assert once.computed_pixels == 128**2
    assert often.computed_pixels == 8 * once.computed_pixels
    # At least the probabilities of five classes as 64-bit and 32-bit numbers.
    assert often.memory.network - once.memory.network >= 128**2 * 5 * 12
    assert often.memory.rows == once.memory.rows


def test_tiles_that_are_not_square_need_a_second_network_to_be_turned(predictor):
    square, wide = (
        plan_of(predictor, ArraySlide(noise(*shape)), halo=16, tta=True)
        for shape in ((200, 200), (100, 400))
    )
    assert wide.cover.shapes == ((100, 400),)
    extra = wide.memory.network - square.memory.network
    assert extra == pytest.approx(200**2 * predictor.bytes_per_pixel, rel=0.01)


def test_uncertainty_is_counted(predictor):
    slide = ArraySlide(noise(300, 200))
    for blend, kept in (("crop", 5), ("gaussian", 0)):
        without, doubtful = (
            plan_of(predictor, slide, tile=128, halo=16, blend=blend, uncertainty=measure)
            for measure in (None, "margin")
        )
        assert doubtful.memory.network - without.memory.network == kept * 128**2
        assert doubtful.memory.rows > without.memory.rows
