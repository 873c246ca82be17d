"""Waits for what Zarr still reads in the background after a read has failed."""

from __future__ import annotations

import asyncio

from zarr.core.sync import sync

_PATIENCE = 10.0
"""Seconds."""


def settle_pending_reads() -> None:
    """Let reads end that Zarr began beside one that failed.

    Zarr reads the shards of a region side by side, and leaves the others alone when one of them is
    damaged.  What is still pending when the program ends is complained about on stderr, after the
    error that says all there is to say.
    """
    sync(_settle())


async def _settle() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=_PATIENCE)
