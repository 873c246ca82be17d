"""Which tiles an epoch shows, where they lie, and in which order: all decided by one seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler

from wsiseg.annotations.labels import Labels
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.augmentation import Augmentation, resize
from wsiseg.training.datasets.open_samples import SampleCache
from wsiseg.training.survey import Survey

Batch = tuple[torch.Tensor, torch.Tensor]

_TRIES = 10
"""How often a place is chosen anew where the augmentation does not want what is there."""


@dataclass(frozen=True)
class TileRequest:
    """A request for one training tile.

    Attributes
    ----------
    number : int
        Counts all tiles of a training from its beginning; with the seed it decides everything
        about the tile.
    sample : int or None
        Which sample it comes from; None looks for a place where something is annotated.
    zoom : float
        Magnification of this pass through the data.
    """

    number: int
    sample: int | None
    zoom: float = 1.0


@dataclass(frozen=True)
class Sampling:
    """What an epoch consists of.

    Attributes
    ----------
    tiles : int
        Tiles per epoch and pass.
    balanced : bool
        Look for tiles over all samples so that every class comes up; otherwise every sample comes
        up once, at a random place.
    zooms : tuple of float
        An epoch passes through the data once at each of these magnifications.
    seed : int
        Decides everything.
    """

    tiles: int
    balanced: bool
    zooms: tuple[float, ...] = (1.0,)
    seed: int = 0


class EpochSampler(Sampler[list[TileRequest]]):
    """Batches of tile requests, epoch by epoch; each of several processes gets its share.

    Parameters
    ----------
    sampling : Sampling
        What an epoch consists of.
    samples : int
        Samples of the data set.
    batch : int
        Tiles per batch and process.
    rank, world : int
        Which process of how many this is.

    Examples
    --------
    Four samples, each once, in batches of two, for the first of two processes:

    >>> sampling = Sampling(tiles=4, balanced=False)
    >>> sampler = EpochSampler(sampling, samples=4, batch=2, rank=0, world=2)
    >>> [[request.number for request in batch] for batch in sampler]
    [[0, 1]]
    >>> sampler.set_epoch(1)
    >>> [[request.number for request in batch] for batch in sampler]
    [[4, 5]]
    """

    def __init__(
        self, sampling: Sampling, samples: int, batch: int, rank: int = 0, world: int = 1
    ) -> None:
        self._sampling = sampling
        self._samples = samples
        self._batch = batch
        self._rank = rank
        self._world = world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch; the training loop calls this before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._batches_per_pass * len(self._sampling.zooms)

    @property
    def _batches_per_pass(self) -> int:
        # The last batch is filled up from the beginning of the order: all are of one size, which
        # batch norm and several processes both want.
        return -(-self._sampling.tiles // (self._batch * self._world))

    def __iter__(self) -> Iterator[list[TileRequest]]:
        sampling, world = self._sampling, self._world
        per_pass = self._batches_per_pass * self._batch * world
        first = self._epoch * per_pass * len(sampling.zooms)
        random = np.random.default_rng([sampling.seed, 0, self._epoch])
        for turn, zoom in enumerate(sampling.zooms):
            start = first + turn * per_pass
            order = np.resize(random.permutation(self._samples), per_pass)
            requests = [
                TileRequest(start + i, None if sampling.balanced else int(order[i]), zoom)
                for i in range(per_pass)
            ]
            for begin in range(self._rank * self._batch, per_pass, self._batch * world):
                yield requests[begin : begin + self._batch]


class TrainingTiles(Dataset[Batch]):
    """Batches of augmented tiles; asked twice for the same one, it gives the same.

    Parameters
    ----------
    cache : SampleCache
        The samples.
    survey : Survey
        What is where.
    tile : tuple of int
        ``(height, width)``, before the zoom of a pass.
    multiple : int
        What the network wants sizes to be multiples of.
    augmentation : Augmentation
        How tiles may be changed.
    balance : float
        0: places are drawn evenly over the annotated area; 1: all classes are equally likely.
    seed : int
        Decides everything.
    """

    def __init__(
        self,
        cache: SampleCache,
        survey: Survey,
        tile: tuple[int, int],
        *,
        multiple: int,
        augmentation: Augmentation,
        balance: float,
        seed: int,
    ) -> None:
        self._cache = cache
        self._survey = survey
        self._tile = tile
        self._multiple = multiple
        self._augmentation = augmentation
        self._seed = seed
        self._class_odds = _class_odds(survey, balance)

    def __getitem__(self, requests: list[TileRequest]) -> Batch:
        return collate([self.cut(request) for request in requests])

    def cut(self, request: TileRequest) -> tuple[Pixels, Labels]:
        """Return one tile: uint8 ``(H, W, 3)`` and ``(H, W)``."""
        random = np.random.default_rng([self._seed, 1, request.number])
        height, width = (self._fit(edge * request.zoom) for edge in self._tile)
        zoom = request.zoom * self._augmentation.magnification(random)
        size = (max(1, round(height / zoom)), max(1, round(width / zoom)))
        for _ in range(1 + _TRIES):
            index, box = self._choose(request, size, random)
            sample = self._cache.get(index)
            labels = sample.labels(box)
            if self._augmentation.wants(labels):
                break
        tile = resize(sample.pixels(box), labels, (height, width))
        return self._augmentation(*tile, random)

    def _fit(self, edge: float) -> int:
        """Return the nearest size that the network takes."""
        return max(1, round(edge / self._multiple)) * self._multiple

    def _choose(
        self, request: TileRequest, size: tuple[int, int], random: np.random.Generator
    ) -> tuple[int, Box]:
        """Return a sample and a box in it."""
        if request.sample is not None:
            shape = self._survey.samples[request.sample].shape
            y, x = (_slide_in(random.random(), *pair) for pair in zip(shape, size, strict=True))
            return request.sample, Box(y, x, *size)
        label = int(random.choice(len(self._class_odds), p=self._class_odds))
        areas = np.array([s.pixels[label] for s in self._survey.samples])
        index = int(random.choice(len(areas), p=areas / areas.sum()))
        found = self._survey.samples[index]
        place = found.places[label][int(random.integers(len(found.places[label])))]
        y, x = (
            _around(int(at), float(random.random()), length, edge)
            for at, length, edge in zip(place, found.shape, size, strict=True)
        )
        return index, Box(y, x, *size)


def collate(tiles: list[tuple[Pixels, Labels]]) -> Batch:
    """Stack tiles to uint8 tensors ``(B, H, W, 3)`` and ``(B, H, W)``."""
    return (
        torch.from_numpy(np.stack([pixels for pixels, _ in tiles])),
        torch.from_numpy(np.stack([labels for _, labels in tiles])),
    )


def _class_odds(survey: Survey, balance: float) -> npt.NDArray[np.float64]:
    shares = survey.pixels / survey.pixels.sum()
    odds: npt.NDArray[np.float64] = np.where(shares > 0, shares ** (1 - balance), 0.0)
    odds /= odds.sum()
    return odds


def _slide_in(where: float, length: int, edge: int) -> int:
    """Return where an edge begins that lies inside, or if it is longer reaches over both ends."""
    return int(np.floor(where * (length - edge + 1))) if edge <= length else -((edge - length) // 2)


def _around(place: int, where: float, length: int, edge: int) -> int:
    """Return where an edge begins that holds a place, and lies inside if it can."""
    if edge >= length:
        return -((edge - length) // 2)
    return int(np.clip(place - int(where * edge), 0, length - edge))
