"""Which reader takes a file: decided by what is in it, not by its name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wsiseg.error_translation import translate_errors
from wsiseg.errors import (
    DamagedSlideError,
    SlideError,
    SlideNotFoundError,
    UnknownFormatError,
    UnsuitableSlideError,
)
from wsiseg.registry import Registry
from wsiseg.tiling.slides.locations import is_remote
from wsiseg.tiling.slides.openslide import stated_by_openslide
from wsiseg.tiling.slides.pixel_size import differ
from wsiseg.tiling.slides.slide import FOREIGN, Slide
from wsiseg.tiling.slides.squared import squared
from wsiseg.tiling.slides.tiff_structure import is_tiff

READERS: Registry[type[Slide]] = Registry(
    "reader",
    "wsiseg.readers",
    {
        "omezarr": "wsiseg.tiling.slides.omezarr:OmeZarrSlide",
        "tifffile": "wsiseg.tiling.slides.tiff:TiffSlide",
        "openslide": "wsiseg.tiling.slides.openslide:OpenSlideSlide",
        "pillow": "wsiseg.tiling.slides.picture:PictureSlide",
    },
)
"""By name, in the order in which they are asked; the first that takes a file is chosen.

tifffile comes before OpenSlide, as it is faster, and takes only what OpenSlide gives the same
pixels of, or does not understand.
"""


@dataclass(frozen=True)
class Verdict:
    """What a reader says to a file.

    Attributes
    ----------
    reader : str
        Its name.
    takes : bool
        Whether it opens the file.
    chosen : bool
        Whether the file is opened by it, where the user names none.
    why : str
        Why it takes the file, or does not.
    """

    reader: str
    takes: bool
    chosen: bool
    why: str


def open_slide(path: Path | str, reader: str | None = None, *, square: bool = True) -> Slide:
    """Open a slide or a picture with the reader that suits its content.

    Parameters
    ----------
    path : path-like
        A file of any supported format, the folder of an OME-Zarr image or of a DICOM series, or
        the address of an OME-Zarr image: ``s3://``, ``https://`` or any that fsspec knows.
    reader : str, optional
        The name of the reader that is to take it: `omezarr`, `tifffile`, `openslide` or `pillow`.
        The first of them that does, if left out.
    square : bool
        Where the file states that its pixels are not square, show square ones; without it they
        are those of the file.

    Raises
    ------
    SlideNotFoundError
        If there is no such file.
    UnknownFormatError
        If no reader takes it, or not the one that was named.
    UnsuitableSlideError
        If it is known, and no slide: a stack of channels, a mask, a thumbnail.
    DamagedSlideError
        If a reader takes it and cannot make sense of it.
    ArgumentError
        If there is no reader of that name.
    """
    path = _checked(path)
    slide = _open_with_first(path) if reader is None else _open_with(path, reader)
    _compare(slide)
    return squared(slide) if square else slide


def _compare(slide: Slide) -> None:
    """Say where OpenSlide states another resolution of the same TIFF than is believed here."""
    if is_remote(slide.path) or slide.path.is_dir() or not is_tiff(slide.path):
        return
    theirs, ours = stated_by_openslide(slide.path), slide.mpp
    if theirs is None or (ours is not None and not differ(theirs, ours)):
        return
    own = "none is believed" if ours is None else f"{ours:g} µm is ({slide.facts.mpp_source})"
    note = f"OpenSlide states {theirs:g} µm per pixel; here {own}"
    slide.facts = replace(slide.facts, warnings=(*slide.facts.warnings, note))


def _open_with(path: Path, reader: str) -> Slide:
    kind = READERS.find(reader, "`reader`")
    try:
        return kind(path)
    except UnsuitableSlideError:
        raise
    except UnknownFormatError as error:
        raise UnknownFormatError(
            f"{reader} does not take it: {error.what}", path, "wsiseg info tells which do."
        ) from error


def _open_with_first(path: Path) -> Slide:
    told = []
    for kind in READERS.values():
        try:
            return kind(path)
        except UnsuitableSlideError:
            # What is known to be no slide needs no second opinion.
            raise
        except UnknownFormatError as error:
            if error.what != FOREIGN:
                told.append(error.what)
    # That of a MIRAX slide may be.
    if path.is_file() and not path.stat().st_size:
        raise DamagedSlideError("the file is empty", path, "Copy it again from its source.")
    raise UnknownFormatError(
        "; ".join(told) or "no reader takes this file", path, "Slides and pictures are read."
    )


def is_slide_folder(path: Path) -> bool:
    """Tell whether a folder is a slide: an OME-Zarr image or a DICOM series, sound or damaged."""
    try:
        open_slide(path).close()
    except UnknownFormatError:
        return False
    except DamagedSlideError:
        # What is wrong with it will be said when it is wanted.
        return True
    return True


def judge_readers(path: Path | str) -> tuple[Verdict, ...]:
    """Return what every reader says to a file, in the order in which they are asked.

    Raises
    ------
    SlideError
        If there is no such file, or it is one that nobody could read.
    """
    path = _checked(path)
    verdicts: list[Verdict] = []
    open_to_choice = True
    for name, kind in READERS.items():
        try:
            with kind(path) as slide:
                verdicts.append(Verdict(name, takes=True, chosen=open_to_choice, why=slide.why))
        except SlideError as error:
            verdicts.append(Verdict(name, takes=False, chosen=False, why=error.what))
            if type(error) is UnknownFormatError:
                continue
        # What one reader finds damaged or unsuitable is not handed to the next.
        open_to_choice = False
    return tuple(verdicts)


def _checked(path: Path | str) -> Path:
    """Refuse what no reader needs to be asked about."""
    path = Path(path)
    if is_remote(path):
        return path
    with translate_errors(lambda why: DamagedSlideError(f"the file cannot be read: {why}", path)):
        if not path.exists():
            raise SlideNotFoundError("there is no such slide", path, "Check the path.")
        if path.is_dir():
            return path
        path.open("rb").close()
    _refuse_thumbnail(path)
    return path


def _refuse_thumbnail(path: Path) -> None:
    """Refuse Olympus VSI: the file is a TIFF of a thumbnail, the pixels lie in a folder beside."""
    folder = path.with_name(f"_{path.stem}_")
    if path.suffix.lower() == ".vsi" or any(folder.glob("*/frame_t*.ets")):
        raise UnsuitableSlideError(
            "an Olympus VSI holds a thumbnail only; the slide lies in a folder beside it, in a "
            "form that is not published",
            path,
            "Convert it to OME-TIFF, with Bio-Formats' bfconvert for instance.",
        )
