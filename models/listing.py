"""All architectures with what they cost, computed once and kept, as it takes PyTorch to count."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version

from wsiseg.models.registry import ARCHITECTURES, Architecture, list_architectures
from wsiseg.models.runtimes.cache import Json, keep, kept
from wsiseg.registry import foreign_entries

_KIND = "architectures"


@dataclass(frozen=True)
class ListedArchitecture:
    """One line of ``wsiseg models list``.

    Attributes
    ----------
    name, family, paper : str
        As the architecture is registered.
    parameters : int
        All learnable ones, auxiliary heads included.
    """

    name: str
    family: str
    parameters: int
    paper: str


def count_architectures(classes: int) -> list[ListedArchitecture]:
    """Return every registered architecture with its parameters.

    Parameters
    ----------
    classes : int
        For how many classes.

    Returns
    -------
    list of ListedArchitecture
        Ours by name and then those of other packages, which are counted each time, as they change
        without a sign that could be seen here.
    """
    key: dict[str, Json] = {"classes": classes, "torch": version("torch")}
    loaded = "wsiseg.models.networks" in sys.modules
    known = None if loaded or foreign_entries(ARCHITECTURES.group) else kept(_KIND, key)
    if known is not None:
        return [ListedArchitecture(**entry) for entry in json.loads(known)]
    counted = [(each, _count(each, classes)) for each in list_architectures()]
    ours = [entry for each, entry in counted if _is_ours(each)]
    keep(_KIND, key, json.dumps([asdict(entry) for entry in ours]).encode())
    return [entry for _, entry in counted]


def _count(architecture: Architecture, classes: int) -> ListedArchitecture:
    import torch

    from wsiseg.models.profiling import count_parameters

    # Shapes are enough to count, and some networks have a hundred million weights to draw.
    with torch.device("meta"):
        parameters = count_parameters(architecture.network(classes))
    return ListedArchitecture(
        architecture.name, architecture.family, parameters, architecture.paper
    )


def _is_ours(architecture: Architecture) -> bool:
    return architecture.network.__module__.startswith("wsiseg.models.")
