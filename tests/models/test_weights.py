"""Strict loading, and weights too small to matter."""

import pytest
import torch
from torch import nn

from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models.weights import flush_subnormals, load_strictly


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def test_matching_tensors_are_copied_bit_for_bit() -> None:
    source, target = layers(), layers()
    for value in source.state_dict().values():
        value.add_(1)
    load_strictly(target, source.state_dict())
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value), key


def test_batch_norm_counters_may_be_left_out() -> None:
    state = {k: v + 1 for k, v in layers().state_dict().items() if "num_batches" not in k}
    target = layers()
    load_strictly(target, state)
    assert torch.equal(target.state_dict()["1.running_mean"], state["1.running_mean"])


def test_missing_tensor_is_named() -> None:
    state = layers().state_dict()
    del state["1.running_var"]
    with pytest.raises(WeightsMismatchError, match=r"1 missing: 1\.running_var"):
        load_strictly(layers(), state)


def test_tensor_left_over_is_named() -> None:
    state = {**layers().state_dict(), "head.weight": torch.zeros(1)}
    with pytest.raises(WeightsMismatchError, match=r"1 left over: head\.weight"):
        load_strictly(layers(), state)


def test_tensor_of_another_shape_is_named_with_both_shapes() -> None:
    state = {**layers().state_dict(), "2.bias": torch.zeros(5)}
    with pytest.raises(WeightsMismatchError, match=r"2\.bias is \(5,\) instead of \(2,\)"):
        load_strictly(layers(), state)


def test_all_complaints_are_told_and_long_lists_cut() -> None:
    state = {f"extra{i}": torch.zeros(1) for i in range(9)} | {"2.bias": torch.zeros(5)}
    with pytest.raises(WeightsMismatchError) as caught:
        load_strictly(layers(), state, "weights.safetensors")
    text = str(caught.value)
    assert "7 missing: 0.bias, 0.weight, 1.bias, …" in text
    assert "9 left over: extra0, extra1, extra2, …" in text
    assert "extra3" not in text
    assert "1 of another shape" in text
    assert "(weights.safetensors)" in text
    assert isinstance(caught.value, CheckpointError)


def test_nothing_is_copied_when_something_does_not_fit() -> None:
    target = layers()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    state = {key: value + 1 for key, value in before.items()}
    del state["2.bias"]
    with pytest.raises(WeightsMismatchError):
        load_strictly(target, state)
    for key, value in target.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_tiny_values_become_zero_and_all_others_stay() -> None:
    values = torch.tensor([1e-45, -3e-39, 9e-31, -9e-31, 0.0, 1.1e-30, -2e-30, 1.0, -5.0])
    flushed = flush_subnormals({"weight": values})["weight"]
    assert flushed.tolist() == [0.0] * 5 + values[5:].tolist()
    assert flushed.dtype == values.dtype


def test_flushing_leaves_variances_counters_and_the_source_alone() -> None:
    state = {
        "norm.running_var": torch.tensor([5.6e-45, 1.0]),
        "norm.num_batches_tracked": torch.tensor(7),
        "weight": torch.tensor([1e-40]),
    }
    flushed = flush_subnormals(state)
    assert torch.equal(flushed["norm.running_var"], state["norm.running_var"])
    assert flushed["norm.running_var"][0] > 0
    assert flushed["norm.num_batches_tracked"].dtype == torch.int64
    assert int(flushed["norm.num_batches_tracked"]) == 7
    assert state["weight"][0] > 0


def test_not_a_number_is_kept_and_not_hidden() -> None:
    flushed = flush_subnormals({"weight": torch.tensor([torch.nan, torch.inf])})["weight"]
    assert flushed[0].isnan()
    assert flushed[1].isinf()
