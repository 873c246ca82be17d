"""The network that a training begins with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from forms import narrowed
from repetitions import some_of
from tiny import tiny_checkpoint
from wsiseg.classes import LabelClass, numbered_classes
from wsiseg.errors import ArgumentError, CheckpointError, UnknownArchitectureError
from wsiseg.models import create_model, load_checkpoint
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.registry import Architecture, list_architectures
from wsiseg.training import initialising
from wsiseg.training.data_options import DataOptions
from wsiseg.training.initialising import InitialNetwork, freeze_encoder
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes import RECIPES
from wsiseg.training.recipes.recipe import Stage

(PLAIN,) = RECIPES["plain"].stages
ENCODER, DECODER = RECIPES["espnet"].stages
SMALL = {"alpha2": 1, "alpha3": 1}
BGR = Normalisation(order="BGR", mean=(72.0, 82.0, 73.0), std=(45.0, 46.0, 44.0), divide_first=1)


def options_of(**values: object) -> TrainOptions:
    data = DataOptions(dataset="camvid", root=".")
    return TrainOptions(data=data, **{"arguments": SMALL, **values})


def initialise(
    options: TrainOptions,
    stage: Stage,
    classes: tuple[LabelClass, ...],
    before: Checkpoint | None = None,
) -> InitialNetwork:
    init = None if options.init is None else load_checkpoint(options.init, to_train=True)
    return initialising.initialise(options, stage, classes, init, before)


def named(*names: str) -> tuple[LabelClass, ...]:
    return tuple(LabelClass(name, (index, 0, 0)) for index, name in enumerate(names))


def save(
    folder: Path,
    classes: tuple[LabelClass, ...],
    name: str = "espnet",
    seed: int = 77,
    **arguments: bool | float | str,
) -> Path:
    """Save a network in which no tensor is what a new one begins with."""
    torch.manual_seed(seed)
    arguments = {**SMALL, **arguments}
    network = create_model(name, len(classes), **arguments)
    with torch.no_grad():
        for value in network.state_dict().values():
            value.copy_(torch.rand(value.shape) + 0.5 if value.is_floating_point() else value + 5)
    card = CheckpointCard(
        architecture=name,
        arguments=arguments,
        classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in classes),
        normalisation=BGR,
    )
    return Checkpoint(card, network).save(folder / f"{name}.safetensors")


def state(begun: InitialNetwork | Checkpoint) -> dict[str, Tensor]:
    return dict(begun.network.state_dict())


def taken_over(begun: InitialNetwork, donor: Path | Checkpoint) -> set[str]:
    """Return which of the network's tensors are the donor's."""
    given = state(load(donor))
    return {
        key
        for key, value in state(begun).items()
        if key in given and torch.equal(value, given[key])
    }


def load(donor: Path | Checkpoint) -> Checkpoint:
    return donor if isinstance(donor, Checkpoint) else load_checkpoint(donor)


def test_a_fresh_network_is_the_seeds() -> None:
    classes = numbered_classes(3)
    before = torch.random.get_rng_state()
    first, again, other = (initialise(options_of(seed=s), PLAIN, classes) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(value, state(again)[key]) for key, value in state(first).items())
    key = "encoder.level1.conv.weight"
    assert not torch.equal(state(first)[key], state(other)[key])
    assert (first.architecture, first.arguments) == ("espnet", SMALL)
    assert first.network.classes == 3
    assert first.network.training
    assert (first.normalisation, first.origin, first.notes) == (IMAGENET, None, ())


def test_the_same_classes_take_everything_over(tmp_path: Path) -> None:
    classes = named("fat", "gland", "stroma")
    donor = save(tmp_path, classes)
    begun = initialise(options_of(init=donor, arguments={}), PLAIN, classes)
    assert taken_over(begun, donor) == state(begun).keys()
    assert (begun.architecture, begun.arguments) == ("espnet", SMALL)
    assert begun.normalisation == BGR
    assert begun.origin == f"espnet.safetensors, sha256 {load(donor).sha256[:16]}"
    assert begun.notes == ()
    assert begun.network.training


def test_colours_may_change(tmp_path: Path) -> None:
    donor = save(tmp_path, named("a", "b"))
    classes = tuple(replace(entry, colour=(1, 2, 3)) for entry in named("a", "b"))
    assert initialise(options_of(init=donor), PLAIN, classes).notes == ()


def test_as_many_other_classes_begin_the_last_layer_anew(tmp_path: Path) -> None:
    classes = named("lumen", "duct", "mucus")
    donor = save(tmp_path, named("fat", "gland", "stroma"))
    begun = initialise(options_of(init=donor), PLAIN, classes)
    assert state(begun).keys() - taken_over(begun, donor) == {"up1.weight"}
    fresh = initialise(options_of(), PLAIN, classes)
    assert torch.equal(state(begun)["up1.weight"], state(fresh)["up1.weight"])
    (note,) = begun.notes
    assert note.startswith("1 of ")
    assert note.endswith("is newly initialised, in up1")


def test_the_last_layer_of_any_network_begins_anew_with_its_bias(tmp_path: Path) -> None:
    donor = tiny_checkpoint(3).save(tmp_path / "tiny.safetensors")
    begun = initialise(options_of(init=donor, arguments={}), PLAIN, named("a", "b", "c"))
    assert state(begun).keys() - taken_over(begun, donor) == {"up.weight", "up.bias"}


@pytest.mark.parametrize("count", [2, 7, 20])
def test_other_counts_begin_anew_what_depends_on_them(tmp_path: Path, count: int) -> None:
    donor = save(tmp_path, numbered_classes(3))
    begun = initialise(options_of(init=donor), PLAIN, numbered_classes(count))
    anew = state(begun).keys() - taken_over(begun, donor)
    shapes = {key: value.shape for key, value in state(load(donor)).items()}
    assert anew == {k for k, v in state(begun).items() if v.shape != shapes[k]}
    assert "up1.weight" in anew
    assert not any(key.startswith("encoder.") for key in anew)
    assert begun.network.classes == count
    assert f"{len(anew)} of " in begun.notes[0]


@pytest.mark.parametrize("decoder", ["edgenets", "standalone"])
def test_of_a_classifier_nothing_but_the_encoder_is_taken_over(
    tmp_path: Path, decoder: str
) -> None:
    donor = create_model("espnetv2", 1, width=0.5)
    card = CheckpointCard(
        architecture="espnetv2",
        arguments={"width": 0.5},
        classes=(ClassEntry(name="a", colour=(0, 0, 0)),),
        encoder_only=True,
    )
    init = Checkpoint(card, donor).save(tmp_path / "encoder.safetensors")
    classes = named("a", "b", "c", "d", "e")
    begun = initialise(options_of(init=init, arguments={"decoder": decoder}), PLAIN, classes)
    assert begun.arguments == {"width": 0.5, "decoder": decoder}
    fresh = create_model("espnetv2", 5, **begun.arguments)
    # As wide as it is for five classes, and nothing of what was never trained.
    shapes = {key: value.shape for key, value in state(begun).items()}
    assert shapes == {key: value.shape for key, value in fresh.state_dict().items()}
    encoder = {f"encoder.{key}": value for key, value in donor.encoder.state_dict().items()}
    assert all(torch.equal(state(begun)[key], value) for key, value in encoder.items())
    (note,) = begun.notes
    assert note.endswith("are newly initialised, in decoder")
    with pytest.raises(CheckpointError, match="only the encoder") as caught:
        load_checkpoint(init)
    assert "train --init" in str(caught.value)


def test_a_decoder_begins_on_the_encoder_that_was_trained_first(tmp_path: Path) -> None:
    classes = named("a", "b", "c")
    before = load(save(tmp_path, classes, "espnet-c"))
    begun = initialise(options_of(recipe="espnet"), DECODER, classes, before)
    assert begun.architecture == "espnet"
    encoder = {key for key in state(begun) if key.startswith("encoder.")}
    assert taken_over(begun, before) == encoder
    assert begun.normalisation == BGR
    (note,) = begun.notes
    assert "encoder" not in note


def test_the_stage_before_goes_before_the_users_checkpoint(tmp_path: Path) -> None:
    classes = named("a", "b", "c")
    before = load(save(tmp_path, classes, "espnet-c"))
    init = save(tmp_path, classes, seed=5)
    begun = initialise(options_of(init=init, recipe="espnet"), DECODER, classes, before)
    assert begun.origin is not None
    assert begun.origin.startswith("espnet.safetensors")
    assert "encoder.level1.conv.weight" in taken_over(begun, before)
    # What the stage before does not have is still the user's.
    assert "up1.weight" in taken_over(begun, init)


@pytest.mark.parametrize("init", [False, True])
def test_a_stage_for_the_encoder_builds_its_architecture(tmp_path: Path, init: bool) -> None:
    classes = named("a", "b", "c")
    arguments = {"alpha2": 1, "alpha3": 2, "skip": "train"}
    donor = save(tmp_path, classes, **arguments) if init else None
    asked = {"init": donor, "arguments": {}} if init else {"arguments": arguments}
    begun = initialise(options_of(recipe="espnet", **asked), ENCODER, classes)
    assert begun.architecture == "espnet-c"
    # It has no skip to choose.
    assert begun.arguments == {"alpha2": 1, "alpha3": 2}
    assert len(begun.network.encoder.level3) == 2
    if donor is not None:
        assert state(begun).keys() - taken_over(begun, donor) == {"classifier.weight"}


def test_an_encoder_that_the_user_has_becomes_the_first_stage(tmp_path: Path) -> None:
    classes = named("a", "b", "c")
    donor = save(tmp_path, classes, "espnet-c")
    options = options_of(model="espnet", init=donor, recipe="espnet")
    begun = initialise(options, ENCODER, classes)
    assert taken_over(begun, donor) == state(begun).keys()


@pytest.mark.parametrize("name", ["espnet-c", "tiny"])
def test_networks_without_an_encoder_stage_are_told_so(name: str) -> None:
    options = options_of(model=name, recipe="espnet", arguments={})
    with pytest.raises(ArgumentError, match=f"{name} has none") as caught:
        initialise(options, ENCODER, numbered_classes(3))
    assert caught.value.where == "`recipe`"


def test_a_checkpoint_of_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    donor = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    with pytest.raises(CheckpointError, match="none of its layers fits ESPNet") as caught:
        initialise(options_of(model="espnet", init=donor), PLAIN, numbered_classes(5))
    assert caught.value.where == donor


def test_arguments_change_those_of_the_checkpoint(tmp_path: Path) -> None:
    classes = named("a", "b", "c")
    donor = save(tmp_path, classes)
    begun = initialise(options_of(init=donor, arguments={"alpha3": 2}), PLAIN, classes)
    assert begun.arguments == {"alpha2": 1, "alpha3": 2}
    anew = state(begun).keys() - taken_over(begun, donor)
    assert anew == {key for key in state(begun) if key.startswith("encoder.level3.1.")}
    assert "in encoder" in begun.notes[0]


def test_what_cannot_be_built_is_refused(tmp_path: Path) -> None:
    classes = numbered_classes(3)
    with pytest.raises(UnknownArchitectureError, match="espnett"):
        initialise(options_of(model="espnett"), PLAIN, classes)
    with pytest.raises(ArgumentError, match="no argument 'alpha4'"):
        initialise(options_of(arguments={"alpha4": 1}), PLAIN, classes)
    with pytest.raises(ArgumentError, match="not a value of alpha2"):
        initialise(options_of(arguments={"alpha2": "1"}), PLAIN, classes)
    with pytest.raises(CheckpointError):
        initialise(options_of(init=tmp_path / "nowhere.safetensors"), PLAIN, classes)


@pytest.mark.parametrize("name", ["espnet", "espnet-c"])
def test_a_frozen_encoder_keeps_its_weights_and_nothing_else_does(name: str) -> None:
    network = create_model(name, 3, **SMALL)
    assert freeze_encoder(network) is network.encoder
    learning = {key for key, value in network.named_parameters() if value.requires_grad}
    everything = dict(network.named_parameters())
    assert learning == {key for key in everything if not key.startswith("encoder.")}
    assert learning


def test_a_network_without_an_encoder_cannot_be_frozen() -> None:
    with pytest.raises(ArgumentError, match="Tiny has no encoder to freeze") as caught:
        freeze_encoder(tiny_checkpoint().network)
    assert caught.value.where == "`freeze_encoder`"


def test_other_classes_leave_the_width_of_the_decoder_as_it_was(tmp_path: Path) -> None:
    donor = save(tmp_path, named(*"abcdefg"))
    begun = initialise(options_of(init=donor, arguments={}), PLAIN, named("x", "y"))
    assert begun.arguments["width"] == 7
    assert begun.notes == ("1 of 101 tensors is newly initialised, in up1",)


def test_classes_that_both_have_keep_what_they_were(tmp_path: Path) -> None:
    donor = save(tmp_path, named("sky", "road", "tree"))
    begun = initialise(
        options_of(init=donor, arguments={}), PLAIN, named("road", "wall", "sky", "car")
    )
    own, given = state(begun)["up1.weight"], state(load(donor))["up1.weight"]
    assert torch.equal(own[:, 0], given[:, 1])
    assert torch.equal(own[:, 2], given[:, 0])
    assert not torch.equal(own[:, 1], given[:, 2])
    assert begun.notes[1] == "weights kept for classes of the same name: road, sky"


KNOWN = named("sky", "road", "tree", "car", "pole")
MIXED = named("snow", "road", "bush", "car", "rail", "lamp", "dog")


OURS = [each for each in list_architectures() if each.network.__module__.startswith("wsiseg.")]


# Heads repeat along the list, so a third of it has every kind.
@pytest.mark.parametrize("architecture", some_of(OURS, OURS[::3]), ids=lambda found: found.name)
def test_what_classes_are_known_by_name_is_kept_whatever_the_network(
    architecture: Architecture,
) -> None:
    name, arguments = architecture.name, narrowed(architecture.name)
    torch.manual_seed(5)
    donor = create_model(name, len(KNOWN), **arguments).eval()
    card = CheckpointCard(
        architecture=name,
        arguments=arguments,
        classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in KNOWN),
        normalisation=BGR,
    )
    options = options_of(model=name, arguments=arguments)
    begun = initialising.initialise(options, PLAIN, MIXED, Checkpoint(card, donor))
    x = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        ours, theirs = begun.network.eval()(x), donor(x)
    assert ours.shape[1] == len(MIXED)
    assert "weights kept for classes of the same name: road, car" in begun.notes
    for index in (1, 3):
        torch.testing.assert_close(ours[:, index], theirs[:, index], atol=1e-4, rtol=1e-4)
    assert not torch.equal(ours[:, 2], theirs[:, 2])
