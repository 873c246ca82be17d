"""What is to be done with each slide of a cohort, and the interface of what does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wsiseg.models.checkpoint import Checkpoint
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.store.disk import Json
from wsiseg.store.outputs import OutputFiles


@dataclass(frozen=True)
class SlideJob:
    """One slide of a cohort, before it is opened.

    Attributes
    ----------
    slide : Path
        The file, folder or URL.
    checkpoint : Checkpoint or path-like or None
        As :func:`wsiseg.segment` takes it.
    options : SegmentOptions
        The settings for this slide.
    folder : Path
        Folder of the masks, the same for all slides.
    name : str
        What its output files are called; that of no other slide.
    number, total : int
        Which slide it is of how many, counted from 1.
    before : str
        The state of its record when the cohort began, see
        :func:`wsiseg.store.manifest.state_of`: what has changed since is another process's work.
    """

    slide: Path
    checkpoint: Checkpoint | Path | str | None
    options: SegmentOptions
    folder: Path
    name: str
    number: int = 1
    total: int = 1
    before: str | None = None

    @property
    def files(self) -> OutputFiles:
        """Paths of its output files."""
        return OutputFiles(self.folder, self.name, self.options.with_image)


@dataclass(frozen=True)
class SlideOutcome:
    """What became of one slide.

    Attributes
    ----------
    job : SlideJob
        What was to be done.
    entry : dict
        As in ``wsiseg segment --json``, whatever the status.
    error : Exception or None
        Why it failed, if it did.
    begun : bool
        Whether it came further than its plan, so that something may be left on the disk.
    """

    job: SlideJob
    entry: Json
    error: Exception | None = None
    begun: bool = False


class Execution(Protocol):
    """Runs the jobs of a cohort; see :class:`wsiseg.segmentation.executing.OneByOne`."""

    def run(self, jobs: Sequence[SlideJob]) -> Iterator[SlideOutcome]:
        """Yield an outcome for each job, in the order in which they end.

        Whatever one slide stumbles over is its outcome, and the others go on.  When interrupted,
        the outcomes of the slides that were under way are yielded before KeyboardInterrupt is
        raised again; when closed, what is under way is given up.

        Parameters
        ----------
        jobs : sequence of SlideJob
            With outputs of different names in one folder, which exists.

        Raises
        ------
        WsisegError
            If no job can be done, as nothing can run the network.
        """
        ...
