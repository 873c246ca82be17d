"""The layout of ESPNetv2's ImageNet classifier: ``level5_0.eesp.…``, ``level5.4.…``."""

from __future__ import annotations

from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models.budget import within_budget
from wsiseg.models.importing.espnetv2 import ENCODER, PYRAMID
from wsiseg.models.importing.key_renaming import Renames, State, renamed_state
from wsiseg.models.networks.espnetv2 import CHANNELS
from wsiseg.models.networks.espnetv2_classifier import ESPNetv2Classifier
from wsiseg.models.weights import load_strictly

_RENAMES: Renames = (
    (r"^module\.", ""),
    (r"^level([1234])", r"encoder.level\1"),
    *ENCODER,
    (r"^level5_0\.eesp\.", "down5.pyramid."),
    (r"^level5_0\.inp_reinf\.", "down5.reinforce."),
    (r"^level5_0\.act\.", "down5.act."),
    # Behind the three pyramids of the last level.
    (r"^level5\.3\.", "depthwise."),
    (r"^level5\.4\.", "widen."),
    *PYRAMID,
)


def is_classifier(state: State) -> bool:
    """Tell the classifier by its deepest level, which no segmentation network has."""
    return {"level5_0.act.weight", "module.level5_0.act.weight"} & state.keys() != set()


def import_classifier(state: State, where: object = None) -> ESPNetv2Classifier:
    """Build the classifier from tensors under their authors' names.

    Both of their repositories, ESPNetv2 and EdgeNets (MIT), name them alike.  What they published
    wants pixels as :data:`wsiseg.models.normalisation.IMAGENET` gives them.

    Parameters
    ----------
    state : mapping of str to Tensor
        The authors' state dict, as ``torch.load(path, weights_only=True)`` gives it.
    where : object
        The file, for errors.

    Returns
    -------
    ESPNetv2Classifier
        Of the width and the classes that the shapes tell, in evaluation mode.

    Raises
    ------
    CheckpointError
        If these are not weights of an ESPNetv2 classifier.
    WeightsMismatchError
        If tensors are missing, left over or of another shape.
    """
    tensors = renamed_state(state, _RENAMES)
    first, last = tensors.get("encoder.down2.act.weight"), tensors.get("classifier.weight")
    widths = [
        w for w, channels in CHANNELS.items() if first is not None and channels[1] == len(first)
    ]
    if last is None or not widths:
        raise CheckpointError(
            "these are not weights of an ESPNetv2 classifier",
            where,
            "Weights of the segmentation network go through 'wsiseg models import'.",
        )
    try:
        with within_budget():
            network = ESPNetv2Classifier(last.shape[0], width=widths[0])
    except ValueError as error:
        raise WeightsMismatchError(
            f"classifier.weight is {tuple(last.shape)}, which no classifier has", where
        ) from error
    load_strictly(network, tensors, where)
    return network.eval()
