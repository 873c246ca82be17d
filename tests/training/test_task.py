"""What a network that learns boundaries is trained on."""

import torch

from wsiseg.models import create_model
from wsiseg.models.normalisation import IMAGENET
from wsiseg.training.annotations.labels import IGNORED
from wsiseg.training.losses import CrossEntropy
from wsiseg.training.recipes import find_recipe
from wsiseg.training.supervising import DeepSupervision
from wsiseg.training.task import SegmentationTask


def task(name: str) -> SegmentationTask:
    torch.manual_seed(0)
    return SegmentationTask(
        create_model(name, 2),
        IMAGENET,
        find_recipe("plain").stages[-1],
        DeepSupervision(CrossEntropy()),
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
