"""A walk over every network in each of its forms: what all of them have to do.

The tests of one form follow each other, so that it is built once and kept no longer than needed.

What compiles networks is slow, and is shortened to forms that have every kind of layer between
them; ``make test-long`` compiles all.  A fault of a layer is noticed by either, which
`test_a_fault_of_any_layer_is_noticed_in_a_form_that_is_compiled` shows by planting one.
"""

import io
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from forms import DISTINCT, FORMS, PLAIN, Form, kinds
from gradients import assert_reached, learn_from
from lively import enliven, norms
from repetitions import some_of
from wsiseg.classes import numbered_classes
from wsiseg.models import create_model, list_architectures, load_checkpoint
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.folding import fold
from wsiseg.models.layers.dappm import AggregationPyramid
from wsiseg.models.layers.esp import ESP
from wsiseg.models.layers.stdc import STDCModule
from wsiseg.models.networks.erfnet import NonBottleneck1D
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.networks.pidnet import Pag
from wsiseg.models.networks.pp_liteseg import SPPM
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.outputs import Output
from wsiseg.models.profiling import count_parameters
from wsiseg.models.registry import find_architecture
from wsiseg.models.runtimes import choose_runtime
from wsiseg.models.tile_network import TileNetwork

OURS = [a for a in list_architectures() if a.network.__module__.startswith("wsiseg.")]

CLASSES = 5
"""Of the network that most tests of a form share."""

DEAD = {
    # Behind the strided pyramids stands no activation, in the authors' code either.
    "espnetv2": r"encoder\.down[234]\.pyramid\.act\.weight",
    # The ImageNet classifier that ICNet-pytorch keeps in its checkpoints.
    "icnet": r"imagenet_classifier\.(weight|bias)",
    # A threshold follows on these, in the authors' code as well.
    "stdc1": r"head_detail\.weights",
    "stdc2": r"head_detail\.weights",
    # A diagnosis is learnt from one label for a whole picture.  Of the authors' five branches the
    # last is spare, here and in the encoder.
    "ynet-joint": r"diagnosis\..*|.*\.spare\.weight",
}
"""Parameters that count as learnable and that labels of pixels never reach, as patterns."""

UNPOOLED = {"enet": 0.25, "segnet": 0.25}
"""Share of a picture that moves with a maximum which rounding puts into another place."""


@pytest.fixture(autouse=True)
def same_pictures() -> None:
    """Draw the same pictures whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="module", params=FORMS, ids=str)
def form(request: pytest.FixtureRequest) -> Form:
    found: Form = request.param
    return found


@pytest.fixture(scope="module")
def network(form: Form) -> SegmentationNetwork:
    """Return a network that does something; tests leave it as it is."""
    torch.manual_seed(CLASSES)
    return enliven(form.build(CLASSES))


@pytest.fixture(scope="module")
def folded(network: SegmentationNetwork) -> SegmentationNetwork:
    return fold(network)


# Which forms there are


def test_every_architecture_is_walked_over() -> None:
    assert [form.name for form in PLAIN] == [form.name for form in FORMS[: len(PLAIN)]]
    assert {form.name for form in PLAIN} == {architecture.name for architecture in OURS}


def test_every_choice_of_every_argument_is_walked_over() -> None:
    wanted, walked = set(), set()
    for architecture in OURS:
        hints = typing.get_type_hints(architecture.network.__init__)
        for key, parameter in architecture.arguments.items():
            choices = (True, False) if hints[key] is bool else typing.get_args(hints[key])
            wanted |= {(key, choice) for choice in choices}
            walked |= {
                (key, form.arguments.get(key, parameter.default))
                for form in FORMS
                if form.name == architecture.name
            }
    # Another one of 50 layers, at twice the weight.
    assert wanted - walked == {("backbone", "resnet101")}


@pytest.mark.long
def test_every_kind_of_layer_is_in_a_form_that_is_compiled() -> None:
    with torch.device("meta"):
        found = {str(form): kinds(form.build(CLASSES)) for form in FORMS}
    compiled = set().union(*(found[str(form)] for form in DISTINCT))
    assert {name: missing for name, own in found.items() if (missing := own - compiled)} == {}


# Each form


def test_learns_at_odd_sizes(form: Form) -> None:
    # Each architecture as it is at 19 classes, its other forms at 2.
    classes = 19 if form in PLAIN else 2
    torch.manual_seed(classes)
    network = form.build(classes).train()
    for batch, height, width in ((1, 5, 3), (2, 50, 29)):
        outputs = network.supervised(torch.randn(batch, 3, height, width))
        assert all(logits.shape[:2] == (batch, classes) for logits in outputs)
        # What hangs on the tuple of logits, such as those of boundaries.
        besides = getattr(outputs, "__dict__", {})
        learn_from([*outputs, *besides.values()])
    assert_reached(network, DEAD.get(form.name, "$"))


def test_answers_at_odd_sizes_as_for_the_padded_picture(network: SegmentationNetwork) -> None:
    multiple, stride = network.input_multiple, network.output_stride
    height, width = multiple - 3, 2 * multiple - 1
    x = torch.randn(2, 3, height, width)
    padded = nn.functional.pad(x, (0, 1, 0, 3))
    with torch.no_grad():
        logits, coarse, outputs = network(x), network.coarse(x), network.supervised(x)
        assert torch.equal(logits, network(padded)[..., :height, :width])
        # And pictures of a batch do not know each other.
        torch.testing.assert_close(logits[1:], network(x[1:]), atol=1e-4, rtol=1e-4)
        pixel = network(x[:1, :, :1, :1])
    assert logits.shape == (2, CLASSES, height, width)
    assert coarse.shape == (2, CLASSES, -(-height // stride), -(-width // stride))
    assert pixel.shape == (1, CLASSES, 1, 1)
    assert logits.isfinite().all()
    assert pixel.isfinite().all()
    # Training takes the main ones first, resized or not.
    known = {tuple(found.shape): found for found in (coarse, logits)}
    assert torch.equal(outputs[0], known[tuple(outputs[0].shape)])


def test_is_saved_and_loaded_bit_for_bit(
    form: Form, network: SegmentationNetwork, tmp_path: Path
) -> None:
    card = CheckpointCard(
        architecture=form.name,
        arguments=form.arguments,
        classes=tuple(ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(CLASSES)),
    )
    path = Checkpoint(card, network).save(tmp_path / "network.safetensors")
    loaded = load_checkpoint(path).network
    # All of them together are gigabytes.
    path.unlink()
    assert (loaded.classes, loaded.training) == (CLASSES, False)
    before, after = network.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert [key for key, value in before.items() if not torch.equal(value, after[key])] == []


def test_gives_the_same_when_folded(
    form: Form, network: SegmentationNetwork, folded: SegmentationNetwork
) -> None:
    x = torch.randn(1, 3, 2 * network.input_multiple - 3, 4 * network.input_multiple)
    with torch.no_grad():
        logits, found = network(x), folded(x)
    moved = (found - logits).abs().amax(dim=1) > 1e-3
    assert moved.float().mean() <= UNPOOLED.get(form.name, 0)
    assert_labels_equal(found, logits, ~moved)
    assert type(folded) is type(network)
    assert not folded.training
    assert (folded.input_multiple, folded.output_stride, folded.classes) == (
        network.input_multiple,
        network.output_stride,
        network.classes,
    )
    assert count_parameters(folded) <= count_parameters(network)


def assert_labels_equal(found: Tensor, expected: Tensor, where: Tensor) -> None:
    """Check the labels of logits that differ by rounding only, where that cannot decide."""
    # A network that has learnt nothing likes one class everywhere.
    mean = expected.mean((0, 2, 3), keepdim=True)
    found, expected = found - mean, expected - mean
    best, second = expected.topk(2, dim=1).values.unbind(dim=1)
    difference = (found - expected).abs().amax(dim=1)[where].max()
    settled = where & (best - second > 2 * difference)
    labels = expected.argmax(dim=1)
    assert len(labels.unique()) > 1
    assert settled.sum() > 0.99 * where.sum()
    assert torch.equal(found.argmax(dim=1)[settled], labels[settled])


def test_no_convolution_keeps_a_norm_beside_it(
    network: SegmentationNetwork, folded: SegmentationNetwork
) -> None:
    # FCN-8s and SQNet have no batch norm at all.
    assert _norms_behind_convolutions(network) or not list(norms(network))
    assert not _norms_behind_convolutions(folded)


def _norms_behind_convolutions(network: SegmentationNetwork) -> list[str]:
    """Name the norms whose input is the very result of a convolution in the same module."""
    owners = {module: name.rpartition(".")[0] for name, module in network.named_modules()}
    made: dict[int, tuple[Tensor, str]] = {}
    found: list[str] = []

    def look(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            made[id(result)] = result, owners[module]
        elif isinstance(module, nn.BatchNorm2d):
            if made.get(id(given[0]), (None, None))[1] == owners[module]:
                found.append(owners[module])
        elif isinstance(module, nn.ReLU):
            # In place it gives the very tensor that it was given.
            made.pop(id(result), None)

    handles = [module.register_forward_hook(look) for module in network.modules()]
    with torch.no_grad():
        network(torch.randn(1, 3, network.input_multiple, network.input_multiple))
    for handle in handles:
        handle.remove()
    return found


# Other forms are traced below all the same.
@pytest.mark.parametrize(
    "form",
    some_of(PLAIN, [form for form in PLAIN if form in DISTINCT]),
    ids=str,
    indirect=True,
    scope="module",
)
def test_gives_the_same_logits_as_onnx(
    form: Form, network: SegmentationNetwork, folded: SegmentationNetwork
) -> None:
    """For speed it is the folded network that is written."""
    x = torch.randn(1, 3, network.input_multiple, 2 * network.input_multiple)
    with torch.no_grad():
        expected = network(x)
        logits = run_onnx(export_onnx(folded, x), x)
    moved = (logits - expected).abs().amax(dim=1) > 1e-3
    assert moved.float().mean() <= UNPOOLED.get(form.name, 0)


def export_onnx(network: SegmentationNetwork, x: Tensor) -> io.BytesIO:
    """Return an ONNX file for pictures of the size of `x`."""
    file = io.BytesIO()
    # Its successor wants a package more; sizes become constants, as they may here, and it says once
    # which slices do not.
    with pytest.warns((DeprecationWarning, torch.jit.TracerWarning, UserWarning)):
        torch.onnx.export(
            network, (x,), file, opset_version=17, dynamo=False, do_constant_folding=False
        )
    return io.BytesIO(file.getvalue())


def run_onnx(file: io.BytesIO, x: Tensor) -> Tensor:
    """Return what another program than the one that wrote the file computes from it."""
    openvino = pytest.importorskip("wsiseg.models.runtimes.openvino")
    core = openvino.openvino_core()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(file), "CPU", exact)
    return torch.from_numpy(np.array(compiled(x.numpy())[0]))


@pytest.mark.parametrize("form", some_of(FORMS, DISTINCT), ids=str, indirect=True, scope="module")
def test_gives_the_same_on_openvino_as_on_torch(form: Form, folded: SegmentationNetwork) -> None:
    """Runtimes run folded networks, and OpenVINO traces them at another size than these tiles'."""
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    tiles = np.random.default_rng(7).integers(0, 256, (2, 64, 160, 3), dtype=np.uint8)
    outputs: tuple[Output, ...] = ("labels", "probabilities")
    wrapped = TileNetwork(folded, IMAGENET, outputs).eval()
    torchs, openvinos = (
        choose_runtime(kind, "cpu", threads=1).compile(wrapped, (64, 160), 2).run(tiles)
        for kind in ("torch", "openvino")
    )
    # Rounding decides where two classes are as likely as each other, and nowhere else.
    best, second = np.sort(torchs["probabilities"].astype(int), axis=1)[:, :-3:-1].swapaxes(0, 1)
    settled = best - second > 1
    assert settled.mean() > 0.5
    turned = (torchs["labels"] != openvinos["labels"])[settled]
    assert turned.mean() <= UNPOOLED.get(form.name, 0)
    difference = torchs["probabilities"].astype(int) - openvinos["probabilities"]
    assert (np.abs(difference).max(axis=1) > 1).mean() <= UNPOOLED.get(form.name, 0)


# (a layer, a form that has it and is compiled in ``make test-long`` only, one that always is)
PLANTED = [
    (ESP, "espnet alpha2=1 alpha3=1 skip=train branches=2", "espnet alpha2=1 alpha3=1"),
    (AggregationPyramid, "rdrnet-s-simple context=dappm fusion=second", "ddrnet23-slim"),
    (Pag, "pidnet-m", "pidnet-s"),
    (NonBottleneck1D, "erfnet form=mmseg", "erfnet"),
    (STDCModule, "stdc2", "stdc1"),
    (SPPM, "pp-liteseg backbone=stdc2", "pp-liteseg"),
]


@pytest.mark.parametrize(("layer", "spared", "kept"), some_of(PLANTED, PLANTED[:1]), ids=str)
def test_a_fault_of_any_layer_is_noticed_in_a_form_that_is_compiled(
    layer: type[nn.Module], spared: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: a layer that answers otherwise while it is traced."""
    right = layer.forward

    def wrong(self: nn.Module, *given: Tensor) -> Tensor:
        answer: Tensor = right(self, *given)
        return answer.flip(1) if torch.jit.is_tracing() else answer

    forms = {str(form): form for form in FORMS}
    assert forms[spared] not in DISTINCT
    assert forms[kept] in DISTINCT
    for name in (spared, kept):
        torch.manual_seed(CLASSES)
        network = fold(enliven(forms[name].build(CLASSES)))
        with monkeypatch.context() as patch:
            patch.setattr(layer, "forward", wrong)
            with pytest.raises(AssertionError):
                test_gives_the_same_on_openvino_as_on_torch(forms[name], network)
            with pytest.raises(AssertionError):
                test_gives_the_same_logits_as_onnx(forms[name], network, network)


# Numbers of classes; 5 and 19 above


@pytest.mark.parametrize("classes", some_of([1, 2, 255], [1, 255]))
@pytest.mark.parametrize("plain", PLAIN, ids=str)
def test_tells_any_number_of_classes_apart(plain: Form, classes: int) -> None:
    network = plain.build(classes).eval()
    with torch.no_grad():
        logits = network(torch.randn(1, 3, 9, 17))
    assert logits.shape == (1, classes, 9, 17)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", [architecture.name for architecture in OURS])
def test_takes_no_other_number_of_classes(name: str) -> None:
    for classes in (-1, 0, 256):
        with pytest.raises(ValueError, match=f"classes must be 1 to 255, got {classes}"):
            create_model(name, classes)


@pytest.mark.parametrize("name", [a.name for a in OURS if a.network.encoder_architecture])
def test_two_stages_of_training_share_the_encoder(name: str) -> None:
    architecture = find_architecture(name)
    first = find_architecture(str(architecture.network.encoder_architecture))
    assert first.arguments.keys() <= architecture.arguments.keys()
    encoders = [create_model(a.name, 4).encoder.state_dict() for a in (architecture, first)]
    shapes = [{key: value.shape for key, value in encoder.items()} for encoder in encoders]
    assert shapes[0] == shapes[1]
