"""Recipes as they were published, and what all of them have to be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from wsiseg.errors import ArgumentError
from wsiseg.models import list_architectures
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.training.augmentation import AUGMENTATIONS, Augmentation
from wsiseg.training.deep_supervision import DeepSupervision
from wsiseg.training.losses.ohem import OhemCrossEntropy
from wsiseg.training.recipes import RECIPES
from wsiseg.training.recipes.recipe import Recipe, Stage

PIXELS = np.array([900.0, 90.0, 10.0, 0.0])
NAMES = ["a", "b", "c", "d"]
STAGES = [(recipe, stage) for recipe in RECIPES.values() for stage in recipe.stages]

every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
every_stage = pytest.mark.parametrize(
    ("recipe", "stage"), STAGES, ids=[f"{r.name}-{r.stages.index(s)}" for r, s in STAGES]
)


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.ones(2))


@every_recipe
def test_recipes_are_found_by_name(recipe: Recipe) -> None:
    assert RECIPES[recipe.name] is recipe
    assert recipe.source
    assert recipe.stages
    # The last stage gives the checkpoint, which is to be the whole network.
    assert not recipe.stages[-1].encoder


def test_unknown_recipes_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(ArgumentError, match="no recipe 'plane'") as caught:
        RECIPES.find("plane", "`recipe`")
    assert caught.value.where == "`recipe`"
    assert caught.value.hint == "Did you mean plain?"
    with pytest.raises(ArgumentError, match="Use plain, espnet, rdrnet"):
        RECIPES.find("zzz")


@every_stage
def test_numbers_make_sense(recipe: Recipe, stage: Stage) -> None:
    assert stage.epochs >= 1
    assert stage.batch >= 1
    assert 0 < stage.lr < 1
    assert 0 <= stage.ema < 1
    assert stage.clip >= 0
    assert all(0.1 < zoom < 10 for zoom in stage.zooms)


@every_stage
def test_optimisers_take_the_rate_that_they_are_given(recipe: Recipe, stage: Stage) -> None:
    (group,) = stage.optimiser([parameter()], 0.125).param_groups
    assert group["lr"] == 0.125


@every_stage
@pytest.mark.parametrize("epochs", [1, 2, 7, 300])
def test_schedules_stay_between_nothing_and_one(recipe: Recipe, stage: Stage, epochs: int) -> None:
    factors = [stage.factor(epoch, epochs) for epoch in np.linspace(0, epochs, 101).tolist()]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors[0] > 0
    assert max(factors) > 0.9
    assert factors[-1] < 0.2


@every_stage
def test_losses_take_what_networks_give(recipe: Recipe, stage: Stage) -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(0, len(PIXELS), (2, 32, 24), generator=random)
    labels[:, :9] = 255
    stride = 8 if stage.encoder else 1
    shape = (2, len(PIXELS), 32 // stride, 24 // stride)
    logits = nn.Parameter(torch.randn(shape, generator=random))
    loss = DeepSupervision(stage.loss(PIXELS, NAMES), 0.4)((logits,), labels)
    assert loss.shape == ()
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad[:, :, -1] != 0).all()
    # What is ignored teaches nothing.
    assert (logits.grad[:, :, 0] == 0).all()


@every_stage
def test_a_step_makes_the_loss_smaller(recipe: Recipe, stage: Stage) -> None:
    logits = nn.Parameter(torch.zeros(1, len(PIXELS), 4, 4))
    labels = torch.arange(16).reshape(1, 4, 4) % len(PIXELS)
    loss, optimiser = stage.loss(PIXELS, NAMES), stage.optimiser([logits], 0.1)
    before = loss(logits, labels)
    before.backward()
    optimiser.step()
    assert loss(logits, labels) < before


def test_recipes_with_an_encoder_stage_suit_some_architecture() -> None:
    named = {a.name: a.network.encoder_architecture for a in list_architectures()}
    assert {encoder for encoder in named.values() if encoder} <= named.keys()
    assert any(named.values())


# ESPNet, as published


def test_espnet_is_trained_in_two_stages() -> None:
    recipe = RECIPES["espnet"]
    encoder, decoder = recipe.stages
    assert (encoder.encoder, decoder.encoder) == (True, False)
    assert (encoder.batch, decoder.batch) == (12, 6)
    assert recipe.whole_pictures
    for stage in recipe.stages:
        assert (stage.epochs, stage.lr) == (300, 5e-4)
        # Of pictures of 1024×512: these heights and widths in turn.
        sizes = [(round(1024 * zoom), round(512 * zoom)) for zoom in stage.zooms]
        assert sizes == [(1536, 768), (1280, 640), (512, 256), (768, 384), (1024, 512)]
        assert (stage.ema, stage.clip) == (0, 0)


@pytest.mark.parametrize("stage", RECIPES["espnet"].stages)
def test_espnets_optimiser(stage: Stage) -> None:
    optimiser = stage.optimiser([parameter()], stage.lr)
    assert type(optimiser) is Adam
    (group,) = optimiser.param_groups
    assert (group["weight_decay"], group["betas"], group["eps"]) == (5e-4, (0.9, 0.999), 1e-8)
    assert not group["amsgrad"]


@pytest.mark.parametrize(
    ("epoch", "factor"),
    [(0, 1), (50, 1), (99.99, 1), (100, 0.5), (199.99, 0.5), (200, 0.25), (299.99, 0.25)],
)
def test_espnets_rate_halves_at_100_and_200_of_300(epoch: float, factor: float) -> None:
    assert all(s.factor(epoch, 300) == factor for s in RECIPES["espnet"].stages)


@pytest.mark.parametrize("steps", [1, 3, 7, 367])
def test_espnets_rate_halves_with_the_first_step_of_the_epoch(steps: int) -> None:
    stage = RECIPES["espnet"].stages[0]
    for done, factor in ((100, 0.5), (200, 0.25)):
        assert stage.factor(done * steps / steps, 300) == factor
        assert stage.factor((done * steps - 1) / steps, 300) == 2 * factor


def test_shorter_trainings_halve_after_their_thirds() -> None:
    stage = RECIPES["espnet"].stages[0]
    assert [stage.factor(epoch, 6) for epoch in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("stage", RECIPES["espnet"].stages)
def test_espnets_loss_is_cross_entropy_weighted_with_a_constant_of_1_10(stage: Stage) -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, len(PIXELS), 5, 6, generator=random)
    labels = torch.randint(0, len(PIXELS), (2, 5, 6), generator=random)
    weights = 1 / np.log(1.10 + PIXELS / PIXELS.sum())
    expected = nn.CrossEntropyLoss(torch.from_numpy(weights).float())(logits, labels)
    torch.testing.assert_close(stage.loss(PIXELS, NAMES)(logits, labels), expected)


# Plain


def test_plain_is_one_stage_of_adamw() -> None:
    (stage,) = RECIPES["plain"].stages
    assert type(stage.optimiser([parameter()], stage.lr)) is AdamW
    assert stage.zooms == (1.0,)
    assert not RECIPES["plain"].whole_pictures


def test_plain_warms_up_over_a_twentieth_and_falls_to_nothing() -> None:
    (stage,) = RECIPES["plain"].stages
    factors = np.array([stage.factor(epoch, 100) for epoch in range(101)])
    assert factors[0] == pytest.approx(0.02)
    assert 4 <= factors.argmax() <= 5
    assert (np.diff(factors[:5]) > 0).all()
    assert (np.diff(factors[5:]) < 0).all()
    np.testing.assert_allclose(factors[[5, 50, 90, 100]], [0.95**0.9, 0.5**0.9, 0.1**0.9, 0])


def test_plains_loss_is_cross_entropy_plus_dice() -> None:
    (stage,) = RECIPES["plain"].stages
    # Every pixel of either class is as likely as not.
    logits, labels = torch.zeros(1, 2, 2, 2), torch.tensor([[[0, 0], [1, 1]]])
    expected = np.log(2) + (1 - 2 * 1 / (2 + 2))
    found = stage.loss(np.array([5.0, 5.0]), ["a", "b"])(logits, labels)
    assert float(found) == pytest.approx(expected)
    # However rare a class is: Dice makes up for it.
    rare = stage.loss(np.array([9.0, 1.0]), ["a", "b"])(logits, labels)
    assert float(rare) == pytest.approx(expected)


# RDRNet, as published


def test_rdrnet_is_one_stage_of_as_many_passes_as_its_steps_are() -> None:
    (stage,) = RECIPES["rdrnet"].stages
    assert stage.epochs == round(120_000 * stage.batch / 2975) == 484
    assert (stage.batch, stage.lr) == (12, 0.01)
    assert (stage.ema, stage.clip, stage.zooms) == (0, 0, (1.0,))


def test_rdrnets_optimiser() -> None:
    (stage,) = RECIPES["rdrnet"].stages
    optimiser = stage.optimiser([parameter()], stage.lr)
    assert type(optimiser) is SGD
    (group,) = optimiser.param_groups
    assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 5e-4, False)


def test_rdrnets_rate_falls_by_the_power_of_0_9() -> None:
    (stage,) = RECIPES["rdrnet"].stages
    factors = [stage.factor(epoch, 100) for epoch in (0, 50, 90, 100)]
    np.testing.assert_allclose(factors, [1, 0.5**0.9, 0.1**0.9, 0])


def test_rdrnets_loss_is_of_the_hardest_pixels() -> None:
    (stage,) = RECIPES["rdrnet"].stages
    hard = stage.loss(PIXELS, NAMES)
    assert isinstance(hard, OhemCrossEntropy)
    assert (hard.threshold, hard.min_kept) == (0.9, 131_072)


def test_rdrnet_weighs_the_classes_of_cityscapes_only_and_by_name() -> None:
    (stage,) = RECIPES["rdrnet"].stages
    names = [entry.name for entry in CITYSCAPES]
    # As the authors list them, in the order of the training indices.
    first = (0.8373, 0.918, 0.866, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023)
    others = (0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507)
    listed = torch.tensor([*first, *others])
    pixels = np.ones(19)
    assert torch.equal(stage.loss(pixels, names).weights, listed)
    assert torch.equal(stage.loss(pixels, names[::-1]).weights, listed.flip(0))
    for unlike in (names[:18], [*names, "void"], NAMES):
        assert stage.loss(pixels, unlike).weights is None


def test_rdrnet_learns_from_large_distorted_crops() -> None:
    recipe = RECIPES["rdrnet"]
    assert (recipe.tile, recipe.whole_pictures) == (1024, False)
    how = AUGMENTATIONS[recipe.scenes]
    assert (how.scale, how.logarithmic, how.dominance) == ((0.5, 2.0), False, 0.75)
    # Nothing beside the distortion changes colours, and nothing is upside down.
    assert replace(how, scale=(1, 1)) == Augmentation(
        logarithmic=False, dominance=0.75, mirror=True, photometric=True
    )


@pytest.mark.parametrize("name", ["plain", "espnet"])
def test_other_recipes_change_scenes_as_scenes(name: str) -> None:
    assert (RECIPES[name].scenes, RECIPES[name].tile) == ("street", 512)
