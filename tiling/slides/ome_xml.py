"""Reading the images and pixel sizes of an OME-XML text.

Read by an XML parser that expands no entities but those of characters, with any prefix for the
namespace.  Of the schema (OME 2016-06) only *Image*, *Pixels*, *Channel* and *TiffData* count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from wsiseg.tiling.slides.lengths import micrometres
from wsiseg.tiling.slides.pixel_size import PixelSize

_BEGINS = re.compile(r"\s*(?:<\?xml.*?\?>|<!--.*?-->|\s)*<(?:[\w.-]+:)?OME[\s>/]", re.DOTALL)
_MOST_TAGS = 200_000
_SOURCE = "ome.PhysicalSize"


@dataclass(frozen=True)
class OmeImage:
    """One image of a file.

    Attributes
    ----------
    name : str
        What it is called, or its identity.
    directory : int
        The first TIFF directory in which it lies.
    sections : int
        Planes of depth and time; channels may share one.
    channels : int
        Channels, samples counted.
    channel_names : tuple of str
        As far as they have names.
    pixel_size : PixelSize or None
        What it states.
    doubt : str or None
        Why no size is taken from what it states, if it states something.
    """

    name: str
    directory: int
    sections: int
    channels: int
    channel_names: tuple[str, ...]
    pixel_size: PixelSize | None
    doubt: str | None = None

    def planes(self, samples: int) -> int:
        """Return how many directories it takes, where one of them holds so many samples."""
        return self.sections * max(1, -(-self.channels // samples))


class OmeXmlError(ValueError):
    """The text is no OME-XML that can be read."""


def is_ome_xml(text: str) -> bool:
    """Tell whether a text means to be OME-XML."""
    return _BEGINS.match(text.lstrip("\ufeff\0")) is not None


def read_ome(xml: str) -> tuple[OmeImage, ...]:
    """Return the images in their order; none if the XML of the file lies in another.

    Raises
    ------
    OmeXmlError
        If it is no XML, or its numbers are none.
    """
    try:
        return tuple(_images(_parse(xml)))
    except ValueError as error:
        raise OmeXmlError(str(error)) from error


def _parse(xml: str) -> Element:
    if xml.count("<") > _MOST_TAGS:
        raise OmeXmlError("it has more elements than that of any slide")
    start, end = xml.find("<"), xml.rfind(">") + 1
    try:
        root: Element = fromstring(xml[max(0, start) : end])
    except (ParseError, DefusedXmlException) as error:
        raise OmeXmlError(str(error) or type(error).__name__) from error
    return root


def _images(root: Element) -> Iterator[OmeImage]:
    following = 0
    for image in (each for each in root if _tag(each) == "Image"):
        for pixels in (each for each in image if _tag(each) == "Pixels"):
            data = next((each for each in pixels if _tag(each) == "TiffData"), None)
            stated = None if data is None else data.get("IFD")
            directory = following if stated is None else int(stated)
            channels = [each for each in pixels if _tag(each) == "Channel"]
            size, doubt = _pixel_size(pixels)
            made = OmeImage(
                name=image.get("Name") or image.get("ID") or "",
                directory=directory,
                sections=_count(pixels, "SizeZ") * _count(pixels, "SizeT"),
                channels=_count(pixels, "SizeC"),
                channel_names=tuple(each.get("Name", "") for each in channels if each.get("Name")),
                pixel_size=size,
                doubt=doubt,
            )
            samples = int(channels[0].get("SamplesPerPixel", "1")) if channels else 1
            following = directory + made.planes(max(1, samples))
            yield made


def _pixel_size(pixels: Element) -> tuple[PixelSize | None, str | None]:
    """Return the pixel size, or the reason why none can be read."""
    stated = {axis: pixels.get(f"PhysicalSize{axis}") for axis in "YX"}
    if stated["Y"] is None and stated["X"] is None:
        return None, None
    for axis, other in ("YX", "XY"):
        if stated[axis] is None:
            return None, f"OME's PhysicalSize{other} is stated, PhysicalSize{axis} is not"
    units = {axis: pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "YX"}
    height, width = (micrometres(stated[axis], units[axis]) for axis in "YX")
    if height is None or width is None:
        axis = "Y" if height is None else "X"
        return None, f"OME's PhysicalSize{axis} of {stated[axis]} {units[axis]} is no length"
    return PixelSize(height, width, _SOURCE), None


def _count(pixels: Element, name: str) -> int:
    return max(1, int(pixels.get(name, "1")))


def _tag(element: Element) -> str:
    """Return a tag without its namespace; comments have none."""
    return str(element.tag).rpartition("}")[2]
