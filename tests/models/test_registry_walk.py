"""A walk over all architectures: sizes, classes, training, export."""

import io
import re

import numpy as np
import pytest
import torch
from torch import Tensor

from lively import lively
from narrowed import narrowed
from wsiseg.models import create_model, list_architectures
from wsiseg.models.networks.network import SegmentationNetwork

NAMES = [a.name for a in list_architectures() if a.network.__module__.startswith("wsiseg.")]

DEAD = {
    # Behind the strided pyramids stands no activation, in the authors' code either.
    "espnetv2": {f"encoder.down{level}.pyramid.act.weight" for level in (2, 3, 4)},
    # The ImageNet classifier that ICNet-pytorch keeps in its checkpoints.
    "icnet": {"imagenet_classifier.weight", "imagenet_classifier.bias"},
    # A threshold follows on these, in the authors' code as well.
    "stdc1": {"head_detail.weights"},
    "stdc2": {"head_detail.weights"},
}
"""Parameters that count as learnable and never get a gradient."""

ELSEWHERE = {
    # A diagnosis is learnt from one label for a whole picture.  Of the authors' five branches the
    # last is spare, here and in the encoder.
    "ynet-joint": r"diagnosis\.|.*\.spare\.weight",
}
"""Names of parameters, as patterns, that labels of pixels do not reach."""


def learnt_besides(outputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the tensors that hang on the tuple of logits, such as those of boundaries."""
    return [y for y in getattr(outputs, "__dict__", {}).values() if isinstance(y, Tensor)]


@pytest.mark.parametrize("classes", [2, 5, 19])
@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_answers_and_learns_at_odd_sizes(name: str, classes: int) -> None:
    torch.manual_seed(classes)
    network = create_model(name, classes, **narrowed(name))
    for batch, height, width in ((1, 33, 47), (2, 50, 29), (1, 5, 3)):
        x = torch.randn(batch, 3, height, width)
        network.train().zero_grad()
        outputs = network.supervised(x)
        compared = [*outputs, *learnt_besides(outputs)]
        torch.stack([(y * torch.randn_like(y)).sum() for y in compared]).sum().backward()
        gradients = {key: p.grad for key, p in network.named_parameters()}
        reached = {key: grad for key, grad in gradients.items() if grad is not None}
        elsewhere = re.compile(ELSEWHERE.get(name, "$"))
        missed = {key for key in gradients.keys() - reached.keys() if not elsewhere.match(key)}
        assert missed == DEAD.get(name, set())
        assert [key for key, grad in reached.items() if not grad.isfinite().all()] == []
        with torch.no_grad():
            logits = network.eval()(x)
        assert logits.shape == (batch, classes, height, width)
        assert logits.isfinite().all()


@pytest.mark.parametrize("classes", [1, 255])
@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_tells_any_number_of_classes_apart(name: str, classes: int) -> None:
    network = create_model(name, classes, **narrowed(name)).eval()
    with torch.no_grad():
        logits = network(torch.randn(1, 3, 9, 17))
    assert logits.shape == (1, classes, 9, 17)
    assert logits.isfinite().all()


@pytest.mark.parametrize("classes", [0, 256])
@pytest.mark.parametrize("name", NAMES)
def test_no_architecture_takes_other_numbers(name: str, classes: int) -> None:
    with pytest.raises(ValueError, match="classes must be 1 to 255"):
        create_model(name, classes)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*[Cc]onstant folding:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_gives_the_same_logits_as_onnx(name: str) -> None:
    network = lively(name, 2, **narrowed(name))
    edge = 2 * network.input_multiple
    x = torch.randn(1, 3, edge, edge + network.input_multiple)
    with torch.no_grad():
        expected = network(x)
        logits = run_onnx(export_onnx(network, x), x)
    # Weights drawn at random make some logits large, and others the difference of large numbers.
    largest = float(expected.abs().max())
    torch.testing.assert_close(logits, expected, atol=1e-4 * max(1.0, largest), rtol=0)


def export_onnx(network: SegmentationNetwork, x: Tensor) -> io.BytesIO:
    """Return an ONNX file for pictures of the size of `x`."""
    file = io.BytesIO()
    torch.onnx.export(network, (x,), file, opset_version=17, dynamo=False)
    return io.BytesIO(file.getvalue())


def run_onnx(file: io.BytesIO, x: Tensor) -> Tensor:
    """Return what another program than the one that wrote the file computes from it."""
    openvino = pytest.importorskip("wsiseg.models.runtimes.openvino")
    core = openvino.openvino_core()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(file), "CPU", exact)
    return torch.from_numpy(np.array(compiled(x.numpy())[0]))
