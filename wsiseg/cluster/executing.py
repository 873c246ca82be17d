"""Executing the jobs of a cohort on a cluster, in the shape that suits the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from wsiseg.cluster.bands import fill_on_cluster
from wsiseg.cluster.choosing import ChosenByWorkers
from wsiseg.cluster.slides import SlidesOnCluster
from wsiseg.cluster.workforce import Workforce
from wsiseg.segmentation.executing import OneByOne
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.slide_jobs import SlideJob, SlideOutcome


class OnCluster:
    """Runs jobs on a cluster: a slide each, or bands of one slide after the other.

    Parameters
    ----------
    cluster : Workforce
        Connected and checked.
    listener : Listener
        Receives the events of the run.
    """

    def __init__(self, cluster: Workforce, listener: Listener) -> None:
        self._cluster, self._listener = cluster, listener

    def run(self, jobs: Sequence[SlideJob]) -> Iterator[SlideOutcome]:
        """Yield an outcome for each job; see :class:`wsiseg.segmentation.slide_jobs.Execution`.

        Slides are tasks if there are at least as many as workers, so that none of them is idle.
        """
        cluster, listener = self._cluster, self._listener
        if len(jobs) >= max(2, cluster.count()):
            yield from SlidesOnCluster(cluster, listener).run(jobs)
        else:
            chosen = None if cluster.local else ChosenByWorkers(cluster, listener.began)
            yield from OneByOne(listener, partial(fill_on_cluster, cluster), chosen).run(jobs)
