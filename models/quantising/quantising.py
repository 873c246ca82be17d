"""A checkpoint in, its int8 form out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.quantised import Int8Form
from wsiseg.models.quantising.quantiser import CalibrationTiles
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.registry import Registry

if TYPE_CHECKING:
    from wsiseg.models.quantising.quantiser import Quantiser

QUANTISERS: Registry[type[Quantiser[Any]]] = Registry(
    "runtime for int8",
    "wsiseg.quantisers",
    {
        "openvino": "wsiseg.models.quantising.openvino:OpenVinoQuantiser",
        "onnx": "wsiseg.models.quantising.onnx:OnnxQuantiser",
    },
)
"""By the runtime that takes what they make, the fastest first."""


def check_quantising(runtime: str = "auto") -> str:
    """Return the runtime to quantise for, if what does it is installed.

    Parameters
    ----------
    runtime : str
        ``"auto"``, for the first that can, or one of :data:`QUANTISERS`.

    Raises
    ------
    RuntimeUnavailableError
        Naming what to install.
    ArgumentError
        For a name that does not exist.
    """
    names = list(QUANTISERS) if runtime == "auto" else [QUANTISERS.check(runtime, "`runtime`")]
    able = [name for name in names if not QUANTISERS[name].missing()]
    if able:
        return able[0]
    first = QUANTISERS[names[0]]
    raise RuntimeUnavailableError(
        f"{' and '.join(first.missing())}, which quantises, is not installed",
        None,
        f"Run: pip install 'wsiseg[{first.extra}]'.",
    )


def quantise(
    checkpoint: Checkpoint,
    tiles: CalibrationTiles,
    *,
    runtime: str = "auto",
    min_agreement: float = 0.99,
    threads: int | None = None,
    began: Callable[[str], None] = lambda _: None,
) -> Int8Form:
    """Make the int8 form of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        With its network.
    tiles : CalibrationTiles
        Their height and width are multiples of what the network takes.
    runtime : str
        For which runtime, as :func:`check_quantising` takes it.
    min_agreement : float
        Share of the pixels whose label has to be that of fp32.
    threads : int, optional
        CPU threads; all cores that this process may use if left out.
    began : callable
        Told what is done.

    Returns
    -------
    Int8Form
        With agreement and speed as they were measured.

    Raises
    ------
    RuntimeUnavailableError
        If what quantises is not installed, cannot take the network, or the labels agree too little
        even with half of the layers in fp32.
    ArgumentError
        If `min_agreement` is no share, or the network gives numbers that are not finite.
    """
    kind = QUANTISERS[check_quantising(runtime)]
    if not 0 < min_agreement <= 1:
        raise ArgumentError(
            f"{min_agreement:g} is not a share from 0 to 1",
            "`min_agreement`",
            "Use 0.99, for instance.",
        )
    with translate_errors(
        lambda why: RuntimeUnavailableError(
            f"{checkpoint.card.architecture} cannot be quantised: {why}",
            checkpoint.name,
            "bf16 needs no quantising: `precision=bf16`.",
        )
    ):
        return kind(checkpoint, tiles, threads or usable_cores(), began).run(min_agreement)
