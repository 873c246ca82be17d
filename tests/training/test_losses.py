"""Losses against numbers by hand, PyTorch's own, and slow direct versions."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.annotations.labels import IGNORED
from wsiseg.models import create_model
from wsiseg.training.deep_supervision import DeepSupervision, shrink_labels
from wsiseg.training.losses.class_weights import inverse_log_weights
from wsiseg.training.losses.cross_entropy import CrossEntropy
from wsiseg.training.losses.dice import Dice
from wsiseg.training.losses.ohem import OhemCrossEntropy
from wsiseg.training.losses.sum import Sum

CLASSES = 4
WEIGHTS = torch.tensor([0.5, 2.0, 1.25, 10.0])

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "cross-entropy": CrossEntropy,
    "weighted cross-entropy": lambda: CrossEntropy(WEIGHTS),
    "hard pixels": lambda: OhemCrossEntropy(threshold=0.3, min_kept=20),
    "weighted hard pixels": lambda: OhemCrossEntropy(WEIGHTS, threshold=0.3, min_kept=20),
    "Dice": Dice,
    "sum": lambda: Sum(CrossEntropy(WEIGHTS), Dice()),
}
every_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES.keys())


def drawn(seed: int = 0, *, ignored: float = 0.3) -> tuple[Tensor, Tensor]:
    """Return logits ``(2, 4, 6, 7)`` that want a gradient, and labels, some of them ignored."""
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, CLASSES, 6, 7, generator=random)
    labels = torch.randint(0, CLASSES, (2, 6, 7), generator=random)
    labels[torch.rand(labels.shape, generator=random) < ignored] = IGNORED
    return logits.requires_grad_(), labels


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, logits)
    return found


def logits_of(*probabilities: list[float]) -> Tensor:
    """Return logits ``(1, C, 1, pixels)`` whose softmax are the given columns."""
    return torch.tensor(probabilities).log().T[None, :, None, :]


@pytest.mark.parametrize(
    ("pixels", "constant", "weights"),
    [
        # 1/ln(1.1 + 1/2), 1/ln(1.1 + 1/4), and the bound for what is not there at all
        ([50, 25, 25, 0], 1.10, [2.12764, 3.33216, 3.33216, 10.49206]),
        ([1, 0], 1.02, [1.42228, 50.49835]),
        ([3, 1], 1.2, [1.49739, 2.69133]),
        ([7], 1.10, [1.34782]),
    ],
)
def test_weights_are_those_by_hand(
    pixels: list[float], constant: float, weights: list[float]
) -> None:
    found = inverse_log_weights(np.array(pixels, float), constant)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, weights, rtol=5e-6)


@pytest.mark.parametrize(("constant", "bound"), [(1.10, 10.4921), (1.02, 50.498), (1.2, 5.4848)])
def test_no_weight_exceeds_the_published_bounds(constant: float, bound: float) -> None:
    pixels = np.array([1e12, 1e6, 1.0, 0.0])
    weights = inverse_log_weights(pixels, constant)
    assert weights.argmax() in (2, 3)
    assert float(weights.max()) == pytest.approx(bound, abs=1e-3)
    assert float(weights.min()) == pytest.approx(1 / math.log(1 + constant), rel=1e-4)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_is_the_mean_of_pytorch(weights: Tensor | None) -> None:
    logits, labels = drawn()
    found = CrossEntropy(weights)(logits, labels)
    expected = F.cross_entropy(logits, labels, weights, ignore_index=IGNORED, reduction="mean")
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient(found, logits), gradient(expected, logits))


def test_cross_entropy_by_hand() -> None:
    logits = logits_of([0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6])
    labels = torch.tensor([[[0, 1, IGNORED]]])
    assert float(CrossEntropy()(logits, labels)) == pytest.approx(
        (math.log(2) + math.log(1.25)) / 2
    )
    weighted = CrossEntropy(torch.tensor([3.0, 1.0, 9.0]))(logits, labels)
    assert float(weighted) == pytest.approx((3 * math.log(2) + math.log(1.25)) / 4)


@every_loss
def test_ignored_pixels_change_nothing(make: Callable[[], nn.Module]) -> None:
    loss = make()
    logits, labels = drawn()
    ignored = (labels == IGNORED).unsqueeze(1)
    assert ignored.any()
    other = torch.where(ignored, logits + 5 * torch.randn_like(logits), logits).detach()
    other.requires_grad_()
    first, second = loss(logits, labels), loss(other, labels)
    torch.testing.assert_close(first, second)
    here, there = gradient(first, logits), gradient(second, other)
    torch.testing.assert_close(here, there)
    assert (here[ignored.expand_as(here)] == 0).all()
    assert (here != 0).any()


@every_loss
def test_a_batch_of_nothing_but_ignored_pixels_teaches_nothing(
    make: Callable[[], nn.Module],
) -> None:
    logits, labels = drawn()
    loss = make()(logits, torch.full_like(labels, IGNORED))
    assert loss.shape == ()
    assert loss.item() == 0
    assert (gradient(loss, logits) == 0).all()


@every_loss
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_gradients_are_finite_and_point_downhill(
    make: Callable[[], nn.Module], size: float
) -> None:
    logits, labels = drawn()
    logits = (logits.detach() * size).requires_grad_()
    loss = make()(logits, labels)
    slope = gradient(loss, logits)
    assert loss.isfinite()
    assert slope.isfinite().all()
    if size == 1.0:
        assert make()(logits - 0.1 * slope, labels) < loss


@every_loss
def test_being_right_costs_less_than_being_wrong(make: Callable[[], nn.Module]) -> None:
    labels = torch.randint(0, CLASSES, (2, 5, 5), generator=torch.Generator().manual_seed(3))
    right = 20 * F.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
    assert 0 <= float(make()(right, labels)) < 1e-6
    assert float(make()(right.roll(1, dims=1), labels)) > 0.9


def hard_pixels(
    logits: Tensor, labels: Tensor, weights: Tensor, threshold: float, kept: int
) -> float:
    """Sort all pixels by how sure the network is of their own class, and take the least sure."""
    found = []
    for b, y, x in (labels != IGNORED).nonzero().tolist():
        label = int(labels[b, y, x])
        own = logits[b, :, y, x].softmax(0)[label].item()
        found.append((own, -math.log(own) * float(weights[label])))
    found.sort()
    below = [loss for own, loss in found if own < threshold]
    taken = below if len(below) >= kept else [loss for _, loss in found[:kept]]
    return sum(taken) / len(taken)


@pytest.mark.parametrize("kept", [1, 10, 40, 1000])
@pytest.mark.parametrize("threshold", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_hard_pixels_are_those_of_a_slow_direct_version(
    weights: Tensor | None, threshold: float, kept: int
) -> None:
    for seed in range(3):
        logits, labels = drawn(seed)
        expected = hard_pixels(
            logits, labels, torch.ones(CLASSES) if weights is None else weights, threshold, kept
        )
        found = OhemCrossEntropy(weights, threshold=threshold, min_kept=kept)(logits, labels)
        assert found.item() == pytest.approx(expected, rel=1e-5)


def test_which_pixels_are_hard() -> None:
    logits = logits_of([0.95, 0.05], [0.3, 0.7], [0.6, 0.4], [0.85, 0.15]).requires_grad_()
    labels = torch.zeros(1, 1, 4, dtype=torch.long)

    def taught(threshold: float, kept: int) -> list[bool]:
        slope = gradient(
            OhemCrossEntropy(threshold=threshold, min_kept=kept)(logits, labels), logits
        )
        return (slope[0, 0, 0] != 0).tolist()

    assert taught(0.7, 1) == [False, True, True, False]
    assert taught(0.7, 3) == [False, True, True, True]
    assert taught(0.1, 1) == [False, True, False, False]
    assert taught(0.9, 2) == [False, True, True, True]
    # Even if asked for none, so that there is something to take the mean of.
    assert taught(0.1, 0) == [False, True, False, False]


def test_a_pixel_exactly_at_the_threshold_is_easy() -> None:
    logits = torch.zeros(1, 2, 1, 3)
    logits[0, 0, 0, 0] = -1
    labels = torch.zeros(1, 1, 3, dtype=torch.long)
    loss = OhemCrossEntropy(threshold=0.5, min_kept=1)(logits, labels)
    assert loss.item() == pytest.approx(math.log(1 + math.e))


@pytest.mark.parametrize(
    ("columns", "labels", "expected"),
    [
        # all right; half sure everywhere; class 1 is not there, so only class 0 counts
        ([[1.0, 1e-9], [1e-9, 1.0]], [0, 1], 0.0),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1], 0.5),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 0], 1 - 2 * 1.0 / (1.0 + 2)),
        ([[0.75, 0.25], [0.5, 0.5]], [0, IGNORED], 1 - 2 * 0.75 / (0.75 + 1)),
        (
            [[0.8, 0.2], [0.4, 0.6], [0.9, 0.1]],
            [0, 1, 1],
            1 - (2 * 0.8 / (2.1 + 1) + 2 * 0.7 / (0.9 + 2)) / 2,
        ),
    ],
)
def test_dice_by_hand(columns: list[list[float]], labels: list[int], expected: float) -> None:
    loss = Dice()(logits_of(*columns), torch.tensor([[labels]]))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_dice_counts_a_batch_as_one_picture() -> None:
    logits, labels = drawn()
    wide = torch.cat(list(logits), dim=2)[None], torch.cat(list(labels), dim=1)[None]
    torch.testing.assert_close(Dice()(logits, labels), Dice()(*wide))


def test_losses_add_up() -> None:
    logits, labels = drawn()
    one, two = CrossEntropy(WEIGHTS), Dice()
    both = Sum(one, two)(logits, labels)
    assert both.item() == pytest.approx(one(logits, labels).item() + two(logits, labels).item())


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_labels_are_reduced_to_those_in_the_middle(factor: int) -> None:
    random = torch.Generator().manual_seed(factor)
    labels = torch.randint(0, 256, (2, 5 * factor, 3 * factor), generator=random)
    reduced = shrink_labels(labels, (5, 3))
    assert reduced.dtype == torch.int64
    middle = torch.arange(5) * factor + factor // 2
    across = torch.arange(3) * factor + factor // 2
    assert torch.equal(reduced, labels[:, middle][:, :, across])


@pytest.mark.parametrize("shape", [(1, 1), (4, 9), (7, 7), (20, 15)])
def test_reducing_invents_no_class(shape: tuple[int, int]) -> None:
    values = torch.tensor([0, 3, 200, IGNORED])
    random = torch.Generator().manual_seed(1)
    labels = values[torch.randint(0, 4, (3, 20, 15), generator=random)]
    reduced = shrink_labels(labels, shape)
    assert reduced.shape == (3, *shape)
    assert set(reduced.unique().tolist()) <= set(values.tolist())


def test_deep_supervision_weighs_every_output_against_its_own_labels() -> None:
    main, labels = drawn()
    auxiliary = torch.randn(2, CLASSES, 3, 3, requires_grad=True)
    loss = DeepSupervision(CrossEntropy(), 0.4)((main, auxiliary), labels)
    small = labels[:, 1::2, [1, 3, 5]]
    expected = F.cross_entropy(main, labels, ignore_index=IGNORED) + 0.4 * F.cross_entropy(
        auxiliary, small, ignore_index=IGNORED
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert (gradient(loss, auxiliary) != 0).any()


def test_cascade_of_icnet_is_weighed_as_its_authors_weighed_it() -> None:
    """Zhao et al., ECCV 2018, §3.4: 1/4, 1/8 and 1/16 with 1, 0.4 and 0.4, on reduced labels."""
    labels = torch.randint(0, CLASSES, (2, 64, 32), generator=torch.Generator().manual_seed(3))
    network = create_model("icnet", CLASSES, backbone="resnet18").eval()
    with torch.no_grad():
        outputs = network.supervised(torch.randn(2, 3, 64, 32))
    assert [tuple(logits.shape[2:]) for logits in outputs] == [(16, 8), (8, 4), (4, 2)]
    expected = sum(
        weight * F.cross_entropy(logits, labels[:, half::step, half::step])
        for weight, logits, step in zip((1.0, 0.4, 0.4), outputs, (4, 8, 16), strict=True)
        for half in (step // 2,)
    )
    loss = DeepSupervision(CrossEntropy(), network.auxiliary_weight)
    assert float(loss(outputs, labels)) == pytest.approx(float(expected))


@pytest.mark.parametrize("loss", [CrossEntropy(WEIGHTS), OhemCrossEntropy(WEIGHTS)])
def test_weights_move_with_the_loss_but_are_no_part_of_a_checkpoint(loss: nn.Module) -> None:
    assert not loss.state_dict()
    assert loss.double().get_buffer("weights").dtype == torch.float64
