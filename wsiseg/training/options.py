"""What a user can ask of a training; also what ``RUN/config.yaml`` holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.store.disk import write_whole
from wsiseg.tiling.colour import Colours, StainMethod
from wsiseg.tiling.slides.pixel_size import SANE_MPP

_Path = Annotated[Path, AfterValidator(Path.absolute)]
"""So that a training can be gone on with from another folder."""
_Count = Annotated[int, Field(ge=1)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Seed = Annotated[int, Field(ge=0, lt=2**32)]
_Mpp = Annotated[float, Field(ge=SANE_MPP[0], le=SANE_MPP[1])]


def _absolute_if_file(text: str) -> str:
    return str(Path(text).absolute()) if "=" not in text or Path(text).is_file() else text


RecipeName = Literal["plain", "espnet", "rdrnet"]
"""Those of :data:`wsiseg.training.recipes.RECIPES`, known before torch is loaded."""

MACHINE_OPTIONS = ("workers", "threads")
"""What only says how the work is done: a training may go on with others."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def build(cls, **values: object) -> Self:
        """Check values as they come from a command line.

        Raises
        ------
        ArgumentError
            For the first that makes no sense.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            message = first["msg"].removeprefix("Value error, ")
            option = _find_option(first["loc"])
            raise ArgumentError(message[0].lower() + message[1:], option) from error


def _find_option(place: Sequence[int | str]) -> str | None:
    """Return what users type for a setting; behind its name stands what is inside it."""
    names = [part for part in place if part != "data"]
    if not names:
        return None
    return "--set" if names[0] == "arguments" else f"--{str(names[0]).replace('_', '-')}"


class DataOptions(_Settings):
    """Which pictures or slides, with which labels.

    Attributes
    ----------
    dataset, root, split
        A public set, its folder, and the part of it.
    images, labels
        Folders of pictures and of masks with the same stems.
    instances
        A folder of masks with a number per object, for scores of objects.
    slides, annotations
        Folders of slides and of annotations with the same stems.
    class_map
        Text or file for :meth:`wsiseg.annotations.ClassMap.read`.
    coordinates
        Where annotations count their pixels from.
    only, without
        Files that list stems, one a line: take only those, or all but those.
    reader
        Who reads pictures and slides, see :func:`wsiseg.open_slide`.
    icc, stain, stain_reference
        What is done to their colours, see :class:`wsiseg.tiling.colour.Colours`.
    """

    dataset: str | None = None
    root: _Path | None = None
    split: str | None = None
    images: _Path | None = None
    labels: _Path | None = None
    instances: _Path | None = None
    slides: _Path | None = None
    annotations: _Path | None = None
    class_map: Annotated[str, AfterValidator(_absolute_if_file)] | None = None
    coordinates: Literal["auto", "level0", "bounds"] = "auto"
    only: _Path | None = None
    without: _Path | None = None
    reader: str | None = None
    icc: bool = False
    stain: StainMethod | None = None
    stain_reference: _Path | None = None

    @property
    def colours(self) -> Colours:
        """What is done to colours."""
        return Colours(self.icc, self.stain, self.stain_reference)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = {
            "--dataset and --root": (self.dataset, self.root),
            "--images and --labels": (self.images, self.labels),
            "--slides and --annotations": (self.slides, self.annotations),
        }
        begun = [name for name, pair in kinds.items() if any(part is not None for part in pair)]
        if len(begun) != 1:
            given = f"not {' nor '.join(begun)} together" if begun else "none is given"
            message = f"data are given by one of {', '.join(kinds)}; {given}"
            raise ValueError(message)
        if None in kinds[begun[0]]:
            message = f"{begun[0]} belong together"
            raise ValueError(message)
        if self.images is not None and self.class_map is None:
            message = "masks need --class-map, like '0=background,255=gland'"
            raise ValueError(message)
        if self.dataset is not None and self.class_map is not None:
            message = f"--class-map has no meaning for {self.dataset}, whose classes are known"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _nothing_without_use(self) -> Self:
        uses = {
            "--split": (self.split is not None, self.dataset, "--dataset"),
            "--instances": (self.instances is not None, self.images, "--images"),
            "--stain-reference": (self.stain_reference is not None, self.stain, "--stain"),
            "--coordinates": (self.coordinates != "auto", self.slides, "--slides"),
        }
        for name, (given, owner, wanted) in uses.items():
            if given and owner is None:
                message = f"{name} has no meaning without {wanted}"
                raise ValueError(message)
        return self


class TrainOptions(_Settings):
    """Settings of :func:`wsiseg.training.train`; those that are None are chosen.

    Attributes
    ----------
    data : DataOptions
        What to learn from.
    model, arguments
        The architecture; the checkpoint's if `init` is given, else ESPNet.
    init : Path
        A checkpoint to begin with; layers that depend on other classes begin anew.
    recipe : str
        Losses, optimiser, schedule and stages.
    epochs, batch, lr
        In place of the recipe's.
    tile : int
        Edge of the tiles in working pixels.
    tiles : int
        Tiles per epoch.
    mpp, slide_mpp, scale
        Resolution, see :class:`wsiseg.training.datasets.viewing.View`.
    val_fraction : float
        Share of the samples that is kept back for validation, where the data name no such part.
    val_only : Path
        A file that lists the stems to keep back instead.
    val_every : int
        Epochs between validations.
    augment : str
        How tiles are changed; for tissue if the slides have a resolution, else as the recipe does.
    balance : float
        0: tiles from all annotated area alike; 1: all classes equally often.  If None, 0.5 for
        slides, and pictures come up once each.
    loss : str
        In place of the recipe's.
    ema : float
        Decay of the moving average of the weights, 0 for none.
    clip : float
        Greatest norm of the gradient, 0 for any.
    patience : int
        Validations without improvement before training stops.
    freeze_encoder : bool
        Leave the encoder as it is.
    precision, device, devices, strategy
        Numbers, kind and count of devices, and how several share the work, as Lightning names it.
    workers, threads : int
        Processes that read and augment, and CPU threads of the network.
    seed : int
        Decides everything that is random.
    """

    data: DataOptions
    model: str | None = None
    arguments: dict[str, bool | int | float | str] = {}
    init: _Path | None = None
    recipe: RecipeName = "plain"
    epochs: _Count | None = None
    batch: _Count | None = None
    lr: _Positive | None = None
    tile: Annotated[int, Field(ge=16)] | None = None
    tiles: _Count | None = None
    mpp: _Mpp | None = None
    slide_mpp: _Mpp | None = None
    scale: _Positive | None = None
    val_fraction: _Share = 0.2
    val_only: _Path | None = None
    val_every: _Count = 1
    augment: Literal["auto", "tissue", "street", "photometric", "none"] = "auto"
    balance: Annotated[float, Field(ge=0, le=1)] | None = None
    loss: Literal["recipe", "cross-entropy", "cross-entropy+dice", "dice", "ohem"] = "recipe"
    ema: Annotated[float, Field(ge=0, lt=1)] | None = None
    clip: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    patience: _Count | None = None
    freeze_encoder: bool = False
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: _Count = 1
    strategy: str = "auto"
    workers: Annotated[int, Field(ge=0)] | None = None
    threads: _Count | None = None
    seed: _Seed = 0

    @model_validator(mode="after")
    def _frozen_from_somewhere(self) -> Self:
        if self.freeze_encoder and self.init is None:
            raise ValueError("--freeze-encoder has no meaning without --init")
        return self

    def flatten(self) -> dict[str, object]:
        """Return every setting under the name of its option."""
        values = self.model_dump(mode="json")
        data, arguments = values.pop("data"), values.pop("arguments")
        return {**data, **values, **{f"set {key}": value for key, value in arguments.items()}}

    def save(self, path: Path) -> None:
        """Write ``config.yaml``: what was asked for, without what was left open."""
        content = self.model_dump(mode="json", exclude_none=True)
        write_whole(path, yaml.safe_dump(content, sort_keys=False))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read ``config.yaml``.

        Raises
        ------
        DataSetError
            If it is missing or damaged.
        ArgumentError
            If a setting in it makes no sense.
        """
        try:
            return cls.build(**yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, TypeError, yaml.YAMLError) as error:
            raise DataSetError(
                "the settings of the training cannot be read", path, "Train anew without --resume."
            ) from error
