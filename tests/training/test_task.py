"""What a network that learns boundaries is trained on."""

import pytest
import torch

from lively import lively
from wsiseg.annotations.labels import IGNORED
from wsiseg.models import create_model, list_architectures
from wsiseg.models.normalisation import IMAGENET
from wsiseg.training.deep_supervision import shrink_labels
from wsiseg.training.losses.cross_entropy import CrossEntropy
from wsiseg.training.recipes import RECIPES
from wsiseg.training.task import SegmentationTask


def task(name: str) -> SegmentationTask:
    torch.manual_seed(0)
    return SegmentationTask(
        create_model(name, 2),
        IMAGENET,
        RECIPES["plain"].stages[-1],
        CrossEntropy(),
        steps_per_epoch=lambda _: 1,
        seed=0,
    )


def step(learner: SegmentationTask, labels: torch.Tensor) -> torch.Tensor:
    pixels = torch.randint(0, 256, (*labels.shape, 3), dtype=torch.uint8)
    loss: torch.Tensor = learner.training_step((pixels, labels), 0)
    return loss


def test_boundaries_are_learnt_where_a_network_has_a_head_for_them(monkeypatch) -> None:
    learner = task("stdc1")
    monkeypatch.setattr(learner, "log", lambda *_, **__: None)
    monkeypatch.setattr(SegmentationTask, "global_step", 0)
    labels = torch.zeros(2, 64, 64, dtype=torch.uint8)
    labels[:, 16:48, 16:48] = 1
    step(learner, labels).backward()
    gradient = learner.network.head_detail.classifier.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_nothing_is_learnt_from_what_nobody_annotated(monkeypatch) -> None:
    learner = task("stdc1")
    monkeypatch.setattr(learner, "log", lambda *_, **__: None)
    monkeypatch.setattr(SegmentationTask, "global_step", 0)
    loss = step(learner, torch.full((1, 64, 64), IGNORED, dtype=torch.uint8))
    assert loss == 0


# Of the paper or of the configuration that the network follows; all others 0.4.
AUXILIARY_WEIGHTS = {
    "espnetv2": 1.0,
    "bisenetv1": 1.0,
    "bisenetv2": 1.0,
    "stdc1": 1.0,
    "stdc2": 1.0,
    "pp-liteseg": 1.0,
}


def test_auxiliary_heads_weigh_what_their_papers_say() -> None:
    weights = {a.name: a.network.auxiliary_weight for a in list_architectures()}
    assert weights == dict.fromkeys(weights, 0.4) | AUXILIARY_WEIGHTS


@pytest.mark.parametrize(
    ("name", "arguments", "weight"),
    [
        ("erfnet", {}, 0.4),
        ("fast-scnn", {}, 0.4),
        ("pp-liteseg", {}, 1.0),
        ("espnetv2", {"width": 0.5, "decoder": "standalone"}, 1.0),
    ],
)
def test_training_weighs_each_output_as_the_network_says(
    name: str, arguments: dict[str, object], weight: float, monkeypatch
) -> None:
    monkeypatch.setattr(SegmentationTask, "global_step", 0)
    network, compare = lively(name, 2, **arguments), CrossEntropy()
    learner = SegmentationTask(
        network,
        IMAGENET,
        RECIPES["plain"].stages[-1],
        compare,
        steps_per_epoch=lambda _: 1,
        seed=0,
    ).eval()
    monkeypatch.setattr(learner, "log", lambda *_, **__: None)
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    labels = torch.randint(0, 2, (1, 64, 64))
    with torch.no_grad():
        found = learner.training_step((pixels, labels), 0)
        main, *others = network.supervised(IMAGENET.apply(pixels))
        assert others
        expected = compare(main, labels) + sum(
            weight * compare(logits, shrink_labels(labels, logits.shape[-2:])) for logits in others
        )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
