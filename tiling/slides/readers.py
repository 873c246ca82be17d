"""Readers by name, and opening a slide with the one that accepts its content, not its name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wsiseg.error_translation import translate_errors
from wsiseg.errors import (
    DamagedSlideError,
    ResolutionError,
    SlideError,
    SlideNotFoundError,
    UnknownFormatError,
    UnsuitableSlideError,
)
from wsiseg.registry import Registry
from wsiseg.remote.addresses import is_remote
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.tiling.slides.measured import with_slide_mpp
from wsiseg.tiling.slides.openslide import stated_by_openslide
from wsiseg.tiling.slides.pixel_size import mpp_differs
from wsiseg.tiling.slides.slide import OTHER_FORMAT, Slide
from wsiseg.tiling.slides.square_pixels import with_square_pixels
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
"""By name, in the order in which they are tried; the first that accepts a file is chosen.

tifffile comes before OpenSlide, as it is faster.  It accepts only files of which OpenSlide gives
the same pixels, or which OpenSlide does not understand.
"""


@dataclass(frozen=True)
class ReaderProbe:
    """Whether a reader accepts a file.

    Attributes
    ----------
    reader : str
        Its name.
    takes : bool
        Whether it opens the file.
    chosen : bool
        Whether the file is opened by it, where the user names none.
    why : str
        Why it opens the file, or does not.
    """

    reader: str
    takes: bool
    chosen: bool
    why: str


def open_slide(
    path: Path | str,
    reader: str | None = None,
    *,
    slide_mpp: float | None = None,
    override_mpp: bool = False,
) -> Slide:
    """Open a slide or a picture with the reader that accepts its content.

    Parameters
    ----------
    path : path-like
        A file of any supported format, the folder of an OME-Zarr image or of a DICOM series, or
        the address of an OME-Zarr image: ``s3://``, ``https://`` or any that fsspec knows.
    reader : str, optional
        The name of the reader to use: `omezarr`, `tifffile`, `openslide` or `pillow`.  The first
        of them that accepts the file, if left out.
    slide_mpp : float, optional
        µm per pixel of level 0, where the file states none.
    override_mpp : bool
        Whether `slide_mpp` counts where the file states another value, too.

    Returns
    -------
    Slide
        Open; a context manager.  Where the file states that its pixels are not square, it is
        resampled to square ones.

    Raises
    ------
    SlideNotFoundError
        If there is no such file.
    UnknownFormatError
        If no reader accepts it, or not the one that was named.
    UnsuitableSlideError
        If the content is known and no slide: a stack of channels, a mask, a thumbnail.
    DamagedSlideError
        If a reader accepts it and cannot decode its structure.
    ResolutionError
        If the file states another value than `slide_mpp`, and is not to be overruled.
    ArgumentError
        If there is no reader of that name.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "field.png")
    ...     Image.new("RGB", (30, 20), "pink").save(file)
    ...     with open_slide(file) as slide:
    ...         slide.reader, slide.levels[0].box.shape, slide.mpp
    ('pillow', (20, 30), None)
    """
    path = _checked(path)
    slide = _open_with_first(path) if reader is None else _open_with(path, reader)
    _compare(slide)
    square = with_square_pixels(slide)
    if slide_mpp is None:
        return square
    try:
        return with_slide_mpp(square, slide_mpp, override=override_mpp)
    except ResolutionError:
        square.close()
        raise


def _compare(slide: Slide) -> None:
    """Add a warning where OpenSlide states another resolution for the same TIFF."""
    if is_remote(slide.path) or slide.path.is_dir() or not is_tiff(slide.path):
        return
    theirs, ours = stated_by_openslide(slide.path), slide.mpp
    if theirs is None or (ours is not None and not mpp_differs(theirs, ours)):
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
            f"{reader}: {_why_not(kind, error)}",
            path,
            "'wsiseg info' tells which readers take it.",
        ) from error


def _why_not(kind: type[Slide], error: SlideError) -> str:
    """Return why a reader does not take a file."""
    return f"not {kind.takes}" if error.what == OTHER_FORMAT else error.what


def _open_with_first(path: Path) -> Slide:
    reasons = []
    for kind in READERS.values():
        try:
            return kind(path)
        except UnsuitableSlideError:
            # A file that one reader knows to be no slide is not offered to the next.
            raise
        except UnknownFormatError as error:
            if error.what != OTHER_FORMAT:
                reasons.append(error.what)
    if isinstance(path, RemotePath):
        raise UnknownFormatError(
            "; ".join(reasons) or "no reader takes this file from an address",
            path,
            "From addresses, OME-Zarr and tiled TIFF (Aperio, OME, generic) are read; copy other "
            "slides to this machine first.",
        )
    # Asked last, as the index file of a MIRAX slide may be empty.
    if path.is_file() and not path.stat().st_size:
        raise DamagedSlideError("the file is empty", path, "Copy it again from its source.")
    raise UnknownFormatError(
        "; ".join(reasons) or "no reader takes this file",
        path,
        "It is not a slide or picture of a known format.",
    )


def is_slide_folder(path: Path) -> bool:
    """Tell whether a folder is a slide: an OME-Zarr image or a DICOM series, sound or damaged."""
    try:
        open_slide(path).close()
    except UnknownFormatError:
        return False
    except DamagedSlideError:
        # Opening it later will report the damage.
        return True
    return True


def probe_readers(path: Path | str) -> tuple[ReaderProbe, ...]:
    """Ask every reader whether it accepts a file.

    Parameters
    ----------
    path : path-like
        As :func:`open_slide` takes it.

    Returns
    -------
    tuple of ReaderProbe
        In the order in which readers are tried.

    Raises
    ------
    SlideError
        If there is no such file, or it is one that no reader could open.
    """
    path = _checked(path)
    probes: list[ReaderProbe] = []
    open_to_choice = True
    for name, kind in READERS.items():
        try:
            with kind(path) as slide:
                probes.append(ReaderProbe(name, takes=True, chosen=open_to_choice, why=slide.why))
        except SlideError as error:
            probes.append(ReaderProbe(name, takes=False, chosen=False, why=_why_not(kind, error)))
            if type(error) is UnknownFormatError:
                continue
        # A file that one reader finds damaged or unsuitable is not offered to the next.
        open_to_choice = False
    return tuple(probes)


def _checked(path: Path | str) -> Path:
    """Refuse paths that no reader can open."""
    path = as_place(path)
    if isinstance(path, RemotePath):
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
