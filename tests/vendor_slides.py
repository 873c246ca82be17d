"""Small files as the makers of scanners write them, with pixels that are known."""

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from wsiseg.tiling.slides.pixels import Pixels

EDGE = 512
TILES = {"tile": (256, 256), "photometric": "rgb", "metadata": None}
LOSSLESS = {**TILES, "compression": "zlib"}


def patches(edge: int = EDGE, seed: int = 0) -> Pixels:
    """Return squares of 32 pixels in random colours, which survive halving and JPEG."""
    colours = np.random.default_rng(seed).integers(0, 256, (edge // 32, edge // 32, 3), np.uint8)
    return np.kron(colours, np.ones((32, 32, 1), np.uint8))


def write_pyramid(
    path: Path, *, subfile: int = 0, bigtiff: bool = False, **options: object
) -> Path:
    """Write two levels as pages of one TIFF; what is given counts for both."""
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        writer.write(patches(), **{**LOSSLESS, **options})
        options.pop("description", None)
        half = patches()[::2, ::2].copy()
        writer.write(half, **{**LOSSLESS, **options, "subfiletype": subfile})
    return path


def aperio(folder: Path, mpp: str = "0.25", **options: object) -> Path:
    text = f"Aperio Image Library v11.0\r\n512x512 (256x256)|AppMag = 40|MPP = {mpp}"
    return write_pyramid(folder / "slide.svs", description=text, **options)


def aperio_jpeg2000(folder: Path, *, ycbcr: bool) -> Path:
    """Write one level of JPEG 2000 in one of Aperio's two forms of colour."""
    pixels = patches()
    stored = np.asarray(Image.fromarray(pixels).convert("YCbCr")) if ycbcr else pixels
    edges = range(0, EDGE, 256)
    tiles = [
        imagecodecs.jpeg2k_encode(
            stored[y : y + 256, x : x + 256], codecformat="j2k", reversible=True, mct=not ycbcr
        )
        for y in edges
        for x in edges
    ]
    with tifffile.TiffWriter(folder / "slide.svs") as writer:
        writer.write(
            iter(tiles),
            shape=pixels.shape,
            dtype="uint8",
            compression="APERIO_JP2000_YCBC" if ycbcr else "APERIO_JP2000_RGB",
            description="Aperio Image Library v11.0\r\n512x512|MPP = 0.25",
            **TILES,
        )
    return folder / "slide.svs"


def philips(folder: Path) -> Path:
    spacing = '<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" Element="0x0030" PMSVR='
    spacing += '"IDoubleArray">"{0}" "{0}"</Attribute>'
    levels = "".join(
        f'<DataObject ObjectType="PixelDataRepresentation">{spacing.format(mm)}</DataObject>'
        for mm in ("0.000250", "0.000500")
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<DataObject ObjectType="DPUfsImport">'
        '<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" '
        'PMSVR="IDataObjectArray"><Array><DataObject ObjectType="DPScannedImage">'
        '<Attribute Name="PIM_DP_IMAGE_TYPE" Group="0x301D" Element="0x1004" PMSVR="IString">WSI'
        f"</Attribute>{spacing.format('0.000250')}"
        '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" Group="0x1001" '
        f'Element="0x8B01" PMSVR="IDataObjectArray"><Array>{levels}</Array></Attribute>'
        "</DataObject></Array></Attribute></DataObject>"
    )
    software = {"software": "Philips DP v1.0"}
    return write_pyramid(folder / "slide.tiff", description=text, subfile=1, **software)


LEICA_PLACE = (400, 600)
"""``(y, x)`` at which the scanned part of a Leica slide begins."""


def leica(folder: Path, pixels: Pixels | None = None) -> Path:
    """Write a slide of 1600×2000 pixels of which 512×512 were scanned."""
    pixels = patches() if pixels is None else pixels
    lamp = "<illuminationSource>brightfield</illuminationSource>"
    image = (
        '<image name="{name}" uuid="{name}"><creationDate>2020-01-01T00:00:00Z</creationDate>'
        '<device model="x"/><pixels sizeX="512" sizeY="512">{pages}</pixels>'
        '<view sizeX="{w}" sizeY="{h}" offsetX="{x}" offsetY="{y}"/><scanSettings>'
        "<objectiveSettings><objective>{power}</objective></objectiveSettings>"
        f"<illuminationSettings>{lamp}</illuminationSettings></scanSettings></image>"
    )
    page = '<dimension sizeX="{0}" sizeY="{0}" r="{1}" ifd="{1}"/>'
    main = image.format(
        name="main",
        pages=page.format(512, 0) + page.format(256, 1),
        w=256_000,
        h=256_000,
        x=LEICA_PLACE[1] * 500,
        y=LEICA_PLACE[0] * 500,
        power=20,
    )
    macro = image.format(
        name="macro",
        pages='<dimension sizeX="64" sizeY="64" r="0" ifd="2"/>',
        w=1_000_000,
        h=800_000,
        x=0,
        y=0,
        power=0.6,
    )
    text = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="c" uuid="1" sizeX="1000000" sizeY="800000">{macro}{main}'
        "</collection></scn>"
    )
    path = folder / "slide.scn"
    resolution = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(pixels, description=text, **LOSSLESS, **resolution)
        writer.write(pixels[::2, ::2].copy(), **LOSSLESS, **resolution)
        writer.write(pixels[::8, ::8].copy(), **LOSSLESS)
    return path


MIRAX_PLACE = (512, 1024)
"""``(y, x)`` at which the scanned part of a MIRAX slide begins."""


def mirax(folder: Path) -> Path:
    """Write a slide of 1536×2048 pixels, 6×8 images of which four were scanned."""
    identity, columns, section = "0123456789ABCDEF" * 2, 8, "LAYER_0_LEVEL_{}_SECTION"
    inside = folder / "slide"
    inside.mkdir()
    beginning = b"01.02" + identity.encode()
    pixels = bytearray(beginning)
    general = {"SLIDE_ID": identity, "IMAGENUMBER_X": columns, "IMAGENUMBER_Y": 6}
    general |= {"OBJECTIVE_MAGNIFICATION": 20, "CameraImageDivisionsPerSide": 1}
    levels = {"HIER_COUNT": 1, "NONHIER_COUNT": 0, "INDEXFILE": "Index.dat", "HIER_0_COUNT": 2}
    levels |= {"HIER_0_NAME": "Slide zoom level"}
    files = {"FILE_COUNT": 1, "FILE_0": "Data0000.dat"}
    sections: dict[str, dict[str, object]] = {
        "GENERAL": general,
        "HIERARCHICAL": levels,
        "DATAFILE": files,
    }
    pages = []
    for level in range(2):
        step, images = 2**level, []
        for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)) if level == 0 else ((0, 0),):
            part = patches()[::step, ::step][256 * y : 256 * y + 256, 256 * x : 256 * x + 256]
            picture = BytesIO()
            Image.fromarray(part).save(picture, "JPEG", quality=100, subsampling=0)
            number = (MIRAX_PLACE[0] // 256 + y) * columns + MIRAX_PLACE[1] // 256 + x
            images.append(struct.pack("<4i", number, len(pixels), picture.tell(), 0))
            pixels += picture.getvalue()
        pages.append(struct.pack("<2i", len(images), 0) + b"".join(images))
        levels |= {f"HIER_0_VAL_{level}_SECTION": section.format(level)}
        levels |= {f"HIER_0_VAL_{level}": f"ZoomLevel_{level}"}
        sections[section.format(level)] = {
            **{f"MICROMETER_PER_PIXEL_{axis}": 0.25 * step for axis in "XY"},
            "OVERLAP_X": 0,
            "OVERLAP_Y": 0,
            "IMAGE_FORMAT": "JPEG",
            "DIGITIZER_WIDTH": 256,
            "DIGITIZER_HEIGHT": 256,
            "IMAGE_FILL_COLOR_BGR": 0xFFFFFF,
            "IMAGE_CONCAT_FACTOR": level,
        }
    (inside / "Data0000.dat").write_bytes(pixels)
    (inside / "Slidedat.ini").write_text(
        "".join(
            f"[{name}]\r\n" + "".join(f"{k}={v}\r\n" for k, v in entries.items())
            for name, entries in sections.items()
        )
    )
    # Two roots, a pointer per level, then for each level a head and its page of images.
    root = len(beginning) + 8
    places = [root + 8, root + 16 + len(pages[0])]
    index = beginning + struct.pack("<4i", root, root, *places)
    for place, page in zip(places, pages, strict=True):
        index += struct.pack("<2i", 0, place + 8) + page
    (inside / "Index.dat").write_bytes(index)
    (folder / "slide.mrxs").write_bytes(b"")
    return folder / "slide.mrxs"


def trestle(folder: Path) -> Path:
    text = "Background Color=E6E6E6;Objective Power=10;OverlapsXY= 0 0 0 0;"
    resolution = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    options = {"description": text, "software": "MedScan 1.0", **resolution}
    return write_pyramid(folder / "slide.tif", **options)


def ventana(folder: Path, *, stitched: bool) -> Path:
    """Write a TIFF, or a BIF that says how its tiles are put together."""
    scan = b'<Metadata><iScan UnitNumber="2" Magnification="20" ScanRes="0.465"/></Metadata>'
    joint = (
        '<TileJointInfo FlagJoined="1" Confidence="100" Direction="{}" Tile1="1" Tile2="{}" '
        'OverlapX="0" OverlapY="0"/>'
    )
    stitching = (
        '<EncodeInfo Ver="2"><SlideInfo/><SlideStitchInfo><ImageInfo AOIScanned="1" AOIIndex="0" '
        'NumRows="2" NumCols="2" Width="256" Height="256" Pos-X="0" Pos-Y="0">'
        f"{joint.format('RIGHT', 2)}{joint.format('UP', 4)}</ImageInfo></SlideStitchInfo>"
        '<AoiOrigin><AOI0 OriginX="0" OriginY="0"/></AoiOrigin></EncodeInfo>'
    ).encode()

    def packet(text: bytes) -> list[tuple[int, int, int, bytes, bool]]:
        return [(700, 1, len(text), text, True)]

    path = folder / ("slide.bif" if stitched else "slide.tif")
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        label = patches()[::8, ::8].copy()
        writer.write(label, description="Label Image", extratags=packet(scan), **LOSSLESS)
        extra = packet(stitching) if stitched else []
        writer.write(
            patches(), description="level=0 mag=20 quality=95", extratags=extra, **LOSSLESS
        )
        writer.write(
            patches()[::2, ::2].copy(), description="level=1 mag=10 quality=95", **LOSSLESS
        )
    return path


def hamamatsu_vms(folder: Path) -> Path:
    """Write the text file of a VMS and its JPEG files beside it."""
    kept = {"quality": 100, "subsampling": 0, "restart_marker_rows": 1}
    Image.fromarray(patches()).save(folder / "image.jpg", **kept)
    Image.fromarray(patches()[::8, ::8]).save(folder / "map.jpg", **kept)
    (folder / "slide.vms").write_text(
        "[Virtual Microscope Specimen]\nNoLayers=1\nNoJpegColumns=1\nNoJpegRows=1\n"
        "ImageFile=image.jpg\nMapFile=map.jpg\nPhysicalWidth=128000\nPhysicalHeight=128000\n"
    )
    return folder / "slide.vms"


def perkinelmer(folder: Path, *channels: str) -> Path:
    """Write a QPTIFF: brightfield, or a page for every channel."""

    def text(kind: str, name: str = "") -> str:
        root = "PerkinElmer-QPI-ImageDescription"
        named = f"<Name>{name}</Name>"
        return f"<{root}><ImageType>{kind}</ImageType>{named}</{root}>"

    software = {"software": "PerkinElmer-QPI", "metadata": None}
    resolution = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(folder / "slide.qptiff") as writer:

        def write(pixels: Pixels, kind: str) -> None:
            for name in channels:
                grey = {**LOSSLESS, "photometric": "minisblack"}
                page = pixels[..., 0].copy()
                writer.write(
                    page, description=text(kind, name), **{**grey, **software}, **resolution
                )
            if not channels:
                writer.write(
                    pixels, description=text(kind), **{**LOSSLESS, **software}, **resolution
                )

        write(patches(), "FullResolution")
        small = patches()[::8, ::8].copy()
        writer.write(small, photometric="rgb", description=text("Thumbnail"), **software)
        write(patches()[::2, ::2].copy(), "ReducedResolution")
    return folder / "slide.qptiff"


Builder = Callable[[Path], Path]
