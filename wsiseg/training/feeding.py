"""Batches for the training loop: augmented tiles to learn from, a grid of tiles to score."""

from __future__ import annotations

from dataclasses import dataclass, replace

import lightning.pytorch as lightning
import numpy as np
from torch.utils.data import DataLoader, Dataset

from wsiseg.annotations.labels import IGNORED
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.training.augmenting import AUGMENTATIONS, Augmentation
from wsiseg.training.datasets.viewing import OpenSample, SampleShelf
from wsiseg.training.material import Material
from wsiseg.training.options import TrainOptions
from wsiseg.training.recipes.recipe import Recipe, Stage
from wsiseg.training.sampling import Batch, EpochSampler, Sampling, TrainingTiles, collate
from wsiseg.training.survey import Survey

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
    shelf : SampleShelf
        The samples.
    multiple : int
        The network's input multiple.
    """

    def __init__(self, shelf: SampleShelf, multiple: int) -> None:
        self._shelf = shelf
        self._tiles: list[tuple[int, Tile]] = []
        for index, sample in enumerate(shelf.samples):
            # Not from the shelf: what is open there must not be shared with reading processes.
            with OpenSample(sample, shelf.view) as opened:
                shape = (opened.plane.height, opened.plane.width)
                grid = TileGrid.fitting(shape, _LARGEST, _HALO, multiple, shrink=True)
                self._tiles += [(index, tile) for tile in grid if _is_annotated(opened, tile)]

    def __len__(self) -> int:
        return len(self._tiles)

    def __getitem__(self, number: int) -> Batch:
        # What fills up the share of a process is a tile of which nothing counts.
        index, tile = self._tiles[min(number, len(self) - 1)]
        sample = self._shelf.take(index)
        labels = np.full(tile.box.shape, IGNORED, np.uint8)
        if number < len(self):
            labels[tile.core.slices_in(tile.box)] = sample.labels(tile.core)
        return collate([(sample.pixels(tile.box), labels)])


def _is_annotated(opened: OpenSample, tile: Tile) -> bool:
    return bool((opened.labels(tile.core) != IGNORED).any())


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
    tile : tuple of int
        ``(height, width)`` of the tiles to learn from.
    augmentation : str
        How they are changed.
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

    def order(self, rank: int, world: int) -> EpochSampler:
        """Return what one of several processes learns from, in order."""
        return EpochSampler(self.sampling, self.samples, self.batch, rank, world)


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
        assert trainer is not None
        sampler = feed.order(trainer.global_rank, trainer.world_size)
        # A training that goes on has readers fetch ahead before the loop names the epoch.
        done = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        sampler.set_epoch(done)
        return self._load(feed.training, sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the tiles to score; each process takes every n-th."""
        validation, trainer = self._feed.validation, self.trainer
        assert trainer is not None
        rank, world = trainer.global_rank, trainer.world_size
        filled = -(-len(validation) // world) * world
        return self._load(validation, range(rank, filled, world))

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


def make_feed(
    options: TrainOptions, recipe: Recipe, stage: Stage, multiple: int, material: Material
) -> Feed:
    """Decide what batches are made of.

    Parameters
    ----------
    options : TrainOptions
        What the user asked for.
    recipe, stage : Recipe, Stage
        What decides where the user did not.
    multiple : int
        The network's input multiple.
    material : Material
        What is learnt from.
    """
    samples = len(material.training.samples)
    tile = _choose_tile(options, recipe, material.survey, multiple)
    balance = options.balance
    if balance is None and material.training.sparse:
        balance = _USUAL_BALANCE
    balanced = balance is not None
    tiles = options.tiles
    if tiles is None:
        annotated = material.survey.pixels.sum() / (tile[0] * tile[1])
        tiles = max(stage.batch if balanced else samples, round(annotated))
    augmentation = _choose_augmentation(options, recipe, material)
    room = _SLIDES_OPEN if material.training.sparse else _PICTURES_OPEN
    sampling = Sampling(tiles, balanced, stage.zooms, options.seed)
    training = TrainingTiles(
        SampleShelf(material.training.samples, material.view, room),
        material.survey,
        tile,
        multiple=multiple,
        augmentation=_without_scale(AUGMENTATIONS[augmentation], stage),
        balance=balance or 0.0,
        seed=options.seed,
    )
    shelf = SampleShelf(material.scored.samples, material.view, room)
    validation = ValidationTiles(shelf, multiple)
    workers = min(4, usable_cores() - 1) if options.workers is None else options.workers
    return Feed(
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


def _choose_augmentation(options: TrainOptions, recipe: Recipe, material: Material) -> str:
    """Return what was asked for; whatever has a resolution is taken for tissue."""
    if options.augment != "auto":
        return options.augment
    return recipe.scenes if material.mpp is None else "tissue"


def _without_scale(augmentation: Augmentation, stage: Stage) -> Augmentation:
    """Leave random magnification out where an epoch passes through several."""
    return replace(augmentation, scale=(1.0, 1.0)) if len(stage.zooms) > 1 else augmentation
