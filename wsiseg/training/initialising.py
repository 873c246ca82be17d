"""Initialising the network: random weights, those of a checkpoint, those of an earlier stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError, CheckpointError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.networks.network import MOST_CLASSES, SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.registry import Arguments, create_model, find_architecture
from wsiseg.text import plural
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes.recipe import Stage

DEFAULT_ARCHITECTURE = "espnet"


@dataclass(frozen=True)
class InitialNetwork:
    """A network before its first training step.

    Attributes
    ----------
    architecture, arguments
        What :func:`wsiseg.models.create_model` made it from.
    network : SegmentationNetwork
        In training mode.
    normalisation : Normalisation
        From 8-bit pixels to its input.
    origin : str or None
        Name and digest of the checkpoint that its weights come from.
    frozen : Module or None
        The part that is left as it is.
    notes : tuple of str
        What the user may want to know.
    """

    architecture: str
    arguments: Arguments
    network: SegmentationNetwork
    normalisation: Normalisation
    origin: str | None = None
    frozen: nn.Module | None = None
    notes: tuple[str, ...] = ()


def initialise(
    options: TrainOptions,
    stage: Stage,
    classes: Sequence[LabelClass],
    init: Checkpoint | None = None,
    before: Checkpoint | None = None,
) -> InitialNetwork:
    """Build the network of a stage.

    Weights are drawn by the seed, then replaced by those of `init` that fit, then by those of the
    stage before that fit.

    Parameters
    ----------
    options : TrainOptions
        What the user asked for.
    stage : Stage
        Of the recipe.
    classes : sequence of LabelClass
        Of the data.
    init, before : Checkpoint, optional
        The initial checkpoint, and that of the stage before.

    Raises
    ------
    ArgumentError
        If the architecture has no encoder to train or to freeze.
    CheckpointError
        If a checkpoint shares no layer with the network.
    """
    name, arguments = _choose_architecture(options, len(classes), init)
    if stage.encoder:
        name, arguments = _encoder_of(name, arguments, options.recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = create_model(name, len(classes), **arguments)
    notes: tuple[str, ...] = ()
    normalisation = IMAGENET
    axes = _class_axes(network, name, arguments)
    for donor in filter(None, (init, before)):
        notes = _copy_weights(network, donor, [entry.name for entry in classes], axes)
        normalisation = donor.card.normalisation
    return InitialNetwork(
        architecture=name,
        arguments=arguments,
        network=network,
        normalisation=normalisation,
        origin=None if init is None else _name(init),
        frozen=freeze_encoder(network) if options.freeze_encoder else None,
        notes=notes,
    )


def _name(checkpoint: Checkpoint) -> str:
    file = "" if checkpoint.path is None else f"{checkpoint.path.name}, "
    return f"{file}sha256 {checkpoint.sha256[:16]}"


def freeze_encoder(network: SegmentationNetwork) -> nn.Module:
    """Keep the encoder's weights as they are, and return it.

    Raises
    ------
    ArgumentError
        If the network names no encoder.
    """
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise ArgumentError(
            f"{type(network).__name__} has no encoder to freeze", "`freeze_encoder`"
        )
    return encoder.requires_grad_(False)


def _choose_architecture(
    options: TrainOptions, classes: int, init: Checkpoint | None
) -> tuple[str, Arguments]:
    """Return what the user asked for; what was left out is as in the checkpoint."""
    given = dict(options.arguments)
    if init is None:
        name = options.model or DEFAULT_ARCHITECTURE
    else:
        name = options.model or init.card.architecture
        same: Arguments = dict(init.card.arguments)
        if classes != len(init.classes) and not init.card.encoder_only:
            same |= init.network.shared_arguments
        taken = find_architecture(name).arguments
        given = {key: value for key, value in same.items() if key in taken} | given
    find_architecture(name).check(given)
    return name, given


def _encoder_of(name: str, arguments: Arguments, recipe: str) -> tuple[str, Arguments]:
    encoder = find_architecture(name).network.encoder_architecture
    if encoder is None:
        raise ArgumentError(
            f"the recipe {recipe} trains an encoder first, and {name} has none",
            "`recipe`",
            "Use `recipe=plain`.",
        )
    taken = find_architecture(encoder).arguments
    return encoder, {key: value for key, value in arguments.items() if key in taken}


def _class_axes(
    network: SegmentationNetwork, name: str, arguments: Arguments
) -> dict[str, int | None]:
    """Return the tensors whose shape depends on the classes, and which axis is that of classes.

    Those of the last layer and of auxiliary heads; None for one that depends in several axes.
    """
    others = network.classes + (1 if network.classes < MOST_CLASSES else -1)
    with torch.device("meta"):
        other = create_model(name, others, **{**arguments, **network.shared_arguments})
    shapes = {key: value.shape for key, value in other.state_dict().items()}
    axes: dict[str, int | None] = {}
    for key, value in network.state_dict().items():
        differing = [
            axis
            for axis, edges in enumerate(zip(value.shape, shapes[key], strict=True))
            if edges[0] != edges[1]
        ]
        if differing:
            own = len(differing) == 1 and value.shape[differing[0]] == network.classes
            axes[key] = differing[0] if own else None
    return axes


def _copy_weights(
    network: SegmentationNetwork,
    donor: Checkpoint,
    classes: list[str],
    axes: Mapping[str, int | None],
) -> tuple[str, ...]:
    """Copy every tensor that fits, and say which are newly initialised.

    Where the classes differ, the layers that tell them apart are newly initialised even if there
    are as many of them, but for the classes whose names both have.
    """
    own, given = network.state_dict(), donor.network.state_dict()
    if donor.card.encoder_only:
        given = {key: value for key, value in given.items() if key.startswith("encoder.")}
    fitting = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    known = [entry.name for entry in donor.classes]
    pairs: list[tuple[int, int]] = []
    if known != classes:
        fitting = {key: value for key, value in fitting.items() if key not in axes}
        pairs = [(new, known.index(c)) for new, c in enumerate(classes) if c in known]
    weights = [key for key in own if not key.endswith("num_batches_tracked")]
    fresh = [key for key in weights if key not in fitting]
    if len(fresh) == len(weights):
        raise CheckpointError(
            f"none of its layers fits {type(network).__name__}",
            donor.path,
            "Check `model` and `init`.",
        )
    network.load_state_dict(fitting, strict=False)
    if not fresh:
        return ()
    layers = sorted({key.split(".")[0] for key in fresh})
    are = "is" if len(fresh) == 1 else "are"
    count = f"{len(fresh)} of {plural(len(weights), 'tensor')}"
    notes = [f"{count} {are} newly initialised, in {', '.join(layers)}"]
    if pairs and _share_classes(own, given, axes, pairs):
        same = ", ".join(known[old] for _, old in pairs)
        notes.append(f"weights kept for classes of the same name: {same}")
    return tuple(notes)


def _share_classes(
    own: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    axes: Mapping[str, int | None],
    pairs: list[tuple[int, int]],
) -> bool:
    """Copy the channels of classes that both have, where the rest fits; tell whether any does."""
    shared = False
    for key, axis in axes.items():
        if axis is None or key not in given or own[key].ndim != given[key].ndim:
            continue
        if own[key].select(axis, 0).shape != given[key].select(axis, 0).shape:
            continue
        shared = True
        for new, old in pairs:
            own[key].select(axis, new).copy_(given[key].select(axis, old))
    return shared
