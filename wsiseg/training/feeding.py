"""Batches for the training loop: augmented tiles to learn from, a grid of tiles to score."""

from __future__ import annotations

from dataclasses import dataclass

import lightning.pytorch as lightning
import numpy as np
from torch.utils.data import DataLoader, Dataset

from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.training.annotations.labels import IGNORED
from wsiseg.training.datasets.viewing import SampleShelf
from wsiseg.training.sampling import Batch, EpochSampler, Sampling, TrainingTiles, collate
from wsiseg.training.survey import Survey

_LARGEST, _HALO = 1024, 64
"""Of validation tiles; most pictures fit into one."""


class ValidationTiles(Dataset[Batch]):
    """Every annotated place once, in tiles of one grid per sample.

    The same grid as a segmentation's: what lies in a tile's halo is context, and its labels are
    ignored.

    Parameters
    ----------
    shelf : SampleShelf
        The samples.
    survey : Survey
        What is where.
    multiple : int
        The network's input multiple.
    """

    def __init__(self, shelf: SampleShelf, survey: Survey, multiple: int) -> None:
        self._shelf = shelf
        self._tiles: list[tuple[int, Tile]] = []
        for index, sample in enumerate(survey.samples):
            grid = TileGrid.fitting(sample.shape, _LARGEST, _HALO, multiple, shrink=True)
            places = np.concatenate([np.empty((0, 2), np.int32), *sample.places.values()])
            self._tiles += [(index, tile) for tile in grid if _any_inside(places, tile)]

    def __len__(self) -> int:
        return len(self._tiles)

    def __getitem__(self, number: int) -> Batch:
        index, tile = self._tiles[number]
        sample = self._shelf.take(index)
        labels = np.full(tile.box.shape, IGNORED, np.uint8)
        labels[tile.core.within(tile.box)] = sample.labels(tile.core)
        return collate([(sample.pixels(tile.box), labels)])


def _any_inside(places: np.ndarray[tuple[int, int], np.dtype[np.int32]], tile: Tile) -> bool:
    y, x = places[:, 0], places[:, 1]
    core = tile.core
    inside = (y >= core.y) & (y < core.bottom) & (x >= core.x) & (x < core.right)
    return bool(inside.any())


@dataclass(frozen=True)
class Feed:
    """Everything that batches are made of.

    Attributes
    ----------
    training : TrainingTiles
        What is learnt from.
    sampling : Sampling
        What an epoch consists of.
    samples : int
        Samples to learn from.
    validation : ValidationTiles
        What is scored.
    batch : int
        Tiles per batch.
    workers : int
        Processes that read and augment.
    """

    training: TrainingTiles
    sampling: Sampling
    samples: int
    validation: ValidationTiles
    batch: int
    workers: int


class FeedModule(lightning.LightningDataModule):
    """Hands batches to Lightning, to each of several processes its share.

    Parameters
    ----------
    feed : Feed
        What they are made of.
    """

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return augmented tiles, in the order of the seed and the epoch."""
        feed, trainer = self._feed, self.trainer
        rank, world = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        return self._load(
            feed.training,
            EpochSampler(feed.sampling, feed.samples, feed.batch, rank, world),
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the tiles to score; each process takes every n-th."""
        validation, trainer = self._feed.validation, self.trainer
        rank, world = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        return self._load(validation, range(rank, len(validation), world))

    def _load(self, dataset: Dataset[Batch], order: object) -> DataLoader[Batch]:
        workers = self._feed.workers
        return DataLoader(
            dataset,
            sampler=order,  # type: ignore[arg-type]
            # The data sets make whole batches themselves.
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
