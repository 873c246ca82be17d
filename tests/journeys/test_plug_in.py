"""A package from outside adds a network, a reader, an annotation program, a recipe and a loss."""

import json
import os
import subprocess
import sys

import pytest

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "acme-wsiseg"
version = "1.0"

[tool.setuptools]
py-modules = ["acme"]

[project.entry-points."wsiseg.networks"]
acme-net = "acme:AcmeNet"

[project.entry-points."wsiseg.readers"]
acme = "acme:AcmeSlide"

[project.entry-points."wsiseg.annotation_programs"]
Acme = "acme:ACME"

[project.entry-points."wsiseg.recipes"]
acme = "acme:RECIPE"

[project.entry-points."wsiseg.losses"]
acme-loss = "acme:AcmeLoss"

[project.entry-points."wsiseg.runtimes"]
acme-runtime = "acme:AcmeRuntime"
"""

SOURCE = '''
from dataclasses import replace

import numpy as np
from torch import nn

from wsiseg.annotations.program import Drawing, Program
from wsiseg.errors import UnknownFormatError
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register
from wsiseg.models.runtimes.torch import TorchRuntime
from wsiseg.tiling.slides.slide import OTHER_FORMAT, Slide, SlideFacts, make_levels
from wsiseg.training.losses.cross_entropy import CrossEntropy
from wsiseg.training.recipes.plain import PLAIN


@register("acme-net", family="Acme", paper="none")
class AcmeNet(SegmentationNetwork):
    input_multiple = 8

    def __init__(self, classes):
        super().__init__(classes)
        self.layer = nn.Conv2d(3, classes, 1)

    def dense(self, x):
        return self.layer(x)


class AcmeSlide(Slide):
    """A square of one colour, whose edge stands in the file."""

    reader = "acme"

    def __init__(self, path):
        super().__init__(path)
        if not path.is_file() or path.read_bytes()[:4] != b"ACME":
            raise UnknownFormatError(OTHER_FORMAT, path)
        edge = int(path.read_text().split()[1])
        self.facts = SlideFacts(make_levels([(edge, edge)]), pixel_size=None, vendor="acme")
        self.why = "an Acme slide"

    def close(self):
        pass

    def _read(self, level, box):
        return np.full((box.height, box.width, 3), 90, np.uint8)


def read(content):
    for shape in content["acme"]:
        yield Drawing(shape["class"], polygons=((np.array(shape["corners"], float),),))


ACME = Program("Acme", "level 0", lambda content: "acme" in content, read)
RECIPE = replace(PLAIN, name="acme")


class AcmeLoss(CrossEntropy):
    pass


class AcmeRuntime(TorchRuntime):
    name = "acme-runtime"
'''


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory):
    """Install the package into a folder of its own, and return the environment that sees it."""
    source, target = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "acme.py").write_text(SOURCE)
    install = ["install", "--no-deps", "--no-build-isolation", "--quiet", "--target", str(target)]
    run = subprocess.run(
        [sys.executable, "-m", "pip", *install, "--disable-pip-version-check", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return os.environ | {"PYTHONPATH": str(target)}


def wsiseg(plug_in, *words):
    return subprocess.run(
        [sys.executable, "-P", "-m", "wsiseg", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=plug_in,
    )


CODE = """
import json, sys
from pathlib import Path
import wsiseg
from wsiseg.annotations import read_annotations
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.runtimes import choose_runtime, installed_runtimes
from wsiseg.training.losses import LOSSES
from wsiseg.training.recipes import RECIPES

folder = Path(sys.argv[1])
(shape,) = read_annotations(folder / "drawn.json").annotations
network = wsiseg.models.create_model("acme-net", 2)
slide = wsiseg.open_slide(folder / "slide.acme")
print(json.dumps({
    "shape": [shape.name, shape.geometry.area],
    "network": type(network).__name__,
    "slide": [slide.reader, slide.levels[0].width],
    "recipe": RECIPES["acme"].name,
    "loss": LOSSES["acme-loss"].__name__,
    "runtimes": installed_runtimes(),
    "chosen": choose_runtime("acme-runtime", "cpu").runtime,
}))
"""


@pytest.mark.long  # the same on the command line is in the suite
def test_a_plug_in_is_found_in_python(plug_in, tmp_path):
    (tmp_path / "slide.acme").write_text("ACME 300")
    corners = [[0, 0], [10, 0], [10, 20], [0, 20]]
    shapes = {"acme": [{"class": "tumour", "corners": corners}]}
    (tmp_path / "drawn.json").write_text(json.dumps(shapes))
    run = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=plug_in,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["shape"] == ["tumour", 200.0]
    assert found["network"] == "AcmeNet"
    assert found["slide"] == ["acme", 300]
    assert (found["recipe"], found["loss"]) == ("acme", "AcmeLoss")
    assert found["runtimes"][-1] == found["chosen"] == "acme-runtime"


def test_a_plug_in_is_found_by_the_command_line(plug_in, tmp_path):
    (tmp_path / "slide.acme").write_text("ACME 300")
    told = wsiseg(plug_in, "info", tmp_path / "slide.acme", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["reader"] == "acme"
    listed = json.loads(wsiseg(plug_in, "models", "list", "--json").stdout)
    assert {"name": "acme-net", "family": "Acme", "parameters": 76, "paper": "none"} in listed
    helped = wsiseg(plug_in, "train", "--help").stdout
    assert "acme" in helped


def test_a_slide_goes_through_a_plug_in_network(plug_in, tmp_path):
    (tmp_path / "slide.acme").write_text("ACME 300")
    code = """
import sys
import wsiseg
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.normalisation import Normalisation
import torch

folder = sys.argv[1]
network = wsiseg.models.create_model("acme-net", 2).eval()
with torch.no_grad():
    network.layer.weight.zero_()
    network.layer.bias.copy_(torch.tensor([0.0, 1.0]))
classes = (ClassEntry(name="a", colour=(0, 0, 0)), ClassEntry(name="b", colour=(1, 1, 1)))
norm = Normalisation()
card = CheckpointCard(
    architecture="acme-net", arguments={}, classes=classes, mpp=None, normalisation=norm
)
path = Checkpoint(card, network).save(f"{folder}/acme.safetensors")
result = wsiseg.segment(
    f"{folder}/slide.acme", path, f"{folder}/out", level=0, tissue="none", runtime="acme-runtime"
)
print(result.labels[:].min(), result.labels[:].max(), result.summary["runtime"])
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=plug_in,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["1", "1", "acme-runtime"]
