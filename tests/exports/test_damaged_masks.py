"""Masks that have lost something on the way are refused, in one line."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.errors import AnnotationError


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mask of three shards."""
    folder = tmp_path_factory.mktemp("finished")
    pixels = np.random.default_rng(0).integers(0, 256, (2300, 2300, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "a.png")
    settings = {"level": 0, "tissue": "none", "runtime": "torch", "slide_mpp": 0.5}
    return wsiseg.segment(folder / "a.png", tiny_checkpoint(), folder, **settings).mask


@pytest.fixture
def mask(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / finished.name))


def shards(mask: Path) -> list[Path]:
    return sorted(path for path in (mask / "0" / "c").rglob("*") if path.is_file())


def test_a_lost_shard_is_no_unanalysed_tissue(mask: Path, tmp_path: Path) -> None:
    shards(mask)[1].unlink()
    said = r"1 of 3 shards of level 0 are missing .*'wsiseg segment --resume'"
    with pytest.raises(AnnotationError, match=said):
        wsiseg.export(mask, "png", tmp_path / "a.png")
    with pytest.raises(AnnotationError, match=said):
        wsiseg.measure(mask)
    with pytest.raises(AnnotationError, match=said):
        wsiseg.refine(mask, tmp_path / "b.ome.zarr", min_area="5um2")


def test_a_refined_mask_knows_its_own_shards(mask: Path, tmp_path: Path) -> None:
    refined = wsiseg.refine(mask, tmp_path / "b.ome.zarr", min_area="2um2").output
    wsiseg.measure(refined)
    shards(refined)[0].unlink()
    with pytest.raises(AnnotationError, match="shards of level 0 are missing"):
        wsiseg.measure(refined)


def test_labels_that_somebody_changed_are_no_damage(mask: Path) -> None:
    level = zarr.open_array(mask / "0", mode="r+")
    level[:100, :100] = 1
    found = wsiseg.measure(mask)
    assert sum(each.pixels for each in found.classes) == 2300**2


def test_a_shard_cut_short_ends_in_one_line(mask: Path, tmp_path: Path) -> None:
    for shard in shards(mask)[:2]:
        shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    command = ["export", mask, "--to", "geojson", "-o", tmp_path / "a.geojson", "--quiet"]
    run = subprocess.run(
        [sys.executable, "-m", "wsiseg", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: the store's pixels cannot be read")
    assert "'wsiseg segment --resume'" in line


def test_a_mask_in_another_folder_knows_its_slide(finished: Path, tmp_path: Path) -> None:
    with Image.open(finished.with_name("a.png")) as slide:
        Image.eval(slide, lambda value: 255 - value).save(tmp_path / "a.png")
    refined = wsiseg.refine(finished, tmp_path / "b.ome.zarr", min_area="2um2").output
    with pytest.raises(AnnotationError, match="a mask of another slide"):
        wsiseg.export(refined, "overlay", tmp_path / "o.png")
    slide = finished.with_name("a.png")
    wsiseg.export(refined, "overlay", tmp_path / "o.png", slide=slide, size=300)
