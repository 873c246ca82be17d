"""On what a network runs, as settings of the jobs that run one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.settings import Option, Settings

COMPUTE = "Compute"
"""Heading of these options in help texts."""


class ComputeOptions(Settings):
    """On what the network runs; see :func:`wsiseg.models.runtimes.choose_runtime`."""

    runtime: Annotated[
        str,
        Field(description="Runtime of the network."),
        Option(COMPUTE, metavar="|".join(("auto", *RUNTIMES))),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fast", "fp32", "fp16", "bf16", "int8"],
        Field(
            description="Number format inside the network; fast: the quickest whose labels agree "
            "with fp32 by 99.5 % on the slide's first tiles."
        ),
        Option(COMPUTE),
    ] = "auto"
    device: Annotated[
        str,
        Field(description="auto, cpu, cuda, cuda:N, mps; dml with onnx on Windows."),
        Option(COMPUTE),
    ] = "auto"
    threads: Annotated[
        int | None, Field(ge=1, description="CPU threads of the network."), Option(COMPUTE)
    ] = None

    @field_validator("runtime")
    @classmethod
    def _is_a_runtime(cls, name: str) -> str:
        return name if name == "auto" else RUNTIMES.check(name, "`runtime`")
