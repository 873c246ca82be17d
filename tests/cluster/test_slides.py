"""Slides as tasks: what is recorded of them where the run ends before they do."""

from types import SimpleNamespace

import pytest

pytest.importorskip("distributed", reason="dask.distributed is an extra")

from tiny import tiny_checkpoint
from wsiseg.cluster import slides
from wsiseg.cluster.messages import Began, unanswered
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.slide_jobs import SlideJob, SlideOutcome

WORKER = "tcp://a:1"


@pytest.mark.parametrize("end", [unanswered(), KeyboardInterrupt()])
def test_what_had_ended_and_what_had_begun_is_told(tmp_path, monkeypatch, end):
    path = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    jobs = [
        SlideJob(tmp_path / f"{name}.png", path, SegmentOptions(), tmp_path, name, number, 3)
        for number, name in enumerate("abc", 1)
    ]
    jobs[0].files.run.touch()

    class Desk:
        def __init__(self, cluster, mailbox, task, clerk):
            self.clerk = clerk

        def serve(self, orders):
            first, second, _ = orders
            done = SlideOutcome(first.job, {"status": "ok", "slide": "a.png"})
            self.clerk.ended(first, WORKER, done)
            self.clerk.heard(second, WORKER, Began("a", 1, "cpu", 1, "some"))
            yield from ()
            raise end

    monkeypatch.setattr(slides, "Desk", Desk)
    monkeypatch.setattr(slides, "Mailbox", lambda *_: SimpleNamespace(close=lambda: None))
    runs = slides.SlidesOnCluster(SimpleNamespace(client=None), Listener()).run(jobs)
    assert [next(runs).entry["status"] for _ in range(2)] == ["ok", "interrupted"]
    with pytest.raises(type(end)):
        next(runs)
