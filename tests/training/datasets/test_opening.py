"""Opening data sets, and splitting them into training and validation data."""

import json
from pathlib import Path

import pytest
from shapely.geometry import box as rectangle

from drawn import collection, in_qupath, write
from labelled import touch
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.training.data_options import DataOptions
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.opening import open_data, read_stems, split_data
from wsiseg.training.options import TrainOptions

NAMES = [f"s{number:02}" for number in range(20)]


@pytest.fixture
def own(tmp_path: Path) -> dict[str, object]:
    """Return what names twenty pictures of a user's own."""
    files = [f"{name}.png" for name in NAMES]
    images, labels = touch(tmp_path / "images", *files), touch(tmp_path / "labels", *files)
    return {"images": images, "labels": labels, "class_map": "0=a,1=b"}


@pytest.fixture
def public(tmp_path: Path) -> dict[str, object]:
    """Return what names a public set with a name or two in each part."""
    for part, names in {"train": ["t1", "t2", "t3"], "val": ["v1", "v2"], "test": ["x"]}.items():
        files = [f"{name}.png" for name in names]
        touch(tmp_path / part, *files)
        touch(tmp_path / f"{part}annot", *files)
    return {"dataset": "camvid", "root": tmp_path}


def names_of(dataset: DataSet) -> list[str]:
    return [sample.name for sample in dataset.samples]


def stems(folder: Path, *lines: str) -> Path:
    path = folder / "list.txt"
    path.write_text("\n".join(lines))
    return path


def split(data: dict[str, object], **options: object) -> tuple[list[str], list[str]]:
    training, validation = split_data(TrainOptions(data=DataOptions(**data), **options))
    assert training.classes == validation.classes
    return names_of(training), names_of(validation)


def test_pictures_are_opened_with_their_map(own: dict[str, object]) -> None:
    dataset = open_data(DataOptions(**own))
    assert names_of(dataset) == NAMES
    assert [c.name for c in dataset.classes] == ["a", "b"]
    assert not dataset.sparse


def test_slides_are_opened_with_or_without_a_map(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    write(drawn, json.dumps(collection(in_qupath(rectangle(0, 0, 9, 9), "Tumor"))), "a.json")
    data = {"slides": touch(tmp_path / "slides", "a.svs"), "annotations": drawn}
    assert [c.name for c in open_data(DataOptions(**data)).classes] == ["Tumor"]
    dataset = open_data(DataOptions(**data, class_map="Tumor=malignant,x=y", coordinates="level0"))
    assert [c.name for c in dataset.classes] == ["malignant", "y"]
    assert dataset.sparse
    labels = dataset.samples[0].labels
    assert isinstance(labels, PolygonLabels)
    assert labels.coordinates == "level0"


def test_a_map_of_what_has_no_name_leaves_every_name_a_class(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    square = rectangle(0, 0, 9, 9)
    shapes = collection(in_qupath(square, "Tumor"), in_qupath(square, "Fat"), in_qupath(square))
    write(drawn, json.dumps(shapes), "a.json")
    data = {"slides": touch(tmp_path / "slides", "a.svs"), "annotations": drawn}
    for text, names in {
        "unclassified=ignore": ["Tumor", "Fat"],
        "unclassified=other,unannotated=rest": ["Tumor", "Fat", "other", "rest"],
    }.items():
        dataset = open_data(DataOptions(**data, class_map=text))
        assert [c.name for c in dataset.classes] == names
    with pytest.raises(ArgumentError, match="names no class"):
        open_data(DataOptions(**data, class_map="Tumor=ignore"))


def test_instances_reach_the_samples(own: dict[str, object], tmp_path: Path) -> None:
    instances = touch(tmp_path / "instances", *(f"{name}.tif" for name in NAMES))
    dataset = open_data(DataOptions(**own, instances=instances))
    assert [s.instances for s in dataset.samples] == [instances / f"{n}.tif" for n in NAMES]


@pytest.mark.parametrize(
    ("part", "validation", "names"),
    [
        (None, False, ["t1", "t2", "t3"]),
        (None, True, ["v1", "v2"]),
        ("test", False, ["x"]),
        ("test", True, ["x"]),
        ("training", True, ["t1", "t2", "t3"]),
    ],
)
def test_a_public_set_is_opened_at_the_part_that_is_meant(
    public: dict[str, object], part: str | None, validation: bool, names: list[str]
) -> None:
    options = DataOptions(**public, split=part)
    assert names_of(open_data(options, validation=validation)) == names


@pytest.mark.parametrize(
    ("part", "training", "validation"),
    [
        (None, ["t1", "t2", "t3"], ["v1", "v2"]),
        ("train", ["t1", "t2", "t3"], ["v1", "v2"]),
        ("training", ["t1", "t2", "t3"], ["v1", "v2"]),
        ("test", ["x"], ["v1", "v2"]),
    ],
)
def test_a_public_set_keeps_back_its_own_part(
    public: dict[str, object], part: str | None, training: list[str], validation: list[str]
) -> None:
    assert split({**public, "split": part}, val_fraction=0.5) == (training, validation)


def test_who_learns_from_the_part_for_validation_keeps_a_share_of_it(
    public: dict[str, object],
) -> None:
    training, validation = split({**public, "split": "val"}, val_fraction=0.5)
    assert sorted(training + validation) == ["v1", "v2"]
    assert len(validation) == 1


def test_lists_shorten_what_is_learnt_from_and_not_what_is_kept_back(
    public: dict[str, object], tmp_path: Path
) -> None:
    listed = stems(tmp_path, "t1", "t3")
    assert split({**public, "only": listed}) == (["t1", "t3"], ["v1", "v2"])
    assert split({**public, "without": listed}) == (["t2"], ["v1", "v2"])
    assert split(public, val_only=listed) == (["t2"], ["t1", "t3"])


# Lists of names


def test_only_and_without(own: dict[str, object], tmp_path: Path) -> None:
    listed = stems(tmp_path, "s03", "s00", "s17")
    assert names_of(open_data(DataOptions(**own, only=listed))) == ["s00", "s03", "s17"]
    rest = names_of(open_data(DataOptions(**own, without=listed)))
    assert rest == [name for name in NAMES if name not in ("s00", "s03", "s17")]


def test_without_is_about_what_only_left(own: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("s03\n")
    data = {**own, "only": stems(tmp_path, "s03", "s04"), "without": tmp_path / "out.txt"}
    assert names_of(open_data(DataOptions(**data))) == ["s04"]
    (tmp_path / "out.txt").write_text("s05\n")
    with pytest.raises(DataSetError, match="s05, which is not in the data"):
        open_data(DataOptions(**data))


@pytest.mark.parametrize(
    "content",
    [b"s01\ns02\n", b"\xef\xbb\xbfs01\r\ns02\r\n", b"\n  s02 \n\n\ts01\n\n", b"s02\ns01\ns02"],
)
def test_lists_as_editors_leave_them(
    own: dict[str, object], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    dataset = open_data(DataOptions(**own))
    assert read_stems(tmp_path / "list.txt", dataset) == {"s01", "s02"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"s01\ns99\n", "the list names s99, which is not in the data"),
        (b"s01.png\n", r"names s01\.png, .* without folder and ending"),
        (b"d\nc\nb\na\n", "the list names a, b, c, …, which"),
        (b"\n \n", "the list of names is empty"),
        (b"\xff\xfe\x00", "cannot be read: it is not text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("option", ["only", "without", "val_only"])
def test_lists_that_do_not_fit_are_refused(
    own: dict[str, object], tmp_path: Path, option: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    data, others = ({}, {option: path}) if option == "val_only" else ({option: path}, {})
    with pytest.raises(DataSetError, match=message) as caught:
        split({**own, **data}, **others)
    assert caught.value.where == path
    assert "\n" not in str(caught.value)


def test_nothing_may_be_left_out_of_everything(own: dict[str, object], tmp_path: Path) -> None:
    everything = stems(tmp_path, *NAMES)
    with pytest.raises(DataSetError, match="every sample is left out") as caught:
        open_data(DataOptions(**own, without=everything))
    assert caught.value.where == everything
    with pytest.raises(DataSetError, match="no training sample is left"):
        split(own, val_only=everything)


# Validation data


@pytest.mark.parametrize(
    ("share", "count"), [(0.0, 0), (0.001, 1), (0.2, 4), (0.23, 5), (0.5, 10), (0.999, 19)]
)
def test_a_share_is_kept_back_but_one_at_least_and_never_all(
    own: dict[str, object], share: float, count: int
) -> None:
    training, validation = split(own, val_fraction=share)
    assert len(validation) == count
    assert sorted(training + validation) == NAMES
    assert training == sorted(training)
    assert validation == sorted(validation)


def test_the_seed_decides_which(own: dict[str, object]) -> None:
    drawn = {seed: split(own, seed=seed) for seed in range(6)}
    assert drawn == {seed: split(own, seed=seed) for seed in range(6)}
    assert len({tuple(validation) for _, validation in drawn.values()}) == 6


def test_every_sample_is_kept_back_as_often_as_the_others(own: dict[str, object]) -> None:
    counts = dict.fromkeys(NAMES, 0)
    for seed in range(300):
        for name in split(own, seed=seed)[1]:
            counts[name] += 1
    # 300 draws of a fifth, within four standard deviations.
    assert max(abs(count - 60) for count in counts.values()) < 4 * (300 * 0.2 * 0.8) ** 0.5


def test_the_folders_order_on_the_disk_does_not_matter(
    own: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, there = split(own), Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(sorted(there(path), reverse=True)))
    assert split(own) == expected


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_of_one_sample_nothing_is_kept_back(
    own: dict[str, object], tmp_path: Path, share: float
) -> None:
    listed = stems(tmp_path, "s05")
    assert split({**own, "only": listed}, val_fraction=share) == (["s05"], [])


def test_a_list_of_what_to_keep_back_goes_before_the_share(
    own: dict[str, object], tmp_path: Path
) -> None:
    training, validation = split(own, val_only=stems(tmp_path, "s19", "s00"), val_fraction=0.5)
    assert validation == ["s00", "s19"]
    assert training == NAMES[1:-1]


def test_sets_and_parts_that_do_not_exist(public: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=r"no data set 'camvd'.*Did you mean camvid"):
        split({**public, "dataset": "camvd"})
    with pytest.raises(ArgumentError, match="no part 'tset'"):
        split({**public, "split": "tset"})


def test_the_reader_that_is_named_is_that_of_every_sample(own: dict[str, object]) -> None:
    assert {s.reader for s in open_data(DataOptions(**own)).samples} == {None}
    named = DataOptions(**own, reader="openslide")
    assert {s.reader for s in open_data(named).samples} == {"openslide"}
