"""Parameters that inference needs, as they were counted in the original programs."""

import pytest

from wsiseg.models import create_model
from wsiseg.models.folding import fold, merge_paths
from wsiseg.models.profiling import count_parameters

# Of networks with 19 classes: arguments, parameters for inference and of what training adds.
COUNTED = [
    ("rdrnet-s-simple", {}, 7_125_363, 38_355),
    ("rdrnet-s", {}, 7_200_435, 76_563),
    ("rdrnet-m", {}, 25_870_291, 150_419),
    ("rdrnet-l", {}, 36_653_011, 300_563),
    ("bisenetv1", {}, 13_275_539, 150_182),
    ("bisenetv2", {}, 3_358_883, 11_445_372),
    ("fast-scnn", {}, 1_399_939, 56_678),
    ("stdc1", {}, 8_275_123, 297_899),
    ("stdc2", {}, 12_305_587, 297_899),
    ("ddrnet23-slim", {}, 5_695_923, 38_355),
    ("ddrnet23", {}, 20_148_819, 150_419),
    ("pidnet-s", {}, 7_625_651, 95_220),
    ("pidnet-m", {}, 28_538_387, 224_596),
    ("pidnet-l", {}, 36_939_443, 374_740),
    ("icnet", {"form": "mmseg", "backbone": "resnet18"}, 25_174_393 - 300_326, 300_326),
    ("erfnet", {}, 2_066_642 - 2_451, 2_451),
]


@pytest.mark.parametrize(("name", "arguments", "needed", "added"), COUNTED)
def test_inference_needs_as_many_parameters_as_counted(
    name: str, arguments: dict[str, str], needed: int, added: int
) -> None:
    network = create_model(name, 19, **arguments)
    assert count_parameters(merge_paths(network)) == needed
    heads = sum(count_parameters(network.get_submodule(part)) for part in network.auxiliary)
    assert heads == added


def test_caffe_s_icnet_has_as_many_with_its_batch_norms_merged() -> None:
    network = create_model("icnet", 19, form="caffe")
    assert count_parameters(merge_paths(network)) == 6_699_987
    assert count_parameters(fold(network)) == 6_685_715
