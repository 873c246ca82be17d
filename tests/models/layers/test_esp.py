"""What the pyramid of the ESPNets adds up, against sums written out."""

import pytest
import torch
from torch import nn

from wsiseg.models.layers.convolutions import relu
from wsiseg.models.layers.esp import ESP


def by_hand(module: ESP, x: torch.Tensor, hff: str, *, residual: bool) -> torch.Tensor:
    """Return what goes into the last normalisation."""
    parts = [branch(module.reduce(x)) for branch in module.branches]
    narrow = parts[1].shape[1]
    merged = list(parts)
    for k in range(1, len(parts)):
        if hff == "authors" and k > 1:
            merged[k] = merged[k - 1] + parts[k]
        if hff == "paper":
            merged[k] = merged[k - 1][:, :narrow] + parts[k]
    joined = torch.cat(merged, dim=1)
    return x + joined if residual else joined


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("hff", ["authors", "paper", "off"])
@pytest.mark.parametrize("branches", [2, 4, 5, 8])
def test_sums_are_those_asked_for(branches: int, hff: str, residual: bool) -> None:
    torch.manual_seed(branches)
    module = ESP(64, 64, branches=branches, hff=hff, residual=residual).eval()
    x = torch.randn(2, 64, 9, 12)
    with torch.no_grad():
        expected = module.fuse(by_hand(module, x, hff, residual=residual))
        torch.testing.assert_close(module(x), expected)


def test_branches_double_their_dilation_and_the_first_takes_what_is_left() -> None:
    module = ESP(19, 64, stride=2, branches=5, residual=False)
    assert [b.dilation[0] for b in module.branches] == [1, 2, 4, 8, 16]
    assert [b.out_channels for b in module.branches] == [16, 12, 12, 12, 12]
    assert module(torch.randn(2, 19, 8, 10)).shape == (2, 64, 4, 5)


def test_one_branch_is_a_pyramid_as_well() -> None:
    for hff in ("authors", "paper", "off"):
        assert ESP(6, 6, branches=1, hff=hff)(torch.randn(2, 6, 4, 4)).shape == (2, 6, 4, 4)


def test_reduction_and_activation_are_those_asked_for() -> None:
    module = ESP(12, 12, kernel=3, branches=4, activation=relu)
    assert module.reduce.kernel_size == (3, 3)
    assert not [m for m in module.modules() if isinstance(m, nn.PReLU)]
    assert ESP(12, 24, kernel=1, stride=2, residual=False).reduce.kernel_size == (3, 3)
