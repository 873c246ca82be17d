"""Which data to train on or to score: one of three kinds, and what their labels mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from wsiseg.segmentation.options import SlideOptions
from wsiseg.settings import Option

AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]
"""Absolute, so that a run can be resumed from another folder."""

MASKS_NEED_A_MAP = (
    "what the values of the masks mean is not said",
    "`class_map`",
    "Write it like '0=background,255=gland', or name a YAML file.",
)
"""What is wrong, where, and what to do."""


def _absolute_if_file(text: str) -> str:
    return str(Path(text).absolute()) if "=" not in text or Path(text).is_file() else text


_DATA = "Data: one of a public set, folders of pictures, folders of slides"


class DataOptions(SlideOptions):
    """Which pictures or slides, with which labels: one of the three kinds of data.

    Examples
    --------
    >>> data = DataOptions(images="rgb/", labels="masks/", class_map="0=background,255=gland")
    >>> data.images.name, data.class_map
    ('rgb', '0=background,255=gland')
    >>> DataOptions(images="rgb/")
    Traceback (most recent call last):
        ...
    wsiseg.errors.ArgumentError: `images` and `labels` belong together.
    """

    dataset: Annotated[
        str | None,
        Field(description="A public set: camvid, cityscapes, voc or mapillary."),
        Option(_DATA),
    ] = None
    root: Annotated[
        AbsolutePath | None, Field(description="Folder of the public set."), Option(_DATA)
    ] = None
    split: Annotated[
        str | None,
        Field(description="Part of the public set, val for instance; the usual one if left out."),
        Option(_DATA),
    ] = None
    images: Annotated[
        AbsolutePath | None, Field(description="A folder of pictures."), Option(_DATA)
    ] = None
    labels: Annotated[
        AbsolutePath | None,
        Field(description="A folder of index or palette masks with the pictures' names."),
        Option(_DATA),
    ] = None
    instances: Annotated[
        AbsolutePath | None,
        Field(description="A folder of masks in which every object has its own number."),
        Option(_DATA),
    ] = None
    slides: Annotated[
        AbsolutePath | None, Field(description="A folder of slides."), Option(_DATA)
    ] = None
    annotations: Annotated[
        AbsolutePath | None,
        Field(
            description="A folder of annotations with the slides' names: GeoJSON, ASAP, "
            "ImageScope or HALO XML, OME-Zarr labels, masks."
        ),
        Option(_DATA),
    ] = None
    class_map: Annotated[
        str | None,
        AfterValidator(lambda text: None if text is None else _absolute_if_file(text)),
        Field(
            description='What names or values mean, "0=background,255=gland", or a YAML file of '
            "that. If left out, evaluate takes masks to hold the checkpoint's classes. CLASS may "
            "be ignore, or exhaustive for regions in which everything is annotated; KEY may be "
            "unannotated or unclassified."
        ),
        Option(_DATA),
    ] = None
    coordinates: Annotated[
        Literal["auto", "level0", "bounds"],
        Field(
            description="Origin of the annotations' coordinates: the corner of level 0, or of the "
            "scanned part; auto finds out which."
        ),
        Option(_DATA),
    ] = "auto"
    strict: Annotated[
        bool,
        Field(description="Stop at shapes without a class instead of ignoring and counting them."),
        Option(_DATA),
    ] = False
    only: Annotated[
        AbsolutePath | None,
        Field(description="A file that lists the samples to use, one per line."),
        Option(_DATA),
    ] = None
    without: Annotated[
        AbsolutePath | None,
        Field(description="A file that lists the samples to leave out, one per line."),
        Option(_DATA),
    ] = None

    @field_validator("stain_reference")
    @classmethod
    def _found_from_another_folder(cls, path: Path | None) -> Path | None:
        return path and path.absolute()

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = {
            "`dataset` and `root`": (self.dataset, self.root),
            "`images` and `labels`": (self.images, self.labels),
            "`slides` and `annotations`": (self.slides, self.annotations),
        }
        begun = [name for name, pair in kinds.items() if any(part is not None for part in pair)]
        if len(begun) != 1:
            given = f"not {' nor '.join(begun)} together" if begun else "none is given"
            message = f"data are given by one of {', '.join(kinds)}; {given}"
            raise ValueError(message)
        if None in kinds[begun[0]]:
            message = f"{begun[0]} belong together"
            raise ValueError(message)
        if self.dataset is not None and self.class_map is not None:
            message = f"`class_map` has no meaning for {self.dataset}, whose classes are known"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _nothing_without_use(self) -> Self:
        uses = {
            "`split`": (self.split is not None, self.dataset, "`dataset`"),
            "`instances`": (self.instances is not None, self.images, "`images`"),
            "`stain_reference`": (self.stain_reference is not None, self.stain, "`stain`"),
            "`coordinates`": (self.coordinates != "auto", self.slides, "`slides`"),
            "`strict`": (self.strict, self.slides, "`slides`"),
        }
        for name, (given, owner, wanted) in uses.items():
            if given and owner is None:
                message = f"{name} has no meaning without {wanted}"
                raise ValueError(message)
        return self
