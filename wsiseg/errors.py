"""Every failure that a user can cause or meet.

::

    WsisegError
    ├── SlideError                 a slide cannot be used
    │   ├── SlideNotFoundError     no such file                        (FileNotFoundError)
    │   ├── UnknownFormatError     no reader takes it                  (ValueError)
    │   │   └── UnsuitableSlideError   known, and no slide: a stack, a mask, a thumbnail
    │   │       └── DarkFieldError     it looks like fluorescence
    │   ├── DamagedSlideError      a reader takes it, its data are bad (OSError)
    │   └── ResolutionError        its mpp is missing or absurd        (ValueError)
    │       └── FarResolutionError     it is far from the checkpoint's
    ├── AddressError               no such bucket, no access, no network
    ├── StainError                 its stains, or a reference for them, are unusable (ValueError)
    ├── TooManyBadTilesError       more unreadable tiles than allowed  (OSError)
    ├── BadNumbersError            a network's output is not finite    (ArithmeticError)
    ├── AnnotationError            a file of polygons or a mask is unusable     (ValueError)
    ├── DataSetError               training data are missing or do not fit      (ValueError)
    ├── TrainingError              training cannot begin or go on               (RuntimeError)
    ├── CheckpointError            a checkpoint is missing or unusable (ValueError)
    │   └── WeightsMismatchError   tensors do not fit the architecture (ValueError)
    ├── UnknownArchitectureError   no network of that name             (ValueError)
    ├── ArgumentError              a value that is invalid         (ValueError)
    ├── RuntimeUnavailableError    what should run the network is not installed or not able
    ├── MemoryBudgetError          no plan fits the memory budget      (MemoryError)
    ├── ClusterError               a scheduler or its workers cannot be used    (ConnectionError)
    ├── OutputExistsError          the output already exists           (FileExistsError)
    │   └── OutputHeldError        another run is writing it
    └── OutputError                writing failed                      (OSError)

Each carries *what* went wrong, *where*, and a *hint* what to do about it; printed as
``WHAT (WHERE). HINT``.  Parameters stand between backticks, `slide_mpp` or `level=0`; the command
line prints its options in their place.  This module is the one leaf that all rooms share: it
imports nothing.
"""

from __future__ import annotations

__all__ = [
    "AddressError",
    "AnnotationError",
    "ArgumentError",
    "BadNumbersError",
    "CheckpointError",
    "ClusterError",
    "DamagedSlideError",
    "DarkFieldError",
    "DataSetError",
    "FarResolutionError",
    "MemoryBudgetError",
    "OutputError",
    "OutputExistsError",
    "OutputHeldError",
    "ResolutionError",
    "RuntimeUnavailableError",
    "SlideError",
    "SlideNotFoundError",
    "StainError",
    "TooManyBadTilesError",
    "TrainingError",
    "UnknownArchitectureError",
    "UnknownFormatError",
    "UnsuitableSlideError",
    "WeightsMismatchError",
    "WsisegError",
]


class WsisegError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    what : str
        What went wrong, without a full stop.
    where : object, optional
        The file, option or tensor it is about.
    hint : str, optional
        What the user can do, as a full sentence.
    """

    def __init__(self, what: str, where: object = None, hint: str | None = None) -> None:
        super().__init__(what, where, hint)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = "" if self.where is None else f" ({self.where})"
        advice = "" if self.hint is None else f" {self.hint}"
        return " ".join(f"{self.what}{place}.{advice}".split())


class SlideError(WsisegError):
    """A slide cannot be used."""


class SlideNotFoundError(SlideError, FileNotFoundError):
    """There is no such file."""


class UnknownFormatError(SlideError, ValueError):
    """No reader takes the file."""


class UnsuitableSlideError(UnknownFormatError):
    """The file is of a known kind, and holds no slide to be segmented."""


class DarkFieldError(UnsuitableSlideError):
    """A slide looks like fluorescence or dark field; `force` goes on all the same."""


class DamagedSlideError(SlideError, OSError):
    """The file is of a known kind, but its data cannot be read."""


class ResolutionError(SlideError, ValueError):
    """The slide's µm per pixel is missing or outside what a microscope gives."""


class FarResolutionError(ResolutionError):
    """A resolution is far from the checkpoint's; `force` goes on all the same."""


class AddressError(WsisegError):
    """What lies behind an address is not reached: no such bucket, no access, no network."""


class StainError(WsisegError, ValueError):
    """A slide's stains cannot be found, or a reference for them cannot be used."""


class TooManyBadTilesError(WsisegError, OSError):
    """More tiles were unreadable than the user allowed."""


class BadNumbersError(WsisegError, ArithmeticError):
    """A network gave NaN or infinity, and the user did not want such pixels left out."""


class AnnotationError(WsisegError, ValueError):
    """A file of polygons, a painted mask or a tissue mask cannot be used."""


class DataSetError(WsisegError, ValueError):
    """Pictures and labels to train on or to score are missing, or do not fit each other."""


class TrainingError(WsisegError, RuntimeError):
    """Training cannot begin, or cannot go on."""


class CheckpointError(WsisegError, ValueError):
    """A checkpoint is missing, damaged or of another kind."""


class WeightsMismatchError(CheckpointError):
    """Tensors are missing, left over or of another shape than the architecture wants."""


class UnknownArchitectureError(WsisegError, ValueError):
    """No network is registered under that name."""


class ArgumentError(WsisegError, ValueError):
    """An argument has a value that is invalid."""


class RuntimeUnavailableError(WsisegError, RuntimeError):
    """The runtime, device or precision that was asked for is not there."""


class MemoryBudgetError(WsisegError, MemoryError):
    """No way of cutting the work fits the memory budget."""


class ClusterError(WsisegError, ConnectionError):
    """A scheduler does not answer, or its workers cannot do the work."""


class OutputExistsError(WsisegError, FileExistsError):
    """The output already exists and may not be replaced."""


class OutputHeldError(OutputExistsError):
    """Another run is writing the output."""


class OutputError(WsisegError, OSError):
    """The output cannot be written."""
