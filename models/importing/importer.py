"""Importing published files and state dicts into networks of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError, CheckpointError
from wsiseg.models.card import CheckpointCard, ClassEntry
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.class_sets import CLASS_SETS, VOID
from wsiseg.models.importing.espnetv2_classifier import import_classifier, is_classifier
from wsiseg.models.importing.guessing import guess_architecture
from wsiseg.models.importing.key_renaming import State
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.importing.published_state import PublishedState, read_state
from wsiseg.models.networks.espnetv2 import ESPNetv2
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.registry import Arguments, create_model, find_architecture


def import_state(
    state: Mapping[str, Tensor],
    architecture: str,
    classes: int | None = None,
    **arguments: bool | float | str,
) -> SegmentationNetwork:
    """Build a network from a state dict with its authors' key names.

    Parameters
    ----------
    state : mapping of str to Tensor
        The authors' state dict; a ``module.`` prefix of all keys is removed.
    architecture : str
        Our name of the network.
    classes : int, optional
        Checked against the file; read from the shapes where left out.
    **arguments
        The architecture's arguments; those left out are read from keys and shapes.

    Returns
    -------
    SegmentationNetwork
        In evaluation mode.

    Raises
    ------
    CheckpointError
        If no known layout matches.
    WeightsMismatchError
        If tensors are missing, left over or of another shape.
    UnknownArchitectureError
        If there is no such architecture, or no layout of it is known.

    Examples
    --------
    >>> import torch
    >>> import wsiseg
    >>> state = torch.load("espnet_p_2_q_8.pth", weights_only=True)  # doctest: +SKIP
    >>> network = wsiseg.models.import_state(state, "espnet")  # doctest: +SKIP

    A state dict of something else is refused:

    >>> import_state({"conv.weight": torch.zeros(8, 3, 3, 3)}, "espnet")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    wsiseg.errors.CheckpointError: these are not weights of espnet in a known layout; ...
    """
    published = PublishedState(architecture, state)
    settings = published.resolve_arguments(arguments)
    return published.build(published.classes if classes is None else classes, settings)


def import_checkpoint(
    path: Path | str,
    architecture: str | None = None,
    dataset: str | None = None,
    arguments: Arguments | None = None,
) -> Checkpoint:
    """Import a published file as a checkpoint, with normalisation and class names.

    Of ESPNetv2's classifier only the encoder is imported; such a checkpoint has to be trained.

    Parameters
    ----------
    path : path-like
        A ``.pth`` file; read without running any code in it.
    architecture : str, optional
        Our name of the network; told by the file, see :func:`guess_architecture`, where left out.
    dataset : {"cityscapes", "camvid", "voc", "breast-biopsy"}, optional
        What it was trained on; inferred from the number of classes where left out.
    arguments : dict, optional
        The architecture's arguments; those left out are read from the file.

    Returns
    -------
    Checkpoint
        Not yet saved.

    Raises
    ------
    CheckpointError
        If the file is unreadable, its layout unknown, or the data set cannot be inferred.
    WeightsMismatchError
        If tensors are missing, left over or of another shape.
    ArgumentError
        If its authors published no weights for `dataset`.
    """
    path = Path(path)
    if architecture is None:
        architecture = guess_architecture(path)
    find_architecture(architecture)
    state = read_state(path)
    if architecture == "espnetv2" and is_classifier(state):
        return _import_encoder(state, path, dataset, arguments or {})
    published = PublishedState(architecture, state, path)
    layout, classes = published.layout, published.classes
    settings = published.resolve_arguments(arguments or {})
    trained_on = dataset or _guess_dataset(layout, classes, path)
    if trained_on not in layout.normalisations:
        raise ArgumentError(
            f"{layout.authors} published no weights for {trained_on}",
            "`dataset`",
            f"Known: {', '.join(layout.normalisations)}.",
        )
    names = _class_names(trained_on, classes, path)
    card = CheckpointCard(
        architecture=architecture,
        arguments=settings,
        classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in names),
        normalisation=layout.normalisations[trained_on],
        training={"imported_from": path.name, "authors": layout.authors, "dataset": trained_on},
    )
    return Checkpoint(card, published.build(classes, settings))


def _import_encoder(
    state: State, path: Path, dataset: str | None, arguments: Arguments
) -> Checkpoint:
    """Return an ESPNetv2 with a classifier's encoder and a decoder that knows nothing yet."""
    if dataset is not None:
        raise ArgumentError(
            f"a classifier has no classes of {dataset}",
            "`dataset`",
            "Leave it out: 'wsiseg train' takes the classes from its training data.",
        )
    classifier = import_classifier(state, path)
    settings: Arguments = {"width": classifier.width, **arguments}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create_model("espnetv2", 1, **settings)
    assert isinstance(network, ESPNetv2)
    classifier.copy_encoder_to(network, path)
    card = CheckpointCard(
        architecture="espnetv2",
        arguments=settings,
        classes=(ClassEntry(name="untrained", colour=VOID.colour),),
        normalisation=IMAGENET,
        encoder_only=True,
        training={"imported_from": path.name, "dataset": "imagenet"},
    )
    return Checkpoint(card, network)


def _guess_dataset(layout: KeyLayout, classes: int, path: Path) -> str:
    fitting = [name for name in layout.normalisations if classes - len(CLASS_SETS[name]) in (0, 1)]
    if len(fitting) == 1:
        return fitting[0]
    raise CheckpointError(
        f"what {classes} classes were trained on cannot be told from the file",
        path,
        "Add `dataset`.",
    )


def _class_names(dataset: str, classes: int, path: Path) -> tuple[LabelClass, ...]:
    names = CLASS_SETS[dataset]
    if classes == len(names) + 1:
        return (*names, VOID)
    if classes == len(names):
        return names
    raise CheckpointError(
        f"the file has {classes} classes, {dataset} has {len(names)}", path, "Check `dataset`."
    )
