"""The page of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wsiseg.classes import distinct_colour
from wsiseg.error_translation import translate_errors
from wsiseg.errors import OutputError, WsisegError
from wsiseg.quantities import square_millimetres
from wsiseg.report.charts import stacked, step_chart
from wsiseg.report.pages import fill, flatten, raw_json
from wsiseg.report.pictures import jpeg, ramp
from wsiseg.report.repeating import begun_in, repeating_command, unknown_settings
from wsiseg.report.runs import Run, as_mapping
from wsiseg.report.sights import Sights, css_colour, see
from wsiseg.report.timing import STEPS, Timing, time_tiles
from wsiseg.throughput.recorder import TileRow, rows_from_csv
from wsiseg.throughput.summary import ADVICE, STAGES
from wsiseg.tiling.slides.pixels import Pixels

_RAMP = ((255, 243, 196), (250, 178, 84), (222, 90, 62), (150, 32, 83), (60, 10, 76))
"""From fast to slow; each is darker than the one before, so that it shows without colours, too."""

_NEUTRAL = "#8a8f98"
"""Of classes of which nothing tells names and colours."""

_STAGE_NAMES = {
    "reading": "waiting for pixels",
    "network": "network",
    "stitching": "stitching",
    "writing": "writing",
    "setup": "start-up of the network",
    "other": "planning and the rest",
}

_TILE_STAGES = {
    "read": "reading, in threads of its own",
    "forward": "network",
    "stitch": "stitching",
    "write": "waiting for the disk",
    "wait": "waiting for pixels",
}

Note = Callable[[str], None]


@dataclass(frozen=True)
class Area:
    """A class and how much there is of it.

    Attributes
    ----------
    name : str
        As users read it.
    colour : str
        Of CSS.
    pixels : int
        In the mask.
    mm2 : float or None
        None if the resolution is unknown.
    share : float or None
        Of what was analysed.
    """

    name: str
    colour: str
    pixels: int
    mm2: float | None
    share: float | None


@dataclass(frozen=True)
class RunPage:
    """A page, and what a cohort's table says of it.

    Attributes
    ----------
    text : str
        The page.
    run : Run
        What it is about.
    areas : list of Area
        Of the classes.
    thumb : str or None
        A small picture.
    notes : tuple of str
        What the page lacks: sentences.
    """

    text: str
    run: Run
    areas: list[Area]
    thumb: str | None
    notes: tuple[str, ...] = ()


def make_run_page(run: Run, slides: Path | None = None, cohort: str | None = None) -> RunPage:
    """Return the page of a run.

    Parameters
    ----------
    run : Run
        Finished or not.
    slides : Path, optional
        A folder in which slides are looked for, too.
    cohort : str, optional
        Name of the file of the cohort's page in the same folder.
    """
    notes: list[str] = []
    content = run.content or {}
    sights = None if run.content is None else see(run, slides, notes.append)
    areas = _areas(run, sights, notes.append)
    timing = _timing(run, notes.append)
    last_tiles = _tiles_of_last_part(run)
    resumed = was_resumed(run) or bool(run.content and timing and timing.resumed)
    chart = None
    if timing is not None:
        # Of an unfinished run nothing tells them, of a resumed one only those of its last part.
        whole = run.entry if run.content and not resumed else {}
        chart = step_chart(timing, _figure(whole.get("seconds")), _figure(whole.get("mpx_per_s")))
    if run.content is not None:
        notes += [
            f"the setting {name} is not one of this version, and not in the command"
            for name in unknown_settings(run)
        ]
    text = fill(
        "run.html.jinja",
        run=run,
        content=content,
        cohort=cohort,
        notes=notes,
        areas=areas,
        unseen=content.get("not_analysed"),
        progress=_progress(run),
        sights=sights,
        timing=timing,
        resumed=resumed,
        last_tiles=last_tiles,
        chart=chart,
        heat=_heat(timing, sights),
        stages=_stages(content.get("shares"), run.entry.get("seconds")),
        tile_stages=_TILE_STAGES,
        bottleneck=STAGES.get(str(run.entry.get("bottleneck"))),
        advice=ADVICE.get(str(run.entry.get("bottleneck")), ()),
        power=_power(content, run.entry),
        checkpoint=_checkpoint_name(run),
        mpp=_working_mpp(run),
        command=None if run.content is None else repeating_command(run),
        begun_in=None if run.content is None else begun_in(run),
        provenance=list(_provenance(run)),
        raw=raw_json(run.content),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return RunPage(text, run, areas, None if sights is None else sights.thumb, tuple(notes))


def was_resumed(run: Run) -> bool:
    """Tell whether the time of a run is that of its last part alone.

    Parameters
    ----------
    run : Run
        Finished or not.
    """
    analysed = _figure(run.entry.get("megapixels"))
    return _tiles_of_last_part(run) is not None or _is_less(run, "mpx_per_s", analysed)


def _checkpoint_name(run: Run) -> str | None:
    """Return what users call the checkpoint, without the folders it lies in."""
    names = (run.checkpoint.get(key) for key in ("source", "path", "architecture"))
    named = next((each for each in names if isinstance(each, str) and each), None)
    return None if named is None else named.rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def _working_mpp(run: Run) -> float | None:
    return _figure(as_mapping(run.identity.get("plane")).get("mpp"))


def _areas(run: Run, sights: Sights | None, note: Note) -> list[Area]:
    """Return the areas as the run file has them, or as far as an unfinished run has come."""
    colours = _colours(run, sights)
    entries = run.entry.get("classes") or [] if run.content is not None else []
    if not entries and run.done:
        counts = np.sum([record.counts for record in run.done], axis=0).tolist()
        names = [str(each["name"]) for each in _classes(run) if "name" in each]
        if len(names) != len(counts):
            note(
                "the journal of an unfinished run does not name the classes, and nothing else in "
                "the folder does; they are numbered here, without colours"
            )
            names = [f"class {index}" for index in range(len(counts))]
            colours = dict.fromkeys(names, _NEUTRAL)
        mpp = _working_mpp(run)
        entries = [
            {"name": name, "pixels": n, "mm2": square_millimetres(n, mpp)}
            for name, n in zip(names, counts, strict=True)
        ]
    whole = sum(int(entry["pixels"]) for entry in entries)
    return [
        Area(
            name=str(entry["name"]),
            colour=colours.get(str(entry["name"]), css_colour(distinct_colour(index))),
            pixels=int(entry["pixels"]),
            mm2=_figure(entry["mm2"]),
            share=int(entry["pixels"]) / whole if whole else None,
        )
        for index, entry in enumerate(entries)
    ]


def _colours(run: Run, sights: Sights | None) -> dict[str, str]:
    """Return the colours of the mask's classes by name; those of the checkpoint without a mask."""
    found = {}
    for each in _classes(run):
        name, colour = each.get("name"), each.get("colour")
        if isinstance(colour, list) and len(colour) == 3 and set(colour) <= set(range(256)):
            found[str(name)] = css_colour(tuple(colour))
    return found | {layer.name: layer.colour for layer in (sights.layers if sights else ())}


def _classes(run: Run) -> list[Mapping[str, Any]]:
    """Return the classes that the checkpoint has, as far as the file that tells is in order."""
    classes = run.checkpoint.get("classes")
    return list(map(as_mapping, classes)) if isinstance(classes, list) else []


def _timing(run: Run, note: Note) -> Timing | None:
    """Return what the tiles tell: those of the table, or of an unfinished run's journal."""
    rows: list[TileRow]
    try:
        with translate_errors(
            lambda why: OutputError(f"the table of tiles cannot be read: {why}", run.files.tiles)
        ):
            if run.content is None:
                by_index = {row.index: row for record in run.done for row in record.rows}
                rows = [by_index[index] for index in sorted(by_index)]
            else:
                rows = rows_from_csv(run.files.tiles)
            return time_tiles(
                rows,
                run.identity,
                batch=run.part("plan").get("batch") or 1,
                megapixels=_megapixels(run),
                analysed=None if run.content else [record.box for record in run.done],
                last=_tiles_of_last_part(run),
            )
    except WsisegError as error:
        note(f"times are left out: {error}")
        return None


def _megapixels(run: Run) -> float | None:
    """Return what a run has analysed, an unfinished one so far."""
    if run.content is not None:
        return _figure(run.entry.get("megapixels"))
    return sum(sum(record.counts) for record in run.done) / 1e6


def _tiles_of_last_part(run: Run) -> int | None:
    """Return how many tiles were done after a finished run was resumed; None if it was all."""
    tiles = _figure(run.entry.get("tiles"))
    if not _is_less(run, "tiles_per_s", tiles):
        return None
    return round(float(run.entry["tiles_per_s"]) * float(run.entry["seconds"]))


def _is_less(run: Run, rate: str, whole: float | None) -> bool:
    """Tell whether what a finished run did in its time, by a rate, is less than all of it."""
    seconds, each = _figure(run.entry.get("seconds")), _figure(run.entry.get(rate))
    if run.content is None or seconds is None or each is None or whole is None:
        return False
    # Rates and seconds have three digits after the point.
    return each * seconds + 0.0006 * (seconds + each) < whole


def _heat(timing: Timing | None, sights: Sights | None) -> dict[str, object] | None:
    """Return the heat map over a pale slide."""
    if timing is None:
        return None
    height, width = timing.heat.shape
    return {
        "height": height,
        "width": width,
        "picture": ramp(timing.heat, _interpolated()),
        "base": None if sights is None or sights.base is None else jpeg(_pale(sights.base)),
        "ramp": ", ".join(css_colour(colour) for colour in _RAMP),
    }


def _interpolated() -> list[tuple[int, int, int]]:
    places = np.linspace(0, len(_RAMP) - 1, STEPS)
    channels = [np.interp(places, range(len(_RAMP)), values) for values in zip(*_RAMP, strict=True)]
    red, green, blue = (channel.round().astype(int).tolist() for channel in channels)
    return list(zip(red, green, blue, strict=True))


def _pale(base: Pixels) -> Pixels:
    picture = Image.fromarray(base).convert("L")
    picture.thumbnail((400, 400))
    return np.repeat(np.asarray(picture)[..., None], 3, axis=2)


def _stages(shares: object, seconds: object) -> list[dict[str, object]]:
    """Return the stages of a run with their shares, and where their parts of the bar are."""
    if not isinstance(shares, Mapping):
        return []
    known = {key: _figure(shares.get(key)) or 0.0 for key in _STAGE_NAMES}
    whole = _figure(seconds)
    return [
        {
            "key": key,
            "name": _STAGE_NAMES[key],
            "share": share,
            "seconds": None if whole is None else share * whole,
            "begin": begin,
            "width": width,
        }
        for (key, share), (begin, width) in zip(
            known.items(), stacked(list(known.values())), strict=True
        )
    ]


def _power(content: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, object] | None:
    """Return watts, joules, joules a megapixel, and of what; None where nothing was measured."""
    measured = as_mapping(content.get("power"))
    watts, seconds = _figure(content.get("power_w")), _figure(entry.get("seconds"))
    if watts is None or seconds is None:
        return None
    joules = _figure(measured.get("joules")) or watts * seconds
    probes = as_mapping(measured.get("probes")).values()
    covers = ", ".join(str(as_mapping(probe).get("covers", "")) for probe in probes)
    per_mpx = _figure(measured.get("joules_per_mpx"))
    return {"w": watts, "j": joules, "j_per_mpx": per_mpx, "covers": covers}


def _progress(run: Run) -> float | None:
    """Return how much of its plane an unfinished run has done."""
    windows = run.identity.get("windows")
    if run.content is not None or not isinstance(windows, list):
        return None
    try:
        whole = sum(window["height"] * window["width"] for window in windows)
    except (LookupError, TypeError):
        return None
    return sum(record.box.area for record in run.done) / whole if whole else None


def _provenance(run: Run) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the tables of what a run depends on."""
    content = run.content or {}
    identity = {key: value for key, value in run.identity.items() if key != "windows"}
    tables = {
        "Settings": content.get("settings"),
        "Slide": content.get("slide"),
        "Checkpoint": content.get("checkpoint"),
        "Plan": content.get("plan"),
        "What the pixels depend on": identity,
        "Versions": content.get("versions"),
        "Hardware": content.get("hardware"),
    }
    for title, table in tables.items():
        if isinstance(table, Mapping) and table:
            yield title, list(flatten(table))


def _figure(value: object) -> float | None:
    """Return a number as it is, or None for anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
