"""OME-Zarr images as other programs write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zarr

from wsiseg.tiling.slides.pixels import Pixels

Array = npt.NDArray[np.generic]


def write_image(
    store: Path | str,
    levels: Sequence[Array],
    axes: str = "cyx",
    *,
    version: str = "0.5",
    mpp: tuple[float, float] = (0.25, 0.25),
    unit: str | None = "micrometer",
    channels: Sequence[dict[str, str]] = (),
    group: str = "",
    **more: object,
) -> None:
    """Write a pyramid; a level that is None is listed and not there."""
    root = zarr.open_group(
        str(store), mode="a", path=group, zarr_format=3 if version == "0.5" else 2
    )
    sizes = dict(zip(axes, levels[0].shape, strict=True))
    datasets = []
    for index, level in enumerate(levels):
        factor = 1.0 if level is None else sizes["y"] / level.shape[axes.index("y")]
        scale = [{"y": mpp[0], "x": mpp[1]}.get(axis, 1.0) for axis in axes]
        scale = [s * factor if axis in "yx" else s for s, axis in zip(scale, axes, strict=True)]
        transformations = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(index), "coordinateTransformations": transformations})
        if level is not None:
            chunks = tuple(64 if axis in "yx" else 1 for axis in axes)
            array = root.create_array(
                str(index), shape=level.shape, dtype=level.dtype, chunks=chunks
            )
            array[:] = level
    kinds = {"t": "time", "c": "channel"}
    named = [
        {"name": axis, "type": kinds.get(axis, "space")}
        | ({"unit": unit} if unit and axis in "yx" else {})
        for axis in axes
    ]
    ome = {"multiscales": [{"axes": named, "datasets": datasets, "version": version}], **more}
    if channels:
        ome["omero"] = {"channels": list(channels)}
    root.attrs.update({"ome": {"version": version, **ome}} if version == "0.5" else ome)


def halves(pixels: Pixels, count: int = 2) -> list[Pixels]:
    """Return `count` levels of an image ``(H, W, …)``."""
    return [pixels[:: 2**k, :: 2**k].copy() for k in range(count)]
