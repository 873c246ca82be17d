"""The files that a run leaves in its folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import OutputError, OutputExistsError
from wsiseg.store.disk import translated
from wsiseg.store.metadata import LABELS, MASK, PAINTED


@dataclass(frozen=True)
class OutputFiles:
    """Paths of everything that belongs to one slide.

    Attributes
    ----------
    folder : Path
        The run's folder.
    name : str
        The slide's name.
    with_image : bool
        Whether the store holds the slide's image with the mask inside.
    """

    folder: Path
    name: str
    with_image: bool = False

    @property
    def store(self) -> Path:
        """The store that users open."""
        return self.folder / f"{self.name}.ome.zarr"

    @property
    def mask(self) -> Path:
        """The mask: the store itself, or a label image inside."""
        return self.store / LABELS / MASK if self.with_image else self.store

    @property
    def probabilities(self) -> Path:
        """The store of probabilities."""
        return self.folder / f"{self.name}.probabilities.ome.zarr"

    @property
    def tiles(self) -> Path:
        """One row per tile."""
        return self.folder / f"{self.name}.tiles.csv"

    @property
    def run(self) -> Path:
        """Everything about the run."""
        return self.folder / f"{self.name}.run.json"

    @property
    def journal(self) -> Path:
        """What of an unfinished run is done."""
        return self.folder / f"{self.name}.journal"

    @property
    def finished(self) -> bool:
        """Whether a finished mask stands."""
        return self.run.is_file() and (self.store / "zarr.json").is_file()

    def check(self) -> None:
        """Refuse a place in which there can be no folder; nothing is made.

        Raises
        ------
        OutputError
            If a file is in the way.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(
                "the output is a file, not a folder", self.folder, "Choose another `output`."
            )

    def prepare(self) -> None:
        """Make the folder.

        Raises
        ------
        OutputError
            If a file is in the way or the folder cannot be made.
        """
        self.check()
        with translated(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def standing(self) -> Path | None:
        """The first of this slide's files that exists, finished or not."""
        every = (self.store, self.probabilities, self.journal, self.run, self.tiles)
        return next((path for path in every if path.exists()), None)

    def remove(self) -> None:
        """Remove whatever stands of this slide.

        Raises
        ------
        OutputExistsError
            If a folder in the way was not written by this package; nothing is removed then.
        """
        stores = [path for path in (self.store, self.probabilities) if path.exists()]
        for path in stores:
            if not (self.journal.exists() or _is_ours(path)):
                raise OutputExistsError(
                    "something that wsiseg has not written is in the way",
                    path,
                    "Choose another `output`.",
                )
        with translated(self.folder):
            for path in stores:
                shutil.rmtree(path)
            for path in (self.tiles, self.run, self.journal):
                path.unlink(missing_ok=True)


def _is_ours(store: Path) -> bool:
    """Tell whether a run of ours wrote a store; what somebody painted is nobody's to replace."""
    try:
        group = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
        return PAINTED not in group["attributes"]["wsiseg"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
