"""Importing published files and state dicts into networks of ours."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from wsiseg.classes import LabelClass
from wsiseg.errors import (
    ArgumentError,
    CheckpointError,
    UnknownArchitectureError,
    WeightsMismatchError,
)
from wsiseg.models.card import CheckpointCard, ClassEntry, is_checkpoint
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.class_sets import CLASS_SETS, VOID
from wsiseg.models.importing.archives import refuse_bomb
from wsiseg.models.importing.bisenetv1 import MMSegBiSeNetV1Layout
from wsiseg.models.importing.bisenetv2 import MMSegBiSeNetV2Layout
from wsiseg.models.importing.cgnet import CGNetLayout, MMSegCGNetLayout
from wsiseg.models.importing.dabnet import DABNetLayout
from wsiseg.models.importing.ddrnet import DDRNetLayout, RDRNetLayout
from wsiseg.models.importing.edgenets import EdgeNetsLayout
from wsiseg.models.importing.enet import ENetLayout
from wsiseg.models.importing.erfnet import ERFNetLayout, MMSegERFNetLayout
from wsiseg.models.importing.espnet import ESPNetLayout
from wsiseg.models.importing.espnetv2_classifier import import_classifier, is_classifier
from wsiseg.models.importing.espnetv2_standalone import StandaloneLayout
from wsiseg.models.importing.fast_scnn import MMSegFastSCNNLayout
from wsiseg.models.importing.icnet import ICNetLayout, MMSegICNetLayout
from wsiseg.models.importing.key_renaming import State
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.importing.pidnet import PIDNetLayout
from wsiseg.models.importing.stdc import MMSegSTDCLayout
from wsiseg.models.importing.ynet import YNetLayout
from wsiseg.models.networks.espnetv2 import ESPNetv2
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.registry import Arguments, create_model, find_architecture
from wsiseg.models.weight_files import shorten
from wsiseg.models.weights import compare_shapes, load_strictly

LAYOUTS: tuple[KeyLayout, ...] = (
    ESPNetLayout(),
    EdgeNetsLayout(),
    StandaloneLayout(),
    ERFNetLayout(),
    MMSegERFNetLayout(),
    ENetLayout(),
    CGNetLayout(),
    MMSegCGNetLayout(),
    DABNetLayout(),
    MMSegFastSCNNLayout(),
    MMSegBiSeNetV2Layout(),
    MMSegSTDCLayout(),
    MMSegBiSeNetV1Layout(),
    ICNetLayout(),
    MMSegICNetLayout(),
    RDRNetLayout(),
    DDRNetLayout(),
    PIDNetLayout(),
    YNetLayout(),
)
"""Every known key layout; a new one is a file and an entry here."""

_WRAPPERS = ("state_dict", "model", "model_state_dict")


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
    published = _Published(architecture, state)
    settings = published.resolve_arguments(arguments)
    return published.build(published.classes if classes is None else classes, settings)


def guess_architecture(path: Path | str) -> str:
    """Return our name of the network that a published file is of, told by its keys and shapes.

    Parameters
    ----------
    path : path-like
        A ``.pth`` file; read without running any code in it.

    Raises
    ------
    CheckpointError
        If the file is unreadable, or is of no known network, or might be of several.
    """
    path = Path(path)
    state = _read(path)
    if is_classifier(state):
        return "espnetv2"
    named = _matching(_without_prefix(state))
    fitting = [name for name in named if _fits(name, state)]
    if len(fitting) == 1:
        return fitting[0]
    if named:
        raise CheckpointError(
            f"which network this is cannot be told: it may be {' or '.join(fitting or named)}",
            path,
            "Name it with `architecture`.",
        )
    first = ", ".join(shorten(key) for key in list(state)[:3]) or "nothing"
    raise CheckpointError(
        f"these are not weights of a network in a known layout; the file begins with {first}",
        path,
        "'wsiseg models list' has the networks; name one with `architecture`.",
    )


def _fits(architecture: str, state: State) -> bool:
    """Tell whether a state dict has every tensor of a network, in its shape, and no other."""
    try:
        published = _Published(architecture, state)
        with torch.device("meta"):
            network = create_model(architecture, published.classes, **published.arguments)
        tensors = published.layout.translate(architecture, _without_prefix(state))
        shapes = {key: tuple(value.shape) for key, value in tensors.items()}
        real = {key for key, value in tensors.items() if value.is_floating_point()}
        compare_shapes(network, shapes, real)
    except (CheckpointError, ArgumentError):
        return False
    return True


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
    state = _read(path)
    if architecture == "espnetv2" and is_classifier(state):
        return _import_encoder(state, path, dataset, arguments or {})
    published = _Published(architecture, state, path)
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
            f"a classifier of pictures knows no classes of {dataset}",
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


class _Published:
    """A state dict of other authors, with the layout that it is in.

    Parameters
    ----------
    architecture : str
        Our name of the network.
    state : mapping of str to Tensor
        Under the authors' names.
    where : Path, optional
        The file, for errors.
    """

    def __init__(self, architecture: str, state: State, where: Path | None = None) -> None:
        self._architecture = architecture
        self._state = _without_prefix(state)
        self._where = where
        self.layout = _find_layout(architecture, self._state, where)
        tracked = _TrackedState(self._state)
        try:
            self.arguments = self.layout.read_arguments(architecture, tracked)
            self.classes = self.layout.read_classes(architecture, tracked)
        except KeyError as error:
            raise WeightsMismatchError(
                f"1 missing: {error.args[0]}", where, "Check the architecture."
            ) from error
        except (IndexError, ValueError) as error:
            shape = tuple(self._state[tracked.last].shape) if tracked.last else None
            raise WeightsMismatchError(
                f"{tracked.last} is {shape}, which it is in no {architecture}"
                if tracked.last
                else str(error),
                where,
                "Check the architecture.",
            ) from error

    def resolve_arguments(self, given: Arguments) -> Arguments:
        """Return the architecture's arguments: those of the file, and whatever it does not tell."""
        find_architecture(self._architecture).check(given)
        for key, value in given.items():
            if self.arguments.get(key, value) != value:
                raise WeightsMismatchError(
                    f"the file has {key}={self.arguments[key]}, not {value}",
                    self._where,
                    f"Leave {key} out: it is read off the file.",
                )
        return self.arguments | given

    def build(self, classes: int, settings: Arguments) -> SegmentationNetwork:
        """Return the network with these weights, in evaluation mode."""
        network = create_model(self._architecture, classes, **settings)
        load_strictly(network, self.layout.translate(self._architecture, self._state), self._where)
        return network.eval()


class _TrackedState(dict[str, Tensor]):
    """A state dict that knows which tensor was looked at last."""

    last = ""

    def __getitem__(self, key: str) -> Tensor:
        tensor = super().__getitem__(key)
        self.last = key
        return tensor


def _read(path: Path) -> State:
    if path.is_dir():
        raise CheckpointError("this is a folder, not a file of weights", path)
    if not path.is_file():
        raise CheckpointError("there is no such file", path)
    if is_checkpoint(path):
        raise CheckpointError(
            "this is a checkpoint already, and needs no import", path, "Use it as it is, with -c."
        )
    refuse_bomb(path)
    try:
        with warnings.catch_warnings():
            # torch.load warns of an unusual pickle protocol before it refuses the file.
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # On bytes that are no pickle the unpickler raises almost any kind of exception.
        raise CheckpointError(
            "the file cannot be read as plain weights",
            path,
            "Only tensors are taken; a file that wants to run code is refused.",
        ) from error
    if isinstance(content, Mapping):
        for key in _WRAPPERS:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) and v.layout == torch.strided
        for k, v in content.items()
    ):
        raise CheckpointError("the file holds no state dict", path)
    return content


def _without_prefix(state: State) -> dict[str, Tensor]:
    """Take off what ``DataParallel`` puts in front of every key."""
    if state and all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): value for key, value in state.items()}
    return dict(state)


def _find_layout(architecture: str, state: State, where: object = None) -> KeyLayout:
    find_architecture(architecture)
    able = [layout for layout in LAYOUTS if architecture in layout.architectures]
    if not able:
        known = sorted({name for layout in LAYOUTS for name in layout.architectures})
        hint = _suggest(state) or f"There are importers for {', '.join(known)}."
        raise UnknownArchitectureError(f"there is no importer for {architecture}", where, hint)
    for layout in able:
        if layout.matches(architecture, state):
            return layout
    first = ", ".join(shorten(key) for key in list(state)[:3]) or "nothing"
    raise CheckpointError(
        f"these are not weights of {architecture} in a known layout; the file begins with {first}",
        where,
        _suggest(state) or "Check `architecture`.",
    )


def _suggest(state: State) -> str:
    """Return a hint at the architectures that weights may be of, nothing for unknown ones."""
    names = _matching(state) + (["espnetv2"] if is_classifier(state) else [])
    return f"Did you mean `architecture` {' or '.join(names)}?" if names else ""


def _matching(state: State) -> list[str]:
    """Return the architectures whose layout a state dict is in."""
    names = [n for k in LAYOUTS for n in k.architectures if k.matches(n, state)]
    return list(dict.fromkeys(names))


def _guess_dataset(layout: KeyLayout, classes: int, path: Path) -> str:
    fitting = [name for name in layout.normalisations if classes - len(CLASS_SETS[name]) in (0, 1)]
    if len(fitting) == 1:
        return fitting[0]
    raise CheckpointError(
        f"what {classes} classes were trained on cannot be told", path, "Add `dataset`."
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
