"""Folders of data sets as people have them, with what systems leave beside the pictures."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

LEFT_BEHIND = ("Thumbs.db", "desktop.ini", ".DS_Store")


def put(path: Path) -> None:
    """Write a small picture, or what begins with a dot on a Mac and is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.startswith(".") or path.name in LEFT_BEHIND:
        path.write_bytes(b"\0\5\x16\7")
    else:
        Image.new("L", (4, 3)).save(path, "JPEG" if "j" in path.suffix.lower() else "PNG")


def own(*labels: str) -> Iterator[str]:
    yield from (f"img/{name}" for name in ("a.JPG", "b.jpeg", "c.png", "._a.JPG", *LEFT_BEHIND))
    yield from (f"lab/{name}" for name in (*labels, "._c.png", "Thumbs.db"))


def cityscapes(*companions: str, missing: str = "") -> Iterator[str]:
    """Yield the files of two pictures a split; `companions` are what a Mac packed beside."""
    for split in ("train", "val"):
        for k in (0, 1):
            stem = f"aachen_00000{k}_000019"
            images, labels = (f"{kind}/{split}/aachen" for kind in ("leftImg8bit", "gtFine"))
            names = {"leftImg8bit": images, "gtFine_labelIds": labels}
            names["gtFine_labelTrainIds"] = labels
            for kind, folder in names.items():
                if missing != f"{split} {k}" or folder == images:
                    yield f"{folder}/{stem}_{kind}.png"
                if kind in companions:
                    yield f"{folder}/._{stem}_{kind}.png"


VOC = [f"{kind}/2007_00000{k}" for k in (1, 2) for kind in ("JPEGImages", "SegmentationClass")]
SETS = {
    "camvid_upper": [
        f"{split}{kind}/{name}"
        for split in ("train", "val")
        for kind in ("", "annot")
        for name in ("a.png", "b.PNG")
    ],
    "city": [*cityscapes("gtFine_labelTrainIds")],
    "city_both": [*cityscapes("leftImg8bit", "gtFine_labelIds", "gtFine_labelTrainIds")],
    "city_missing": [*cityscapes(missing="val 1")],
    "voc": [f"{stem}.jpg" if "JPEG" in stem else f"{stem}.png" for stem in VOC],
    "own": [*own("a.PNG", "b.png", "c.png")],
    "own_jpg": [*own("a.jpg", "b.png", "c.png")],
    "own_suffix": [*own("a_mask.PNG", "b_mask.png", "c_mask.png")],
}
LISTS = {"train": b"2007_000001\r\n\n", "val": b"\xef\xbb\xbf2007_000001\r\n2007_000002 \r\n"}
"""As Windows' editor leaves them."""


def make_set(name: str, folder: Path) -> Path:
    """Write a set and return its folder."""
    for place in SETS[name]:
        put(folder / name / place)
    if name == "voc":
        lists = folder / name / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True)
        for split, content in LISTS.items():
            (lists / f"{split}.txt").write_bytes(content)
    return folder / name
