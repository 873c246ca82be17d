"""The entries of slides in ``--json`` and ``batch.json`` that are not made by a finished run."""

from __future__ import annotations

from collections.abc import Mapping

from wsiseg.errors import WsisegError
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.slide_jobs import SlideJob
from wsiseg.store.disk import Json
from wsiseg.tiling.slides import slide_name, url_or_path


def named_entry(entry: Json, job: SlideJob) -> Json:
    """Return an entry with the name of its output, where that is not the slide's.

    Parameters
    ----------
    entry : dict
        As in ``wsiseg segment --json``.
    job : SlideJob
        Of the slide.
    """
    return entry if job.name == slide_name(job.slide) else {**entry, "output": job.name}


def describe_error(error: Exception) -> str:
    """Return an error in one line."""
    if isinstance(error, WsisegError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"


def interrupted_entry(job: SlideJob, predictor: Predictor | None) -> Json:
    """Return the entry of a slide that was interrupted, with a hint if it can be resumed.

    Parameters
    ----------
    job : SlideJob
        Of the slide.
    predictor : Predictor or None
        Its runtime, precision and device are named.
    """
    hint = " Continue with `resume`." if job.files.journal.exists() else ""
    return failed_entry(job, predictor, f"interrupted.{hint}", status="interrupted")


def passed_entry(job: SlideJob, before: Mapping[str, object] | None, why: str) -> Json:
    """Return the entry of a slide that is passed by, with the figures of the run that made it.

    Parameters
    ----------
    job : SlideJob
        Of the slide.
    before : mapping or None
        Its entry of that run, if there is one.
    why : str
        Why it is passed by; stands among the warnings.
    """
    entry = failed_entry(job, None, "", status="skipped")
    known = {name: value for name, value in (before or {}).items() if name in entry}
    said = known.get("warnings")
    warnings = [*(said if isinstance(said, list) else ()), why]
    own = {"slide": entry["slide"], "status": "skipped", "warnings": warnings, "error": None}
    return {**entry, **known, **own}


def failed_entry(
    job: SlideJob, predictor: Predictor | None, error: str, *, status: str = "failed"
) -> Json:
    """Return the entry of a slide that is not done: the keys of a finished one, without figures.

    Parameters
    ----------
    job : SlideJob
        Of the slide.
    predictor : Predictor or None
        Its runtime, precision and device are named; None if it could not be made.
    error : str
        What went wrong, where, and what to do.
    status : {"failed", "interrupted", "skipped"}
        What became of the slide.

    Returns
    -------
    dict
        Ready for JSON.
    """
    choice = predictor and predictor.choice
    entry: Json = {
        "slide": url_or_path(job.slide),
        "status": status,
        "mask": None,
        "seconds": None,
        "forward_seconds": None,
        "megapixels": None,
        "computed_megapixels": None,
        "mpx_per_s": None,
        "tiles": None,
        "tiles_per_s": None,
        "unread_tiles": None,
        "pixels_without_numbers": None,
        "power_w": None,
        "joules_per_mpx": None,
        "peak_rss_mb": None,
        "memory_mb": None,
        "runtime": choice and choice.runtime,
        "precision": choice and choice.precision,
        "label_agreement": None,
        "device": choice and choice.device,
        "bottleneck": None,
        "classes": [],
        "warnings": [],
        "error": error,
    }
    return named_entry(entry, job)
