"""Options of training and evaluation; ``RUN/config.yaml`` holds those of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, field_validator, model_validator

from wsiseg.checkpoints import settle_source
from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.runtimes.options import ComputeOptions
from wsiseg.segmentation.options import (
    ForceOptions,
    ScaleOptions,
    SegmentOptions,
    TileOptions,
)
from wsiseg.settings import Option, split_pairs
from wsiseg.store.disk import write_atomically
from wsiseg.training.data_options import MASKS_NEED_A_MAP, AbsolutePath, DataOptions
from wsiseg.training.losses import LOSSES
from wsiseg.training.recipes import RECIPES
from wsiseg.yaml_files import load_yaml

_Source = Annotated[
    str,
    BeforeValidator(lambda given: settle_source(given) if isinstance(given, Path | str) else given),
]
"""A checkpoint by its name, its address, or its file's absolute path."""
_Count = Annotated[int, Field(ge=1)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Seed = Annotated[int, Field(ge=0, lt=2**32)]


MACHINE_OPTIONS = ("workers", "threads", "tensorboard", "wandb")
"""What only says how the work is done and logged: a training may go on with others."""

_NETWORK, _LEARNING = "Network", "Training"
_VALIDATION, _SCORES, _COMPUTE, _OUTPUT = "Validation", "Scores", "Compute", "Output"


class EvaluateOptions(ComputeOptions, TileOptions, ScaleOptions, ForceOptions):
    """Settings of :func:`wsiseg.evaluate`.

    Slides and pictures are looked at as the checkpoint was trained: at its µm per pixel, where
    those of pictures are what they state, `slide_mpp`, or what its training recorded; or else at
    the scale that the checkpoint remembers.
    """

    boundary: Annotated[
        bool, Field(description="Also score the borders of classes."), Option(_SCORES)
    ] = True
    tolerance: Annotated[
        float | None,
        Field(
            ge=0,
            description="How many pixels off a border may be; 0.75 % of the diagonal if left out.",
        ),
        Option(_SCORES),
    ] = None
    objects: Annotated[
        str | None,
        Field(
            description="The class whose objects `instances` numbers; the last of two if left out."
        ),
        Option(_SCORES),
    ] = None
    smallest: Annotated[
        int,
        Field(ge=0, description="Smallest predicted object, in pixels; smaller ones are dropped."),
        Option(_SCORES),
    ] = 0

    worst: Annotated[
        int,
        Field(
            ge=0,
            description="How many overlays to draw, of the pictures with the lowest mean IoU.",
        ),
        Option(_SCORES),
    ] = 5

    @property
    def segment(self) -> SegmentOptions:
        """How pixels are labelled."""
        shared = EvaluateOptions.model_fields.keys() & SegmentOptions.model_fields.keys()
        # The resolution comes from the working resolution of each sample.
        names = shared - {"mpp", "slide_mpp", "override_mpp"}
        return SegmentOptions(tissue="none", **{name: getattr(self, name) for name in names})

    @model_validator(mode="after")
    def _borders_are_scored(self) -> Self:
        if self.tolerance is not None and not self.boundary:
            raise ValueError("`tolerance` has no meaning where `boundary` is off")
        return self


def _pairs(given: object) -> object:
    return split_pairs(given) if isinstance(given, list) else given


class TrainOptions(ScaleOptions):
    """Settings of :func:`wsiseg.train`; those that are None are chosen.

    Examples
    --------
    >>> data = DataOptions(slides="slides/", annotations="drawn/")
    >>> options = TrainOptions(data=data, mpp=0.5, epochs=20)
    >>> options.replace(epochs=40).epochs, options.recipe
    (40, 'plain')
    """

    data: Annotated[DataOptions, Option(shown=False)]
    init: Annotated[_Source | None, Option(shown=False)] = None
    model: Annotated[
        str | None,
        Field(description="An architecture; that of `init`, else espnet, if left out."),
        Option(_NETWORK),
    ] = None
    arguments: Annotated[
        dict[str, bool | int | float | str],
        BeforeValidator(_pairs),
        Field(default_factory=dict, description="An argument of the architecture."),
        Option(_NETWORK, names=("--set",), metavar="KEY=VALUE"),
    ]
    freeze_encoder: Annotated[
        bool, Field(description="Do not train the encoder."), Option(_NETWORK)
    ] = False
    recipe: Annotated[
        str,
        Field(description="Losses, optimiser, schedule and stages."),
        Option(_LEARNING, metavar="|".join(RECIPES)),
    ] = "plain"
    epochs: Annotated[
        _Count | None,
        Field(description="Passes over the training data; the recipe's if left out."),
        Option(_LEARNING),
    ] = None
    batch: Annotated[_Count | None, Field(description="Tiles per batch."), Option(_LEARNING)] = None
    lr: Annotated[_Positive | None, Field(description="Learning rate."), Option(_LEARNING)] = None
    tile: Annotated[
        int | None, Field(ge=16, description="Tile edge in working pixels."), Option(_LEARNING)
    ] = None
    tiles: Annotated[_Count | None, Field(description="Tiles per epoch."), Option(_LEARNING)] = None
    augment: Annotated[
        Literal["auto", "tissue", "street", "photometric", "none"],
        Field(
            description="How tiles are augmented; auto: as for tissue if the slides have a "
            "resolution, else as the recipe does."
        ),
        Option(_LEARNING),
    ] = "auto"
    balance: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="How tiles are sampled: 0, evenly over the annotated area; 1, all "
            "classes equally often. If left out: 0.5 for slides, and pictures one by one.",
        ),
        Option(_LEARNING),
    ] = None
    loss: Annotated[
        str,
        Field(description="Loss function, in place of the recipe's."),
        Option(_LEARNING, metavar="|".join(("recipe", *LOSSES))),
    ] = "recipe"
    ema: Annotated[
        float | None,
        Field(ge=0, lt=1, description="Decay of the weights' moving average; 0 for none."),
        Option(_LEARNING),
    ] = None
    clip: Annotated[
        float | None,
        Field(ge=0, allow_inf_nan=False, description="Largest norm of gradients; 0 for no limit."),
        Option(_LEARNING),
    ] = None
    patience: Annotated[
        _Count | None,
        Field(description="Stop after this many validations without a better score."),
        Option(_LEARNING),
    ] = None
    seed: Annotated[
        int, Field(ge=0, lt=2**32, description="Seed of all random numbers."), Option(_LEARNING)
    ] = 0
    val_fraction: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="Share of the samples to use for validation, unless the set has a part for "
            "that; of a single slide, of its annotated area.",
        ),
        Option(_VALIDATION),
    ] = 0.2
    val_only: Annotated[
        AbsolutePath | None,
        Field(description="A file that lists the samples for validation, one per line."),
        Option(_VALIDATION),
    ] = None
    val_every: Annotated[
        _Count, Field(description="Epochs between validations."), Option(_VALIDATION)
    ] = 1
    tensorboard: Annotated[
        bool,
        Field(description="Log losses and scores for TensorBoard in the run's folder."),
        Option(_OUTPUT),
    ] = True
    wandb: Annotated[
        bool,
        Field(description="Also log to Weights & Biases; needs wandb."),
        Option(_OUTPUT),
    ] = False
    precision: Annotated[
        Literal["fp32", "fp16", "bf16"],
        Field(description="Number format inside the network."),
        Option(_COMPUTE),
    ] = "fp32"
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        Field(description="Device that computes."),
        Option(_COMPUTE),
    ] = "auto"
    devices: Annotated[_Count, Field(description="How many devices."), Option(_COMPUTE)] = 1
    strategy: Annotated[
        str,
        Field(description="Lightning's strategy for several devices."),
        Option(_COMPUTE),
    ] = "auto"
    workers: Annotated[
        int | None, Field(ge=0, description="Processes that read tiles."), Option(_COMPUTE)
    ] = None
    threads: Annotated[
        _Count | None, Field(description="CPU threads of the network."), Option(_COMPUTE)
    ] = None

    @field_validator("recipe")
    @classmethod
    def _is_a_recipe(cls, name: str) -> str:
        return RECIPES.check(name, "`recipe`")

    @field_validator("loss")
    @classmethod
    def _is_a_loss(cls, name: str) -> str:
        return name if name == "recipe" else LOSSES.check(name, "`loss`")

    @field_validator("data")
    @classmethod
    def _masks_have_a_map(cls, data: DataOptions) -> DataOptions:
        # A checkpoint that is scored has classes; one that is trained gets them from here.
        if data.images is not None and data.class_map is None:
            raise ArgumentError(*MASKS_NEED_A_MAP)
        return data

    @model_validator(mode="after")
    def _frozen_from_somewhere(self) -> Self:
        if self.freeze_encoder and self.init is None:
            raise ValueError("`freeze_encoder` has no meaning without `init`")
        return self

    def flatten(self) -> dict[str, object]:
        """Return every setting under the name of its option."""
        values = self.model_dump(mode="json")
        data, arguments = values.pop("data"), values.pop("arguments")
        return {**data, **values, **{f"set {key}": value for key, value in arguments.items()}}

    def save(self, path: Path, warnings: Sequence[str] = ()) -> None:
        """Write ``config.yaml``: what was asked for, without what was left open.

        Parameters
        ----------
        path : Path
            The file.
        warnings : sequence of str
            What was left out, repaired or assumed; stands above as comments.
        """
        content = self.model_dump(mode="json", exclude_none=True)
        remarks = "".join(f"# warning: {' '.join(each.split())}\n" for each in warnings)
        write_atomically(path, remarks + yaml.safe_dump(content, sort_keys=False))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read ``config.yaml``.

        Raises
        ------
        DataSetError
            If it is missing or damaged.
        ArgumentError
            If a setting in it is invalid.
        """
        with translate_errors(
            lambda why: DataSetError(
                f"the settings of the training cannot be read: {why}",
                path,
                "Start again without `resume`.",
            )
        ):
            settings = load_yaml(path)
            if not isinstance(settings, dict) or not all(isinstance(k, str) for k in settings):
                raise ValueError("they are not named settings")
        return cls(**settings)
