"""Parameters and operations, as they were counted in the programs that the networks follow.

What is a network of ours under the same name and another one there, such as zh320's ESPNet with
377,137 parameters, is no row here.
"""

import json
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from commands import run
from repetitions import some_of
from wsiseg.models import create_model, list_architectures
from wsiseg.models.folding import fold, merge_paths
from wsiseg.models.layers.convolutions import StridedAvgPool
from wsiseg.models.networks.espnetv2_classifier import ESPNetv2Classifier
from wsiseg.models.profiling import count_macs, count_parameters
from wsiseg.models.registry import find_architecture

# (architecture, what follows --set, classes, parameters, thousand millions of operations at
# 512 × 1024 where they were counted as well)
PLAIN = [
    ("espnet-c", "alpha3=3", 20, 187_529, "2.159"),
    ("espnet-c", "alpha3=3", 19, 187_273, None),
    ("espnet-c", "alpha3=5", 20, 252_297, "2.684"),
    ("espnet-c", "alpha3=5", 19, 252_041, None),
    ("espnet-c", "", 20, 349_449, "3.470"),
    ("espnet-c", "", 19, 349_193, None),
    ("espnet", "alpha3=3", 20, 202_649, "3.399"),
    ("espnet", "alpha3=3", 19, 201_029, None),
    ("espnet", "alpha3=5", 20, 267_417, "3.923"),
    ("espnet", "alpha3=5", 19, 265_797, None),
    ("espnet", "", 20, 364_569, "4.709"),
    ("espnet", "", 19, 362_949, None),
    ("espnet", "alpha3=3 skip=train", 20, 203_189, None),
    ("espnet", "alpha3=3 skip=train", 19, 201_542, None),
    ("espnet", "alpha3=5 skip=train", 20, 267_957, None),
    ("espnet", "alpha3=5 skip=train", 19, 266_310, None),
    ("espnet", "alpha2=2 alpha3=8 skip=train", 20, 365_109, "4.780"),
    ("espnet", "skip=train", 19, 363_462, None),
    ("espnet", "skip=train", 12, 354_517, None),
    ("espnet", "alpha3=3 skip=test", 5, 185_729, None),
    ("espnet", "alpha3=3 skip=test", 6, 186_519, None),
    ("espnet", "alpha3=3 skip=test", 8, 188_225, None),
    ("espnetv2", "decoder=standalone width=0.5", 20, 99_418, "0.564"),
    ("espnetv2", "decoder=standalone width=0.5", 19, 99_222, None),
    ("espnetv2", "decoder=standalone", 20, 340_782, "1.689"),
    ("espnetv2", "decoder=standalone", 19, 340_474, None),
    ("espnetv2", "decoder=standalone width=1.25", 20, 515_038, "2.445"),
    ("espnetv2", "decoder=standalone width=1.25", 19, 514_682, None),
    ("espnetv2", "decoder=standalone width=1.5", 20, 725_166, "3.361"),
    ("espnetv2", "decoder=standalone width=1.5", 19, 724_762, None),
    ("espnetv2", "decoder=standalone width=2.0", 20, 1_253_038, "5.671"),
    ("espnetv2", "decoder=standalone width=2.0", 19, 1_252_538, None),
    ("espnetv2", "decoder=edgenets width=0.5", 20, 80_342, "0.596"),
    ("espnetv2", "width=0.5", 19, 79_452, None),
    ("espnetv2", "width=0.5", 21, 80_353, None),
    ("espnetv2", "", 20, 234_010, "1.085"),
    ("espnetv2", "", 19, 232_992, None),
    ("espnetv2", "", 21, 234_021, None),
    ("espnetv2", "width=1.25", 20, 343_106, "1.409"),
    ("espnetv2", "width=1.25", 19, 342_024, None),
    ("espnetv2", "width=1.25", 21, 343_117, None),
    ("espnetv2", "width=1.5", 20, 468_362, "1.713"),
    ("espnetv2", "width=1.5", 19, 467_216, None),
    ("espnetv2", "width=1.5", 21, 468_373, None),
    ("espnetv2", "width=2.0", 20, 789_242, "2.698"),
    ("espnetv2", "width=2.0", 19, 787_968, None),
    ("espnetv2", "width=2.0", 21, 789_253, None),
    ("ynet", "", 8, 2_755_488, None),
    ("ynet", "unit=D1", 8, 7_624_608, None),
    ("ynet-joint", "", 8, 3_913_381, None),
    ("ynet-joint", "unit=D1", 8, 9_110_437, None),
    ("enet", "", 20, 351_804, "4.056"),
    ("enet", "", 19, 351_660, "4.037"),
    ("enet", "", 12, 350_652, None),
    ("enet", "form=camvid", 12, 359_780, None),
    ("erfnet", "form=mmseg", 19, 2_084_095, "29.18"),
    ("cgnet", "", 19, 496_306, "6.762"),
    ("cgnet", "", 11, 494_258, None),
    ("cgnet", "form=mmseg", 19, 496_325, None),
    ("dabnet", "", 19, 756_643, "10.220"),
    # As in imgclsmob.
    ("segnet", "", 19, 29_453_971, None),
    ("sqnet", "", 19, 16_262_771, None),
    # VGG-16 to fc7, a classifier at each of three depths and two enlargements.
    ("fcn8s", "", 21, 134_260_544 + 21 * (4096 + 512 + 256 + 3) + 2 * 16 * 21**2, None),
    # torchvision's residual network of 101 layers, and a classifier for each of four dilations.
    ("deeplabv2", "", 21, 42_500_160 + 4 * 21 * (2048 * 9 + 1), None),
]

# The same, with those of them that inference needs.
LIGHTER = [
    ("erfnet", "", 20, 2_066_836, 2_066_836 - 2_580, "26.613"),
    ("erfnet", "", 19, 2_066_642, 2_066_642 - 2_451, "26.604"),
    ("icnet", "", 19, 28_298_376, 28_298_376 - 2_049_000 - 4_864, None),
    ("icnet", "backbone=resnet101", 19, 47_290_504, 47_290_504 - 2_049_000 - 4_864, None),
    ("icnet", "form=mmseg backbone=resnet18", 19, 25_174_393, 25_174_393 - 300_326, "18.6"),
    ("icnet", "form=mmseg", 19, 47_827_833, 47_827_833 - 300_326, "30.6"),
    ("icnet", "form=mmseg backbone=resnet101", 19, 66_819_961, 66_819_961 - 300_326, "40.3"),
    # Counted without heads in the file that the authors published for inference.
    ("icnet", "form=caffe", 19, 6_699_987 + 7_334, 6_699_987, None),
    ("rdrnet-s-simple", "", 19, 8_833_126, 7_125_363, "12.346"),
    ("rdrnet-s", "", 19, 8_946_406, 7_200_435, "12.960"),
    ("rdrnet-m", "", 19, 30_867_366, 25_870_291, "48.617"),
    ("rdrnet-l", "", 19, 43_345_830, 36_653_011, "70.950"),
    ("bisenetv1", "", 19, 13_425_721, 13_275_539, "29.58"),
    ("bisenetv2", "", 19, 14_804_255, 3_358_883, "24.60"),
    ("fast-scnn", "", 19, 1_456_617, 1_399_939, "1.812"),
    ("stdc1", "", 19, 8_573_022, 8_275_123, "16.86"),
    ("stdc2", "", 19, 12_603_486, 12_305_587, "23.46"),
    ("ddrnet23-slim", "", 19, 5_734_278, 5_695_923, "9.070"),
    ("ddrnet23", "", 19, 20_299_238, 20_148_819, "35.77"),
    ("pidnet-s", "", 19, 7_720_871, 7_625_651, "11.80"),
    ("pidnet-m", "", 19, 28_762_983, 28_538_387, "44.33"),
    ("pidnet-l", "", 19, 37_314_183, 36_939_443, "68.73"),
    # As in imgclsmob, that with 50 layers on its residual network with the same stem.
    ("pspnet", "", 19, 68_072_166, 65_707_475, None),
    ("pspnet", "", 21, 68_073_706, 65_708_501, None),
    ("pspnet", "backbone=resnet50", 19, 49_080_038, 49_080_038 - 2_364_691, None),
    # Nobody else's: what was counted here when it was built from the paper and the authors' code.
    ("pp-liteseg", "", 19, 8_141_145, 8_027_827, "11.421"),
    ("pp-liteseg", "backbone=stdc2", 19, 12_366_009, 12_234_259, "19.228"),
]

ROWS = [(name, form, n, all_, all_, macs) for name, form, n, all_, macs in PLAIN] + LIGHTER

FIRST = list({row[:2]: row for row in reversed(ROWS)}.values())
"""Of the rows of one form of a network, which differ in their number of classes, the first."""


def printed(count: float, like: str) -> str:
    """Return a number in thousand millions with as many digits as another one."""
    return f"{count / 1e9:.{len(like.partition('.')[2])}f}"


def counted(compute: Callable[[Tensor], object], x: Tensor) -> int:
    """Return the operations of anything that is computed from a picture."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        compute(x)
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize(
    ("name", "form", "classes", "parameters", "deployed", "macs"),
    some_of(ROWS, FIRST),
    ids=[" ".join(map(str, row[:3])) for row in ROWS],
)
def test_models_show_counts_what_was_counted_elsewhere(
    name: str,
    form: str,
    classes: int,
    parameters: int,
    deployed: int,
    macs: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shortened to a row of each form.

    Planted and noticed by those as well: a wider pyramid of ESPNetv2 where the number of classes is
    odd, and a bias in ESPNet's last layer.
    """
    # How far a network sees takes weights, and most of the command's time; operations, also of
    # the forms that something was published about, the rest.
    monkeypatch.setattr("wsiseg.models.profiling.receptive_field", lambda _: None)
    monkeypatch.setattr("wsiseg.models.published.comparison.compare", lambda _: ())
    if macs is None:
        monkeypatch.setattr("wsiseg.models.profiling.count_macs", lambda _: 0)
    settings = [word for setting in form.split() for word in ("--set", setting)]
    with torch.device("meta"):
        outcome = run("models", "show", name, "--classes", classes, *settings, "--json")
    assert outcome.status == 0, outcome.err
    content = json.loads(outcome.out)
    assert (content["name"], content["classes"]) == (name, classes)
    assert content["parameters"] == parameters
    assert content["parameters_deployed"] == deployed
    assert macs is None or printed(content["macs"], macs) == macs


def test_every_architecture_is_counted_that_others_have() -> None:
    ours = {a.name for a in list_architectures() if a.network.__module__.startswith("wsiseg.")}
    # Theirs are in no program of the authors.
    assert {row[0] for row in ROWS} == ours - {"espnet-a", "espnet-b"}


# (architecture, what follows --set, classes, size, thousand millions of operations)
SIZED = [
    ("espnet", "skip=train", 12, (360, 480), "1.335"),
    ("espnetv2", "width=0.5", 21, (384, 384), ".168"),
    ("espnetv2", "", 21, (384, 384), ".306"),
    ("espnetv2", "width=1.25", 21, (384, 384), ".397"),
    ("espnetv2", "width=1.5", 21, (384, 384), ".482"),
    ("espnetv2", "width=2.0", 21, (384, 384), ".759"),
    ("ynet", "", 8, (384, 384), "7.785"),
    ("ynet", "unit=D1", 8, (384, 384), "22.05"),
]


@pytest.mark.parametrize(("name", "form", "classes", "size", "macs"), SIZED)
def test_operations_at_other_sizes(
    name: str, form: str, classes: int, size: tuple[int, int], macs: str
) -> None:
    settings = dict(setting.split("=") for setting in form.split())
    with torch.device("meta"):
        network = create_model(name, classes, **find_architecture(name).parse(settings))
    assert printed(count_macs(network, *size), macs).removeprefix("0").endswith(macs)


@pytest.mark.parametrize(("unit", "macs"), [("C1", "8.236"), ("D1", "22.78")])
def test_operations_of_y_net_with_the_diagnosis(unit: str, macs: str) -> None:
    with torch.device("meta"):
        network = create_model("ynet-joint", 8, unit=unit).eval()
        found = counted(network.label_and_diagnose, torch.empty((1, 3, 384, 384)))
    assert printed(found, macs) == macs


# (architecture, of the auxiliary head, with merged paths and that head as its authors count,
# thousand millions of operations with merged paths at 512 × 1024, and at 1024 × 2048)
RDRNETS = [
    ("rdrnet-s-simple", 38_355, 7_163_718, "10.228", "40.91"),
    ("rdrnet-s", 76_563, 7_276_998, "10.842", "43.37"),
    ("rdrnet-m", 150_419, 26_020_710, "40.396", "161.6"),
    ("rdrnet-l", 300_563, 36_953_574, "59.508", "238.0"),
]


@pytest.mark.parametrize(("name", "head", "published", "macs", "large"), RDRNETS)
def test_rdrnet_deployed(name: str, head: int, published: int, macs: str, large: str) -> None:
    with torch.device("meta"):
        network = create_model(name, 19)
        merged = merge_paths(network)
    (auxiliary,) = network.auxiliary
    assert count_parameters(network.get_submodule(auxiliary)) == head
    assert count_parameters(merged) + head == published
    assert printed(count_macs(merged), macs) == macs
    assert printed(count_macs(merged, 1024, 2048), large) == large


def test_caffe_s_icnet_with_its_batch_norms_merged() -> None:
    with torch.device("meta"):
        folded = fold(create_model("icnet", 19, form="caffe"))
    assert count_parameters(folded) == 6_685_715


def test_encoder_of_erfnet_with_its_head() -> None:
    with torch.device("meta"):
        network = create_model("erfnet", 19)
    (name,) = network.auxiliary
    head = count_parameters(network.get_submodule(name))
    assert head == 2_451
    assert count_parameters(network.encoder) + head == 1_876_495


@pytest.mark.parametrize(("backbone", "macs"), [("resnet50", "73.63"), ("resnet101", "122.1")])
def test_icnet_saves_what_its_original_computes_in_vain(backbone: str, macs: str) -> None:
    """ICNet-pytorch runs two stages on the half picture, and all classifiers, for nothing."""
    with torch.device("meta"):
        network = create_model("icnet", 19, backbone=backbone).eval()
        picture, half = torch.empty((1, 3, 512, 1024)), torch.empty((1, 3, 256, 512))
        resnet = network.encoder.deep.resnet
        used = counted(network.supervised, picture) - counted(partial(resnet, stages=2), half)
    assert printed(used + counted(resnet, half), macs) == macs


# (width, parameters, thousand millions of operations at 224 × 224) with ImageNet's 1000 classes
CLASSIFIERS = [
    (0.5, 1_241_332, "0.029"),
    (1.0, 1_670_072, "0.087"),
    (1.25, 1_965_440, "0.124"),
    (1.5, 2_314_856, "0.170"),
    (2.0, 3_498_136, "0.286"),
]


@pytest.mark.parametrize(("width", "parameters", "macs"), CLASSIFIERS)
def test_classifier_that_espnetv2_begins_as(width: float, parameters: int, macs: str) -> None:
    with torch.device("meta"):
        network = ESPNetv2Classifier(width=width).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty((1, 3, 224, 224)))
    assert count_parameters(network) == parameters
    # Pooling does not count, also where it is written as a convolution.
    pooling = {
        f"ESPNetv2Classifier.{n}" for n, m in network.named_modules() if type(m) is StridedAvgPool
    }
    counts = counter.get_flop_counts()
    total = counter.get_total_flops() - sum(sum(counts[name].values()) for name in pooling)
    assert printed(total / 2, macs) == macs
