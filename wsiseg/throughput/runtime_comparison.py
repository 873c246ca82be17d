"""What ``auto`` chooses on this machine, and how every runtime that is installed does beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from wsiseg.errors import WsisegError
from wsiseg.models.folding import fold
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.runtimes.choosing import RuntimeChoice
from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.models.runtimes.runtime import Precision
from wsiseg.models.tile_network import TileNetwork
from wsiseg.throughput.runs import noise_for

EDGE = 512
"""Of the tiles that are measured."""

_SECONDS = 0.5
_LEAST_RUNS = 3
_CLEARLY = 1.05
"""How many times as fast something has to be to be recommended."""


@dataclass(frozen=True)
class RuntimeFigure:
    """What was measured of one runtime.

    Attributes
    ----------
    choice : RuntimeChoice
        Runtime, device, precision, threads.
    mpx_per_s : float or None
        Megapixels a second; None if it does not run here.
    why_not : str
        Why it does not.
    """

    choice: RuntimeChoice
    mpx_per_s: float | None = None
    why_not: str = ""

    def describe(self) -> dict[str, Any]:
        """Return it for JSON."""
        choice, rate = self.choice, self.mpx_per_s
        return {
            "runtime": choice.runtime,
            "device": choice.device,
            "precision": choice.precision,
            "mpx_per_s": None if rate is None else round(rate, 3),
            "why_not": self.why_not or None,
        }


def compare_runtimes(
    network: SegmentationNetwork, normalisation: Normalisation, auto: RuntimeChoice
) -> Iterator[RuntimeFigure]:
    """Measure a network on every runtime, shortly, in all precisions that it takes.

    Parameters
    ----------
    network : SegmentationNetwork
        In evaluation mode.
    normalisation : Normalisation
        What it takes.
    auto : RuntimeChoice
        What would be chosen; its device and the CPU are measured.

    Yields
    ------
    RuntimeFigure
        One for each, as it is measured; a runtime that is not installed has one.
    """
    tiles = TileNetwork(fold(network), normalisation, ("labels",)).eval()
    for name, kind in RUNTIMES.items():
        if not kind.is_installed():
            missing = RuntimeChoice(name, auto.device, "fp32", auto.threads)
            yield RuntimeFigure(missing, why_not=f"pip install 'wsiseg[{kind.extra}]'")
            continue
        for device in dict.fromkeys((auto.device, "cpu")):
            if kind.runs_on(device):
                for precision in _PRECISIONS:
                    choice = RuntimeChoice(name, device, precision, auto.threads)
                    try:
                        yield RuntimeFigure(choice, _measure(choice, tiles))
                    except WsisegError as error:
                        yield RuntimeFigure(choice, why_not=error.what)


_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16")
"""Those that need no other weights."""


def _measure(choice: RuntimeChoice, tiles: TileNetwork) -> float:
    runtime = choice.compile(tiles, (EDGE, EDGE), 1)
    pixels = noise_for(runtime)
    runtime.run(pixels)
    took: list[float] = []
    while len(took) < _LEAST_RUNS or sum(took) < _SECONDS:
        start = time.perf_counter()
        runtime.run(pixels)
        took.append(time.perf_counter() - start)
    return EDGE * EDGE / 1e6 / median(took)


def explain(auto: RuntimeChoice, figures: Sequence[RuntimeFigure]) -> list[str]:
    """Return why that is chosen, and what would be quicker, a sentence each.

    Parameters
    ----------
    auto : RuntimeChoice
        What is chosen.
    figures : sequence of RuntimeFigure
        What was measured.
    """
    order = ", ".join(RUNTIMES)
    place = "no GPU is seen"
    if auto.device != "cpu":
        place = f"PyTorch sees {auto.device}, and a GPU comes before the CPU"
    first = f"{auto.runtime} is the first of {order} that is installed and runs there"
    chosen = f"{auto.runtime} in {auto.precision} on {auto.device}"
    why = [f"auto chooses {chosen}: {place}, and {first}"]
    if auto.device == "cpu":
        why.append("on a CPU it is fp32, so that a slide has the same mask on every machine")
    rates = {figure.choice: figure.mpx_per_s for figure in figures if figure.mpx_per_s}
    own = next((rate for choice, rate in rates.items() if _same(choice, auto)), None)
    if own is None:
        return [*why, "it could not be measured"]
    others = {choice: rate / own for choice, rate in rates.items() if not _same(choice, auto)}
    alike = {c: ratio for c, ratio in others.items() if c.precision == auto.precision}
    for choice, ratio in sorted(alike.items(), key=lambda each: -each[1]):
        place = f"{choice.runtime} on {choice.device}"
        if ratio > _CLEARLY:
            hint = f"`runtime={choice.runtime}`"
            why.append(f"{place} was {ratio:.2f} times as fast here: {hint}")
        else:
            why.append(f"it is {1 / ratio:.2f} times as fast as {place}")
    lower = {c: ratio for c, ratio in others.items() if c.precision != auto.precision}
    best = max(lower, key=lower.__getitem__, default=None)
    if best is not None and lower[best] > _CLEARLY:
        why.append(
            f"{best.precision} on {best.runtime} was {lower[best]:.2f} times as fast, and labels "
            f"some pixels otherwise: `precision={best.precision}`"
        )
    return why


def _same(one: RuntimeChoice, other: RuntimeChoice) -> bool:
    return all(
        getattr(one, name) == getattr(other, name) for name in ("runtime", "device", "precision")
    )
