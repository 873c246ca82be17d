import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

import wsiseg
from array_slide import ArraySlide, noise
from tiny import tiny_checkpoint
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.stores import StoreLabels, stored_classes
from wsiseg.errors import AnnotationError, DataSetError, ResolutionError
from wsiseg.store.label_images import is_store
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.resolution import plane_at_level, plane_at_mpp
from wsiseg.tiling.slides import Slide

FIVE = ClassMap.read(",".join(f"class {i}=class {i}" for i in range(5)))
PAINTED = ClassMap.read("1=tumor,2=stroma")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "biopsy.png"
    Image.fromarray(noise(150, 210)).save(path)
    return path


def segment(picture: Path, folder: Path, **options: object) -> Path:
    options = {"level": 0, "slide_mpp": 0.25, "runtime": "torch", "tissue": "none", **options}
    return wsiseg.segment(picture, tiny_checkpoint(), folder, **options).mask


@pytest.fixture(scope="module")
def mask(picture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return segment(picture, tmp_path_factory.mktemp("mask"))


def pixels(store: Path) -> Labels:
    return np.asarray(zarr.open_array(store / "0", mode="r")[:])


def read_on(slide: Slide, store: Path, class_map: ClassMap, mpp: float | None = None) -> Labels:
    """Read a store through the plane at level 0, or at a resolution."""
    plane = plane_at_level(slide, 0) if mpp is None else plane_at_mpp(slide, mpp)
    return StoreLabels(store, class_map).open(slide, plane).read(plane.box)


def paint(
    path: Path,
    values: np.ndarray,
    *,
    scale: float = 1.0,
    shift: float | None = None,
    unit: str | None = None,
    version: str = "0.5",
    names: dict[int, str] | None = None,
    axes: str = "yx",
    more: dict[str, object] | None = None,
) -> Path:
    """Write a label image as napari's writers do."""
    lead = [1.0] * (values.ndim - 2)
    steps: list[dict[str, object]] = [{"type": "scale", "scale": [*lead, scale, scale]}]
    if shift is not None:
        steps.append({"type": "translation", "translation": [0.0 for _ in lead] + [shift, shift]})
    described = {"unit": unit} if unit else {}
    attributes: dict[str, object] = {
        "multiscales": [
            {
                "axes": [{"name": name, "type": "space", **described} for name in axes],
                "datasets": [{"path": "0", "coordinateTransformations": steps}],
                **(more or {}),
            }
        ],
        "image-label": {
            "properties": [{"label-value": v, "class": name} for v, name in (names or {}).items()]
        },
    }
    old = version == "0.4"
    if not old:
        attributes = {"ome": {"version": version, **attributes}}
    group = zarr.create_group(path, zarr_format=2 if old else 3, attributes=attributes)
    group.create_array("0", data=values, chunks=(1,) * (values.ndim - 2) + (64, 64))
    return path


def slide_of(height: int, width: int, mpp: float | None = 0.5) -> ArraySlide:
    return ArraySlide(np.zeros((height, width, 3), np.uint8), mpp=mpp)


def painted(height: int = 150, width: int = 210) -> np.ndarray:
    """Return 0 where nobody painted, and 1 and 2."""
    return np.random.default_rng(3).integers(0, 3, (height, width)).astype(np.uint8)


AS_LABELS = np.array([IGNORED, 0, 1], np.uint8)
"""What `PAINTED` makes of them."""


def test_a_mask_of_ours_is_read_onto_its_slide(picture: Path, mask: Path) -> None:
    with open_slide(picture, slide_mpp=0.25) as slide:
        plane = plane_at_level(slide, 0)
        labels = StoreLabels(mask, FIVE).open(slide, plane).read(plane.box)
    np.testing.assert_array_equal(labels, pixels(mask))
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize("mpp", [0.25, 0.6])
def test_a_resampled_mask_comes_back_pixel_by_pixel(
    picture: Path, tmp_path: Path, mpp: float
) -> None:
    mask = segment(picture, tmp_path, level=None, mpp=mpp, slide_mpp=0.25)
    with open_slide(picture, slide_mpp=0.25) as slide:
        plane = plane_at_mpp(slide, mpp)
        labels = StoreLabels(mask, FIVE).open(slide, plane).read(plane.box)
    assert labels.shape == (plane.height, plane.width)
    np.testing.assert_array_equal(labels, pixels(mask))


def test_a_mask_is_read_at_another_resolution(picture: Path, mask: Path) -> None:
    values = pixels(mask)
    with open_slide(picture, slide_mpp=0.25) as slide:
        plane = plane_at_mpp(slide, 0.75)
        thrice = StoreLabels(mask, FIVE).open(slide, plane).read(plane.box)
        np.testing.assert_array_equal(thrice, values[1::3, 1::3])
        plane = plane_at_mpp(slide, 0.125)
        half = StoreLabels(mask, FIVE).open(slide, plane).read(plane.box)
        np.testing.assert_array_equal(half, values.repeat(2, 0).repeat(2, 1))


def test_a_coarse_mask_is_read_at_full_resolution(picture: Path, tmp_path: Path) -> None:
    mask = segment(picture, tmp_path, level=None, mpp=0.75, slide_mpp=0.25)
    with open_slide(picture, slide_mpp=0.25) as slide:
        plane = plane_at_level(slide, 0)
        labels = StoreLabels(mask, FIVE).open(slide, plane).read(plane.box)
    np.testing.assert_array_equal(labels, pixels(mask).repeat(3, 0).repeat(3, 1))


def test_a_mask_of_a_slide_without_a_resolution(picture: Path, tmp_path: Path) -> None:
    mask = segment(picture, tmp_path, slide_mpp=None)
    with open_slide(picture) as slide:
        np.testing.assert_array_equal(read_on(slide, mask, FIVE), pixels(mask))


def test_micrometres_need_a_slide_that_knows_them(picture: Path, mask: Path) -> None:
    with (
        open_slide(picture) as slide,
        pytest.raises(ResolutionError, match="does not state its µm per pixel"),
    ):
        read_on(slide, mask, FIVE)


def test_what_was_not_analysed_is_ignored(picture: Path, tmp_path: Path, mask: Path) -> None:
    store = shutil.copytree(mask, tmp_path / "holes.ome.zarr")
    zarr.open_array(store / "0", mode="r+")[20:50, 30:90] = 255
    with open_slide(picture, slide_mpp=0.25) as slide:
        plane = plane_at_level(slide, 0)
        labels = StoreLabels(store, FIVE).open(slide, plane).read(Box(20, 30, 30, 60))
    assert (labels == IGNORED).all()


def test_a_mask_inside_an_image_is_found(picture: Path, tmp_path: Path) -> None:
    mask = segment(picture, tmp_path, with_image=True)
    root = mask.parent.parent
    with open_slide(picture, slide_mpp=0.25) as slide:
        plane = plane_at_level(slide, 0)
        labels = StoreLabels(root, FIVE).open(slide, plane).read(plane.box)
    np.testing.assert_array_equal(labels, pixels(mask))
    assert stored_classes(root) == stored_classes(mask)


def test_classes_are_named_in_the_order_of_their_values(mask: Path, tmp_path: Path) -> None:
    expected = tiny_checkpoint().card.classes
    assert [(c.name, c.colour) for c in stored_classes(mask)] == [
        (c.name, c.colour) for c in expected
    ]
    store = paint(tmp_path / "a.zarr", painted(), names={2: "stroma", 1: "tumor"})
    assert [c.name for c in stored_classes(store)] == ["tumor", "stroma"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64"])
def test_a_painted_mask(tmp_path: Path, version: str, dtype: str) -> None:
    store = paint(tmp_path / "napari.zarr", painted().astype(dtype), version=version)
    assert is_store(store)
    labels = read_on(slide_of(150, 210), store, PAINTED)
    np.testing.assert_array_equal(labels, AS_LABELS[painted()])


def test_what_nobody_painted_can_be_a_class(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted(), names={1: "Tumor", 2: "Stroma"})
    read = ClassMap.read("unannotated=background,Tumor=tumor,Stroma=ignore")
    labels = read_on(slide_of(150, 210), store, read)
    np.testing.assert_array_equal(labels, np.array([0, 1, IGNORED])[painted()])


def test_regions_of_polygons_say_nothing_about_painted_masks(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted())
    read = ClassMap.read("1=tumor,2=stroma,Region=exhaustive,unannotated=stroma")
    labels = read_on(slide_of(150, 210), store, read)
    np.testing.assert_array_equal(labels, AS_LABELS[painted()])


def test_zero_is_a_class_where_the_store_or_the_map_says_so(tmp_path: Path) -> None:
    slide = slide_of(150, 210)
    named = paint(tmp_path / "a.zarr", painted(), names={0: "a", 1: "b", 2: "c"})
    np.testing.assert_array_equal(read_on(slide, named, ClassMap.read("a=a,b=b,c=c")), painted())
    bare = paint(tmp_path / "b.zarr", painted())
    np.testing.assert_array_equal(read_on(slide, bare, ClassMap.read("0=a,1=b,2=c")), painted())


def test_a_number_in_the_map_goes_before_the_name_in_the_store(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted(), names={1: "Layer 1", 2: "Layer 2"})
    np.testing.assert_array_equal(read_on(slide_of(150, 210), store, PAINTED), AS_LABELS[painted()])


def test_an_unknown_class_is_named(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted(), names={1: "Tumor", 2: "Strom"})
    told = r"'Strom' in the annotations is not in the class map .* Did you mean 'Stroma'"
    with pytest.raises(AnnotationError, match=told):
        read_on(slide_of(150, 210), store, ClassMap.read("Tumor=tumor,Stroma=stroma"))


def test_an_unknown_value_is_named(tmp_path: Path) -> None:
    values = painted()
    values[149, 209] = 7
    store = paint(tmp_path / "a.zarr", values)
    with pytest.raises(AnnotationError, match="value 7, which means no class"):
        read_on(slide_of(150, 210), store, PAINTED)


@pytest.mark.parametrize(
    ("scale", "shift", "unit"),
    [
        (0.5, 0.0, "micrometer"),
        (500.0, None, "nanometer"),
        (0.0005, None, "millimeter"),
        (1, None, None),
    ],
)
def test_units(tmp_path: Path, scale: float, shift: float | None, unit: str | None) -> None:
    store = paint(tmp_path / "a.zarr", painted(), scale=scale, shift=shift, unit=unit)
    np.testing.assert_array_equal(read_on(slide_of(150, 210), store, PAINTED), AS_LABELS[painted()])


def test_a_coarse_part_of_a_slide(tmp_path: Path) -> None:
    """Pixels four times as large, the first over the slide's pixels 40 to 43."""
    values = painted(20, 30)
    store = paint(tmp_path / "a.zarr", values, scale=2.0, shift=20.75, unit="micrometer")
    labels = read_on(slide_of(200, 220), store, PAINTED)
    expected = np.full((200, 220), IGNORED)
    expected[40:120, 40:160] = AS_LABELS[values].repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(labels, expected)


def test_transformations_of_the_whole_pyramid_come_after_those_of_a_level(tmp_path: Path) -> None:
    steps = [
        {"type": "scale", "scale": [0.5, 0.5]},
        {"type": "translation", "translation": [5.0, 5.0]},
    ]
    store = paint(
        tmp_path / "a.zarr",
        painted(20, 30),
        shift=10.0,
        unit="micrometer",
        more={"coordinateTransformations": steps},
    )
    labels = read_on(slide_of(60, 70), store, PAINTED)
    np.testing.assert_array_equal(labels[20:40, 20:50], AS_LABELS[painted(20, 30)])
    assert (labels[:20] == IGNORED).all()


def test_axes_of_length_one_may_stand_in_front(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted()[None, None], axes="tzyx")
    np.testing.assert_array_equal(read_on(slide_of(150, 210), store, PAINTED), AS_LABELS[painted()])


def test_a_stack_of_labels_is_refused(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", np.stack([painted()] * 2), axes="zyx")
    with pytest.raises(AnnotationError, match="not a plane of y and x"):
        read_on(slide_of(150, 210), store, PAINTED)


def test_axes_in_another_order_are_refused(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted(), axes="xy")
    with pytest.raises(AnnotationError, match="last axes are x and y"):
        read_on(slide_of(210, 150), store, PAINTED)


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted(), unit="parsec")
    with pytest.raises(AnnotationError, match="measured in parsec"):
        read_on(slide_of(150, 210), store, PAINTED)


@pytest.mark.parametrize(("height", "width"), [(100, 210), (150, 150), (30, 40)])
def test_labels_of_a_larger_slide_are_refused(tmp_path: Path, height: int, width: int) -> None:
    store = paint(tmp_path / "a.zarr", painted())
    with pytest.raises(DataSetError, match=f"cover 210×150 pixels .* has {width}×{height}"):
        read_on(slide_of(height, width), store, PAINTED)


def test_labels_before_the_slide_are_refused(tmp_path: Path) -> None:
    store = paint(tmp_path / "a.zarr", painted(), shift=-50.0)
    with pytest.raises(DataSetError, match=r"from \(-50, -50\)"):
        read_on(slide_of(150, 210), store, PAINTED)


def test_one_of_several_label_images_must_be_chosen(tmp_path: Path) -> None:
    root = tmp_path / "image.zarr"
    zarr.create_group(root).create_group("labels")
    for name in ("first", "second"):
        paint(root / "labels" / name, painted())
    with pytest.raises(AnnotationError, match="several label images: first, second"):
        read_on(slide_of(150, 210), root, PAINTED)
    labels = read_on(slide_of(150, 210), root / "labels" / "second", PAINTED)
    np.testing.assert_array_equal(labels, AS_LABELS[painted()])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_only_the_chunks_under_a_box_are_read(tmp_path: Path, version: str) -> None:
    store = paint(tmp_path / "a.zarr", painted(), version=version)
    for path in (store / "0").rglob("*"):
        # Chunks of 64: what a box over the first one does not need may be missing or damaged.
        name = path.relative_to(store / "0").as_posix().removeprefix("c/")
        if path.is_file() and name[0].isdigit() and name not in ("0/0", "0.0"):
            path.write_bytes(b"damaged")
    slide = slide_of(150, 210)
    labels = StoreLabels(store, PAINTED).open(slide, plane_at_level(slide, 0))
    np.testing.assert_array_equal(
        labels.read(Box(10, 10, 50, 50)), AS_LABELS[painted()[10:60, 10:60]]
    )
    with pytest.raises(AnnotationError, match="the store's pixels cannot be read"):
        labels.read(Box(10, 10, 80, 80))


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="not an OME-Zarr"):
        stored_classes(tmp_path / "nowhere.zarr")
    (tmp_path / "folder").mkdir()
    assert not is_store(tmp_path / "folder")
    with pytest.raises(AnnotationError, match="not an OME-Zarr"):
        stored_classes(tmp_path / "folder")
    zarr.create_array(tmp_path / "array.zarr", shape=(5, 5), dtype="uint8")
    with pytest.raises(AnnotationError, match="not an OME-Zarr"):
        stored_classes(tmp_path / "array.zarr")


@pytest.mark.parametrize(
    "ome",
    [
        {},
        {"multiscales": []},
        {"multiscales": None},
        {"multiscales": [{"axes": []}]},
        {"multiscales": [{"datasets": [{"path": "9"}]}]},
        {"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "0"}]}]},
    ],
)
def test_metadata_of_another_shape(tmp_path: Path, ome: dict[str, object]) -> None:
    group = zarr.create_group(tmp_path / "a.zarr", attributes={"ome": ome})
    group.create_array("0", data=painted())
    with pytest.raises(AnnotationError, match="the store's metadata"):
        read_on(slide_of(150, 210), tmp_path / "a.zarr", PAINTED)


@pytest.mark.parametrize("scale", [[1.0, 2.0], [0.0, 0.0], ["a", "b"], [1.0]])
def test_scales_that_make_no_sense(tmp_path: Path, scale: list[object]) -> None:
    store = paint(tmp_path / "a.zarr", painted())
    group = zarr.open_group(store, mode="r+")
    ome = dict(group.attrs["ome"])
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] = scale
    group.attrs["ome"] = ome
    with pytest.raises(AnnotationError, match="the store's metadata"):
        read_on(slide_of(150, 210), store, PAINTED)


@pytest.mark.parametrize("label", [{"properties": [{"class": "a"}]}, {"properties": "x"}, None])
def test_names_that_make_no_sense(tmp_path: Path, label: object) -> None:
    store = paint(tmp_path / "a.zarr", painted())
    group = zarr.open_group(store, mode="r+")
    group.attrs["ome"] = {**group.attrs["ome"], "image-label": label}
    with pytest.raises(AnnotationError, match="the store's metadata"):
        stored_classes(store)
