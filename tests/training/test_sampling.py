"""Where tiles lie and what they show, and that they are the same for everybody."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from shapely.geometry import box as rectangle
from torch.utils.data import DataLoader

from array_slide import ArraySlide
from drawn import collection, in_qupath, write
from labelled import striped, write_samples
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.augmentation import TISSUE, Augmentation
from wsiseg.training.datasets.dataset import DataSet, Sample
from wsiseg.training.datasets.open_samples import SampleCache
from wsiseg.training.datasets.working_resolution import WorkingResolution
from wsiseg.training.sampling import EpochSampler, Sampling, TileRequest, TrainingTiles
from wsiseg.training.survey import survey

STILL = Augmentation()
GLASS = 255


def tiles_of(
    dataset: DataSet,
    tile: tuple[int, int] = (16, 16),
    *,
    multiple: int = 8,
    augmentation: Augmentation = STILL,
    balance: float = 0.0,
    seed: int = 0,
    resolution: WorkingResolution | None = None,
) -> TrainingTiles:
    resolution = resolution or WorkingResolution()
    return TrainingTiles(
        SampleCache(dataset.samples, resolution),
        survey(dataset, resolution),
        tile,
        multiple=multiple,
        augmentation=augmentation,
        balance=balance,
        seed=seed,
    )


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Return three pictures in which every place tells where it is."""
    shapes = ((60, 80), (48, 50), (100, 32))
    return write_samples(tmp_path_factory.mktemp("painted"), *(striped(*s) for s in shapes))


# What a tile shows


def test_the_same_wish_gives_the_same_tile(painted: DataSet) -> None:
    requests = [TileRequest(4, 0), TileRequest(5, None), TileRequest(6, 2)]
    one = tiles_of(painted, augmentation=TISSUE, seed=3)[requests]
    again = tiles_of(painted, augmentation=TISSUE, seed=3)[requests[::-1]]
    for first, second in zip(one, again, strict=True):
        assert torch.equal(first, second.flip(0))
    other = tiles_of(painted, augmentation=TISSUE, seed=4)[requests]
    assert not any(torch.equal(a, b) for a, b in zip(one[0], other[0], strict=True))


def test_a_batch_is_uint8_with_the_colours_last(painted: DataSet) -> None:
    pixels, labels = tiles_of(painted, (24, 16))[[TileRequest(n, n % 3) for n in range(5)]]
    assert (pixels.dtype, labels.dtype) == (torch.uint8, torch.uint8)
    assert pixels.shape == (5, 24, 16, 3)
    assert labels.shape == (5, 24, 16)


@pytest.mark.parametrize("multiple", [1, 4, 8, 16])
@pytest.mark.parametrize("tile", [(16, 16), (45, 60), (20, 100)])
def test_every_pass_fits_the_network(
    painted: DataSet, tile: tuple[int, int], multiple: int
) -> None:
    tiles = tiles_of(painted, tile, multiple=multiple)
    for zoom in (0.5, 0.75, 1.0, 1.25, 1.5):
        pixels, labels = tiles.cut(TileRequest(0, 0, zoom))
        assert pixels.shape == (*labels.shape, 3)
        for edge, wanted in zip(labels.shape, tile, strict=True):
            assert edge % multiple == 0
            assert abs(edge - wanted * zoom) <= multiple / 2 or edge == multiple


def test_pixels_and_labels_are_of_the_place_that_they_tell(painted: DataSet) -> None:
    tiles = tiles_of(painted)
    for number in range(60):
        pixels, labels = tiles.cut(TileRequest(number, number % 3))
        rows, columns, sample = (pixels[..., channel].astype(int) for channel in range(3))
        assert (sample == number % 3).all()
        assert (np.diff(rows, axis=0) == 1).all()
        assert (np.diff(columns, axis=1) == 1).all()
        np.testing.assert_array_equal(labels, (rows + columns) % 3)


def test_boxes_lie_inside_their_plane_and_anywhere_in_it(painted: DataSet) -> None:
    tiles = tiles_of(painted)
    corners = [tuple(tiles.cut(TileRequest(n, 1))[0][0, 0, :2].tolist()) for n in range(1000)]
    for axis, room in enumerate((48 - 16, 50 - 16)):
        counts = Counter(corner[axis] for corner in corners)
        assert min(counts) == 0
        assert max(counts) == room
        # Even, edges included, within five standard deviations.
        expected = len(corners) / (room + 1)
        assert len(counts) == room + 1
        assert max(abs(n - expected) for n in counts.values()) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("sample", [0, None])
@pytest.mark.parametrize("shape", [(20, 30), (21, 29), (20, 100), (1, 1)])
def test_a_tile_hangs_over_a_small_sample_evenly(
    tmp_path: Path, shape: tuple[int, int], sample: int | None
) -> None:
    mask = striped(*shape)
    tiles = tiles_of(write_samples(tmp_path, mask), (32, 48))
    for number in range(10):
        pixels, labels = tiles.cut(TileRequest(number, sample))
        inside = labels != IGNORED
        rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        for found, length, edge in zip((rows, columns), shape, (32, 48), strict=True):
            assert len(found) == min(length, edge)
            before, behind = found[0], edge - 1 - found[-1]
            assert abs(before - behind) <= 1 or length > edge
        window = np.ix_(rows, columns)
        np.testing.assert_array_equal(
            labels[window], mask[pixels[window][..., 0], pixels[window][..., 1]]
        )
        assert (labels[~inside] == IGNORED).all()
        assert (pixels[~inside] == GLASS).all()


def rows_shown(pixels: Pixels) -> float:
    """Return how many rows of the picture a tile spans, if its second to last but one are typical.

    At a plane's edge the glass around it is mixed in.
    """
    rows = pixels[..., 0].astype(float).mean(axis=1)
    return float(rows[-2] - rows[1]) * len(rows) / (len(rows) - 3)


@pytest.mark.parametrize(
    ("scale", "zoom", "edge", "shown"),
    [
        (1.0, 1.0, 32, 32),
        (2.0, 1.0, 32, 16),
        (0.5, 1.0, 32, 64),
        (1.0, 2.0, 64, 32),
        (1.0, 0.5, 16, 32),
        (2.0, 0.5, 16, 16),
        (0.8, 1.25, 40, 40),
    ],
)
def test_things_look_larger_by_both_magnifications(
    tmp_path: Path, scale: float, zoom: float, edge: int, shown: int
) -> None:
    dataset = write_samples(tmp_path, striped(120, 120))
    tiles = tiles_of(dataset, (32, 32), augmentation=Augmentation(scale=(scale, scale)))
    for number in range(5):
        pixels, labels = tiles.cut(TileRequest(number, 0, zoom))
        assert labels.shape == (edge, edge)
        assert rows_shown(pixels) == pytest.approx(shown, abs=1.2)


@pytest.mark.parametrize("sample", [0, None])
def test_tiles_of_nearly_one_class_are_drawn_again(tmp_path: Path, sample: int | None) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 48:] = 1
    dataset = write_samples(tmp_path, mask)
    shares = []
    for dominance in (1.0, 0.75):
        tiles = tiles_of(dataset, augmentation=Augmentation(dominance=dominance))
        cuts = [tiles.cut(TileRequest(number, sample))[1] for number in range(200)]
        shares.append(np.mean([0.25 < cut.mean() < 0.75 for cut in cuts]))
    # A seventh of all places holds both: eleven draws miss them less than one time in five.
    assert shares[0] < 0.3
    assert 0.6 < shares[1] < 1


@pytest.mark.parametrize(
    ("resolution", "step"),
    [
        (WorkingResolution(mpp=1.0, slide_mpp=0.5), 2),
        (WorkingResolution(mpp=0.25, slide_mpp=0.5), 0.5),
        (WorkingResolution(scale=0.25), 4),
    ],
)
def test_tiles_are_cut_at_the_working_resolution(
    tmp_path: Path, resolution: WorkingResolution, step: float
) -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[:, 64:] = 1
    tiles = tiles_of(write_samples(tmp_path, mask), (16, 16), resolution=resolution)
    sides = Counter[int]()
    for number in range(30):
        pixels, labels = tiles.cut(TileRequest(number, 0))
        assert rows_shown(pixels) == pytest.approx(16 * step, abs=1.5)
        # The labels' border lies between the columns 63 and 64 of the picture.
        pixels, labels = pixels[1:-1, 1:-1], labels[1:-1, 1:-1]
        columns = pixels[..., 1].astype(int)
        assert (labels[columns < 63 - step] == 0).all()
        assert (labels[columns > 64 + step] == 1).all()
        sides.update(np.unique(labels).tolist())
    assert sides[0]
    assert sides[1]


# Where balanced tiles are looked for

RARE = np.zeros((100, 100), np.uint8)
RARE[:, 90:] = 1
RARE[40:45, 10:12] = 2
RARE[:20, :50] = IGNORED
SHARES = np.bincount(RARE.ravel(), minlength=256)[:3] / (RARE != IGNORED).sum()


def even(shares: np.ndarray, balance: float) -> np.ndarray:
    odds = shares ** (1 - balance)
    return np.asarray(odds / odds.sum())


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_classes_come_up_as_often_as_asked(tmp_path: Path, balance: float) -> None:
    """A tile of one pixel shows the place that was drawn."""
    dataset = write_samples(tmp_path, RARE)
    tiles = tiles_of(dataset, (1, 1), multiple=1, balance=balance)
    count = 1200
    drawn = [int(tiles.cut(TileRequest(number, None))[1][0, 0]) for number in range(count)]
    found = np.bincount(drawn, minlength=3)
    assert len(found) == 3
    odds = even(SHARES, balance)
    slack = 4 * np.sqrt(count * odds * (1 - odds))
    assert (np.abs(found - count * odds) <= slack).all()


def test_places_are_drawn_evenly_over_a_class(tmp_path: Path) -> None:
    tiles = tiles_of(write_samples(tmp_path, RARE), (1, 1), multiple=1)
    places = np.array([tiles.cut(TileRequest(n, None))[0][0, 0, :2] for n in range(1200)])
    quarters = np.histogram2d(*places.T, bins=2, range=((0, 100), (0, 100)))[0]
    areas = (RARE != IGNORED).reshape(2, 50, 2, 50).sum(axis=(1, 3))
    odds = areas / areas.sum()
    assert (np.abs(quarters - 1200 * odds) < 4 * np.sqrt(1200 * odds * (1 - odds))).all()


def test_samples_share_a_class_by_its_area_in_them(tmp_path: Path) -> None:
    masks = [np.zeros((40, 40), np.uint8) for _ in range(3)]
    masks[0][:30] = 1
    masks[2][:10] = 1
    tiles = tiles_of(write_samples(tmp_path, *masks, classes=2), (1, 1), multiple=1, balance=1.0)
    cut = [tiles.cut(TileRequest(number, None)) for number in range(800)]
    samples = Counter(int(p[0, 0, 2]) for p, label in cut if label[0, 0] == 1)
    assert set(samples) == {0, 2}
    total = sum(samples.values())
    assert abs(samples[0] - 0.75 * total) < 4 * np.sqrt(total * 0.75 * 0.25)


def test_a_class_that_is_not_there_is_not_looked_for(tmp_path: Path) -> None:
    tiles = tiles_of(write_samples(tmp_path, np.zeros((20, 20), np.uint8), classes=3), balance=1.0)
    assert all((tiles.cut(TileRequest(number, None))[1] == 0).all() for number in range(30))


@pytest.mark.parametrize(
    "corner",
    [
        (30_007, 20_003),
        pytest.param((0, 0), marks=pytest.mark.long),
        pytest.param((59_900, 49_950), marks=pytest.mark.long),
    ],
)
def test_a_rare_class_in_a_huge_plane_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corner: tuple[int, int]
) -> None:
    y, x = corner
    tissue = in_qupath(rectangle(0, 0, 50_000, 60_000), "tissue")
    mitosis = in_qupath(rectangle(x, y, x + 50, y + 60), "mitosis")
    drawing = write(tmp_path, collection(tissue, mitosis), "slide.geojson")
    labels = PolygonLabels(drawing, ClassMap.read("tissue=tissue,mitosis=mitosis"))
    monkeypatch.setattr(
        "wsiseg.training.datasets.working_resolution.open_slide",
        lambda *_, **__: ArraySlide(np.broadcast_to(np.uint8(9), (60_000, 50_000, 3))),
    )
    sample = Sample("slide", Path("slide.svs"), labels)
    dataset = DataSet("huge", ClassMap.read("a=tissue,b=mitosis").classes, (sample,), sparse=True)
    tiles = tiles_of(dataset, (64, 64), balance=1.0)
    cuts = [tiles.cut(TileRequest(number, None)) for number in range(200)]
    # Inside the plane there is neither glass nor anything unannotated.
    assert all((pixels == 9).all() and set(np.unique(cut)) <= {0, 1} for pixels, cut in cuts)
    rare = sum(bool((cut == 1).any()) for _, cut in cuts)
    assert abs(rare - 100) < 4 * np.sqrt(200 / 4)


# Several processes


def load(dataset: TrainingTiles, sampler: EpochSampler, workers: int) -> list[torch.Tensor]:
    loader = DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=workers)
    return [tensor for batch in loader for tensor in batch]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_give_the_tiles_of_the_main_process(tmp_path: Path) -> None:
    dataset = write_samples(tmp_path, *(striped(60 + n, 70) for n in range(4)))
    tiles = tiles_of(dataset, augmentation=TISSUE, balance=0.5)
    for balanced in (False, True):
        sampler = EpochSampler(Sampling(24, balanced), 4, 3)
        alone, shared = load(tiles, sampler, 0), load(tiles, sampler, 2)
        assert len(alone) == 16
        assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))
