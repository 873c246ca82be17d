"""The settings of a cluster."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from wsiseg.errors import ArgumentError
from wsiseg.settings import Option, Settings

_PANEL = "Many processes or machines"


class ClusterOptions(Settings):
    """Who does the work; this process if nothing is named.

    Raises
    ------
    ArgumentError
        If both are named, or a number of workers is not positive.

    Examples
    --------
    >>> ClusterOptions(workers=4).wanted
    True
    >>> ClusterOptions().wanted
    False
    """

    scheduler: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Share the work among the workers of this dask.distributed scheduler; "
            "FILE is the scheduler file that it writes.",
        ),
        Option(_PANEL, metavar="ADDRESS|FILE"),
    ] = None
    workers: Annotated[
        int | None,
        Field(
            ge=1, le=1024, description="Share the work among this many processes on this machine."
        ),
        Option(_PANEL),
    ] = None

    @model_validator(mode="after")
    def _exclude_each_other(self) -> Self:
        if self.scheduler is not None and self.workers is not None:
            raise ArgumentError(
                "`scheduler` and `workers` exclude each other",
                None,
                "A scheduler has workers of its own; `workers` starts some on this machine.",
            )
        return self

    @property
    def wanted(self) -> bool:
        """Whether others than this process are to do the work."""
        return self.scheduler is not None or self.workers is not None
