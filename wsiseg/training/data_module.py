"""The data module: batches of augmented training tiles, and of a grid of validation tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import lightning.pytorch as lightning
import numpy as np
from torch.utils.data import DataLoader, Dataset

from wsiseg.annotations.labels import IGNORED
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.training.augmentation import AUGMENTATIONS, Augmentation
from wsiseg.training.datasets.open_samples import OpenSample, SampleCache
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes.recipe import Recipe, Stage
from wsiseg.training.sampling import Batch, EpochSampler, Sampling, TrainingTiles, collate
from wsiseg.training.survey import Survey
from wsiseg.training.training_data import TrainingData

_LARGEST, _HALO = 1024, 64
"""Of validation tiles; most pictures fit into one."""

_USUAL_BALANCE = 0.5

_PICTURES_OPEN, _SLIDES_OPEN = 8, 64
"""Samples that a reading process keeps open: pictures are held decoded, slides are not."""


class ValidationTiles(Dataset[Batch]):
    """Every annotated place once, in tiles of one grid per sample.

    The same grid as a segmentation's: what lies in a tile's halo is context, and its labels are
    ignored.

    Parameters
    ----------
    cache : SampleCache
        The samples.
    multiple : int
        The network's input multiple.
    """

    def __init__(self, cache: SampleCache, multiple: int) -> None:
        self._cache = cache
        self._tiles: list[tuple[int, Tile]] = []
        for index, sample in enumerate(cache.samples):
            # Not from the cache: what is open there must not be shared with reading processes.
            with OpenSample(sample, cache.resolution) as opened:
                shape = (opened.plane.height, opened.plane.width)
                grid = TileGrid.fitting(shape, _LARGEST, _HALO, multiple, shrink=True)
                self._tiles += [(index, tile) for tile in grid if _is_annotated(opened, tile)]

    def __len__(self) -> int:
        return len(self._tiles)

    def __getitem__(self, number: int) -> Batch:
        # What fills up the share of a process is a tile of which nothing counts.
        index, tile = self._tiles[min(number, len(self) - 1)]
        sample = self._cache.get(index)
        labels = np.full(tile.box.shape, IGNORED, np.uint8)
        if number < len(self):
            labels[tile.core.slices_in(tile.box)] = sample.labels(tile.core)
        return collate([(sample.pixels(tile.box), labels)])


def _is_annotated(opened: OpenSample, tile: Tile) -> bool:
    return bool((opened.labels(tile.core) != IGNORED).any())


@dataclass(frozen=True)
class BatchPlan:
    """How training and validation data are cut into batches.

    Attributes
    ----------
    training : TrainingTiles
        The data set of training tiles.
    sampling : Sampling
        What an epoch consists of.
    samples : int
        Number of training samples.
    validation : ValidationTiles
        The data set of validation tiles.
    batch : int
        Tiles per batch.
    workers : int
        Processes that read and augment.
    tile : tuple of int
        ``(height, width)`` of training tiles, in working pixels.
    augmentation : str
        Name of the augmentation.
    balance : float or None
        0: places are drawn evenly over the annotated area; 1: all classes are equally likely;
        None: every sample comes up in turn.
    """

    training: TrainingTiles
    sampling: Sampling
    samples: int
    validation: ValidationTiles
    batch: int
    workers: int
    tile: tuple[int, int]
    augmentation: str
    balance: float | None

    def sampler(self, rank: int, world: int) -> EpochSampler:
        """Return the order of training tiles for one of several processes.

        Parameters
        ----------
        rank, world : int
            Which process of how many.
        """
        return EpochSampler(self.sampling, self.samples, self.batch, rank, world)


class SegmentationDataModule(lightning.LightningDataModule):
    """Lightning's data module: gives each of several processes its share of the batches.

    Parameters
    ----------
    batches : BatchPlan
        How batches are made.
    """

    def __init__(self, batches: BatchPlan) -> None:
        super().__init__()
        self._batches = batches

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return augmented tiles, in the order of the seed and the epoch."""
        batches, trainer = self._batches, self.trainer
        assert trainer is not None
        sampler = batches.sampler(trainer.global_rank, trainer.world_size)
        # A resumed run has readers fetch ahead before the loop names the epoch.
        done = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        sampler.set_epoch(done)
        return self._load(batches.training, sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the tiles to score; each process takes every n-th."""
        validation, trainer = self._batches.validation, self.trainer
        assert trainer is not None
        rank, world = trainer.global_rank, trainer.world_size
        filled = -(-len(validation) // world) * world
        return self._load(validation, range(rank, filled, world))

    def _load(self, dataset: Dataset[Batch], order: object) -> DataLoader[Batch]:
        workers = self._batches.workers
        return DataLoader(
            dataset,
            sampler=order,  # type: ignore[arg-type]
            # The data sets make whole batches themselves.
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
        )


def plan_batches(
    options: TrainOptions, recipe: Recipe, stage: Stage, multiple: int, data: TrainingData
) -> BatchPlan:
    """Choose tile size, augmentation, sampling and workers, and make the data sets of tiles.

    Parameters
    ----------
    options : TrainOptions
        What the user asked for.
    recipe, stage : Recipe, Stage
        What decides where the user did not.
    multiple : int
        The network's input multiple.
    data : TrainingData
        Training and validation samples.
    """
    samples = len(data.training.samples)
    tile = _choose_tile(options, recipe, data.survey, multiple)
    balance = options.balance
    if balance is None and data.training.sparse:
        balance = _USUAL_BALANCE
    balanced = balance is not None
    tiles = options.tiles
    if tiles is None:
        annotated = data.survey.pixels.sum() / (tile[0] * tile[1])
        tiles = max(stage.batch if balanced else samples, round(annotated))
    augmentation = _choose_augmentation(options, recipe, data)
    capacity = _SLIDES_OPEN if data.training.sparse else _PICTURES_OPEN
    sampling = Sampling(tiles, balanced, stage.zooms, options.seed)
    training = TrainingTiles(
        SampleCache(data.training.samples, data.resolution, capacity),
        data.survey,
        tile,
        multiple=multiple,
        augmentation=_without_scale(AUGMENTATIONS[augmentation], stage),
        balance=balance or 0.0,
        seed=options.seed,
    )
    cache = SampleCache(data.scored.samples, data.resolution, capacity)
    validation = ValidationTiles(cache, multiple)
    workers = min(4, usable_cores() - 1) if options.workers is None else options.workers
    return BatchPlan(
        training=training,
        sampling=sampling,
        samples=samples,
        validation=validation,
        batch=stage.batch,
        workers=workers,
        tile=tile,
        augmentation=augmentation,
        balance=balance,
    )


def _choose_tile(
    options: TrainOptions, recipe: Recipe, found: Survey, multiple: int
) -> tuple[int, int]:
    """Return ``(height, width)``: what was asked for, or what most samples fill."""
    if options.tile is not None:
        return options.tile, options.tile
    edges = []
    for axis in (0, 1):
        usual = int(np.median([sample.shape[axis] for sample in found.samples]))
        edge = usual if recipe.whole_pictures else min(usual, recipe.tile)
        edges.append(-(-edge // multiple) * multiple)
    return edges[0], edges[1]


def _choose_augmentation(options: TrainOptions, recipe: Recipe, data: TrainingData) -> str:
    """Return what was asked for; whatever has a resolution is taken for tissue."""
    if options.augment != "auto":
        return options.augment
    return recipe.scenes if data.mpp is None else "tissue"


def _without_scale(augmentation: Augmentation, stage: Stage) -> Augmentation:
    """Leave random magnification out where an epoch passes through several."""
    return replace(augmentation, scale=(1.0, 1.0)) if len(stage.zooms) > 1 else augmentation
