"""Which pages of a TIFF are the slide: the largest picture in it and its reduced copies.

A scanner may put a thumbnail, the label or the whole glass before the slide, and OME-XML may list
several images in any order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import tifffile

from wsiseg.errors import UnknownFormatError, UnsuitableSlideError
from wsiseg.tiling.slides.descriptions import is_aperio, text_of
from wsiseg.tiling.slides.ome_xml import OmeImage, OmeXmlError, is_ome_xml, read_ome

_DESCRIPTION = 270
_REDUCED, _MACRO = 1, 9
_SHOWN = 6
_SHAPE_SLACK = 0.02
_NAMED = re.compile(r"\s*(label|macro|thumbnail)\b", re.IGNORECASE)
_QPI_TYPE = re.compile(r"<ImageType>\s*(\w+)\s*</ImageType>")
_KNOWN_NAMES = ("thumbnail", "label", "macro", "overview")


@dataclass(frozen=True)
class SlidePages:
    """The slide among the pages of a TIFF.

    Attributes
    ----------
    levels : tuple of tifffile.TiffPage
        The finest first.
    number : int
        Which page of the file the finest is.
    text : str
        Its description, or the file's.
    image : OmeImage or None
        What OME-XML says of it.
    others : dict of str to int
        Pages that are no part of the slide, by name.
    warnings : tuple of str
        What was left out.
    """

    levels: tuple[tifffile.TiffPage, ...]
    number: int
    text: str
    image: OmeImage | None
    others: dict[str, int]
    warnings: tuple[str, ...]


def description(page: tifffile.TiffPage) -> str:
    """Return a page's description, whatever bytes it is made of."""
    tag = page.tags.get(_DESCRIPTION)
    return "" if tag is None else text_of(tag.value)


def find_slide(file: tifffile.TiffFile, path: object) -> SlidePages:
    """Find the page that is the slide, the largest picture, and its reduced copies.

    Parameters
    ----------
    file : tifffile.TiffFile
        Open.
    path : Path
        The file, for errors.

    Returns
    -------
    SlidePages
        The slide's levels, and the pages that are no part of it.

    Raises
    ------
    UnknownFormatError
        If the file has no picture.
    UnsuitableSlideError
        If the largest is a stack of channels, planes or times.
    """
    pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
    if not any(map(_area, pages)):
        raise UnknownFormatError("a TIFF without a picture", path)
    text = description(pages[0])
    warnings: list[str] = []
    images: tuple[OmeImage, ...] = ()
    if is_ome_xml(text):
        try:
            images = read_ome(text)
        except OmeXmlError as error:
            warnings.append(f"its OME-XML cannot be read: {error}")
        else:
            if not images:
                warnings.append("its OME-XML lies in another file, which is not read")
    listed = {image.directory: image for image in images if 0 <= image.directory < len(pages)}
    number = max(listed or range(len(pages)), key=lambda index: _area(pages[index]))
    finest, image = pages[number], listed.get(number)
    planes = _planes(finest, pages, image, file, is_ome=is_ome_xml(text))
    if planes > 1:
        raise _stack(planes, image, pages, path)
    levels = [finest, *_sub_levels(finest)]
    if len(levels) == 1 and image is None and finest.is_tiled:
        levels += _reduced_pages(pages, number)
    others = _name_others(pages, levels, listed)
    if image is not None and image.doubt:
        warnings.append(image.doubt)
    warnings += _say_others(pages, number, others)
    own = description(finest)
    whole = text if is_ome_xml(text) or (is_aperio(text) and not is_aperio(own)) else own
    return SlidePages(tuple(levels), number, whole or text, image, others, tuple(warnings))


def _planes(
    finest: tifffile.TiffPage,
    pages: list[tifffile.TiffPage],
    image: OmeImage | None,
    file: tifffile.TiffFile,
    *,
    is_ome: bool,
) -> int:
    """Return how many planes of the finest's size belong together; a slide is one."""
    if image is not None:
        return image.planes(int(finest.samplesperpixel))
    # Of one size, and stored in one way: a thumbnail of a tiny slide is in strips.
    alike = sum(page.hash == finest.hash for page in pages)
    if is_ome:
        # tifffile would follow what could not be read here, and into other files.
        return alike
    # Some programs write one directory for many planes, and tifffile knows how they count them.
    of_series = (
        len(series.levels[0].pages)
        for series in file.series
        if series.levels[0].keyframe.offset == finest.offset
    )
    return max(alike, *of_series, 1)


def _stack(
    planes: int, image: OmeImage | None, pages: list[tifffile.TiffPage], path: object
) -> UnsuitableSlideError:
    """Return the error for a stack of channels, focus planes or times."""
    named = list(image.channel_names) if image is not None else []
    if pages[0].is_qpi:
        texts = "".join(description(page) for page in pages[:planes])
        named = re.findall(r"<Name>([^<]*)<", texts)
    channels = f" ({', '.join(named[:_SHOWN])}{', …' * (len(named) > _SHOWN)})" if named else ""
    return UnsuitableSlideError(
        f"the file is a stack of {planes} images{channels}, not one slide",
        path,
        "Save the plane to be segmented as RGB.",
    )


def _sub_levels(finest: tifffile.TiffPage) -> list[tifffile.TiffPage]:
    """Return the levels that lie in directories below the finest."""
    levels: list[tifffile.TiffPage] = []
    for page in finest.pages or ():
        if isinstance(page, tifffile.TiffPage) and _reduces(page, (levels or [finest])[-1], finest):
            levels.append(page)
    return levels


def _reduced_pages(pages: list[tifffile.TiffPage], number: int) -> list[tifffile.TiffPage]:
    """Return the levels that are pages of their own, in whatever order."""
    finest = pages[number]
    # One before the slide is a thumbnail in tiles, unless it says that it is more.
    wanted = [
        page
        for index, page in enumerate(pages)
        if page.is_tiled and (index > number or page.subfiletype & _REDUCED)
    ]
    levels: list[tifffile.TiffPage] = []
    for page in sorted(wanted, key=lambda page: -page.imagewidth):
        if _reduces(page, (levels or [finest])[-1], finest):
            levels.append(page)
    return levels


def _reduces(
    page: tifffile.TiffPage, previous: tifffile.TiffPage, finest: tifffile.TiffPage
) -> bool:
    """Tell whether a page is what the finest is, smaller than the level before."""
    height = page.imagewidth * finest.imagelength / finest.imagewidth
    return bool(
        _area(page)
        and page.imagewidth < previous.imagewidth
        and abs(page.imagelength - height) <= max(1.5, _SHAPE_SLACK * height)
        and page.samplesperpixel == finest.samplesperpixel
        and page.dtype == finest.dtype
    )


def _name_others(
    pages: list[tifffile.TiffPage],
    levels: list[tifffile.TiffPage],
    listed: dict[int, OmeImage],
) -> dict[str, int]:
    taken = {page.offset for page in levels}
    others: dict[str, int] = {}
    for index, page in enumerate(pages):
        if page.offset not in taken and _area(page):
            name = _name(page, index, listed.get(index))
            others[f"page {index}" if name in others else name] = index
    return others


def _name(page: tifffile.TiffPage, index: int, image: OmeImage | None) -> str:
    text = description(page)
    kind = _QPI_TYPE.search(text)
    if image is not None and image.name:
        return image.name.lower()
    if kind is not None:
        return kind[1].lower()
    if is_aperio(text):
        named = _NAMED.match(text.replace("\r", "\n").partition("\n")[2].lstrip("\n"))
        if named is not None:
            return named[1].lower()
        if page.subfiletype in (_REDUCED, _MACRO):
            return "macro" if page.subfiletype == _MACRO else "label"
        if not page.is_tiled:
            return "thumbnail"
    return f"page {index}"


def _say_others(
    pages: list[tifffile.TiffPage], number: int, others: dict[str, int]
) -> tuple[str, ...]:
    """Return a warning about pages that are no part of the slide and no usual addition."""
    unusual = {
        name: index for name, index in others.items() if index < number or name not in _KNOWN_NAMES
    }
    if not unusual:
        return ()
    sizes = [
        f"{name} of {pages[index].imagewidth}×{pages[index].imagelength}"
        for name, index in list(unusual.items())[:_SHOWN]
    ]
    more = f" and {len(unusual) - _SHOWN} more" if len(unusual) > _SHOWN else ""
    finest = pages[number]
    return (
        (
            f"the largest picture of the file is taken, page {number} of "
            f"{finest.imagewidth}×{finest.imagelength}; not part of it: {', '.join(sizes)}{more}"
        ),
    )


def _area(page: tifffile.TiffPage) -> int:
    return int(page.imagewidth) * int(page.imagelength)
