"""Where labels change, and what learning it costs."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.annotations.labels import IGNORED
from wsiseg.models import create_model
from wsiseg.models.networks.supervision import LogitsWithBoundaries
from wsiseg.training.boundaries import find_boundaries, find_detail, keep_boundaries
from wsiseg.training.deep_supervision import BoundaryLoss, DeepSupervision
from wsiseg.training.losses.cross_entropy import CrossEntropy


def drawn(*rows: str) -> Tensor:
    """Return labels of one picture; a dot is ignored."""
    return torch.tensor([[[IGNORED if c == "." else int(c) for c in row] for row in rows]])


def marks(found: Tensor) -> list[str]:
    return ["".join("#" if on else "-" for on in row) for row in found[0].tolist()]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["0000", "0000"], ["----", "----"]),
        (["00001111"] * 2, ["--####--"] * 2),
        (["0"] * 4 + ["1"] * 3, ["-", "-", "#", "#", "#", "#", "-"]),
        # What is ignored neither has a boundary nor makes one.
        (["00..11"], ["------"]),
        (["000112.."], ["-#####--"]),
        (["...01..."], ["---##---"]),
        (["1000", "0000", "0000", "0000"], ["###-", "###-", "##--", "----"]),
    ],
)
def test_boundaries_are_four_pixels_wide(labels: list[str], found: list[str]) -> None:
    assert marks(find_boundaries(drawn(*labels))) == found


def test_pictures_of_a_batch_have_their_own() -> None:
    labels = torch.cat([drawn("0000"), drawn("1111"), drawn("0001")])
    assert find_boundaries(labels).any(dim=2).squeeze(1).tolist() == [False, False, True]


def test_labels_are_kept_where_a_boundary_is_sure() -> None:
    boundaries = torch.tensor([0.79, 0.81, 0.99, 0.99]).logit().reshape(1, 1, 1, 4)
    assert torch.equal(keep_boundaries(drawn("012."), boundaries), drawn(".12."))


def test_boundaries_weigh_as_much_as_what_is_none() -> None:
    # Four of sixteen pixels, so that those weigh 3/4 and the others 1/4.
    labels = drawn("0000000011111111")
    assert find_boundaries(labels).sum() == 4
    found = BoundaryLoss()(torch.zeros(1, 1, 1, 16), labels)
    expected = math.log(2) * (4 * 3 / 4 + 12 * 1 / 4) / 16
    assert float(found) == pytest.approx(expected)


def test_boundaries_that_are_found_cost_less() -> None:
    labels = drawn("00001111", "0000111.")
    right = (find_boundaries(labels).float() * 2 - 1).unsqueeze(1) * 10
    assert float(BoundaryLoss()(right, labels)) < 1e-3 < float(BoundaryLoss()(-right, labels))


@pytest.mark.parametrize("labels", [drawn("...."), drawn("0000")])
def test_pictures_without_a_boundary_are_no_trouble(labels: Tensor) -> None:
    logits = torch.randn(1, 1, 1, 4, requires_grad=True)
    loss = BoundaryLoss()(logits, labels)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_boundaries_are_learnt_beside_the_classes_with_the_papers_factors() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 6, 8), generator=random)
    main, auxiliary = (torch.randn(2, 3, 6, 8, generator=random) for _ in range(2))
    boundaries = 4 * torch.randn(2, 1, 6, 8, generator=random)
    loss = CrossEntropy()
    expected = (
        loss(main, labels)
        + 0.4 * loss(auxiliary, labels)
        + 20 * BoundaryLoss()(boundaries, labels)
        + loss(main, keep_boundaries(labels, boundaries))
    )
    found = DeepSupervision(loss, 0.4)(LogitsWithBoundaries((main, auxiliary), boundaries), labels)
    torch.testing.assert_close(found, expected)


def test_every_head_of_pidnet_learns() -> None:
    torch.manual_seed(0)
    network = create_model("pidnet-s", 3).train()
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[:, 20:, 30:] = 2
    DeepSupervision(CrossEntropy(), 1.0)(
        network.supervised(torch.randn(1, 3, 64, 64)), labels
    ).backward()
    for name in ("boundary_head", "auxiliary_head", "head"):
        classifier = network.get_submodule(f"{name}.classifier")
        assert isinstance(classifier, nn.Conv2d)
        assert classifier.weight.grad is not None
        assert classifier.weight.grad.abs().sum() > 0


# As STDC-Seg learns them.


def test_detail_runs_along_the_inner_side_of_the_larger_label() -> None:
    labels = torch.zeros(32, 32, dtype=torch.long)
    labels[8:24, 8:24] = 1
    boundaries = find_detail(labels[None])[0]
    assert set(boundaries.unique().tolist()) == {0, 1}
    rim = torch.zeros_like(labels)
    rim[8:24, 8:24] = 1
    rim[9:23, 9:23] = 0
    assert boundaries[rim == 1].all()
    # Those of strides 2 and 4 come in blocks of 2 and 4 pixels.
    grown = F.max_pool2d(rim[None].float(), 7, 1, 3)[0]
    assert not boundaries[grown == 0].any()


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_picture_of_one_label_has_no_detail(label: int) -> None:
    assert not find_detail(torch.full((1, 16, 24), label)).any()


def test_detail_near_what_nobody_annotated_is_ignored() -> None:
    labels = torch.zeros(32, 32, dtype=torch.long)
    labels[:, 16:] = IGNORED
    boundaries = find_detail(labels[None])[0]
    assert (boundaries[:, 12:] == IGNORED).all()
    assert (boundaries[:, :12] == 0).all()
    assert (find_detail(torch.full((1, 8, 8), IGNORED)) == IGNORED).all()


def test_detail_is_learnt_in_two_channels():
    torch.manual_seed(0)
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[:, 4:12, 4:12] = 1
    main = torch.randn(1, 2, 16, 16)
    wanted = find_detail(labels)
    right = torch.stack([1.0 - wanted, 1.0 * wanted], dim=1) * 20
    loss = DeepSupervision(CrossEntropy(), 1.0)
    classes = float(loss((main,), labels))
    assert float(loss(LogitsWithBoundaries((main,), right), labels)) == pytest.approx(
        classes, abs=1e-3
    )
    assert float(loss(LogitsWithBoundaries((main,), -right), labels)) > classes + 10
