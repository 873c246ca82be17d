"""Figures of :func:`wsiseg.throughput.bench.bench` as tables, and beside earlier ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wsiseg.csv_tables import to_csv
from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError
from wsiseg.text import plural
from wsiseg.throughput.kernel_counters import counters_of

Result = Mapping[str, Any]

COLUMNS = (
    "name",
    "width",
    "height",
    "batch",
    "fps",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "mpx_per_s",
    "macs",
    "parameters",
    "size_mb",
    "miou",
    "share_of_matrix_rate",
    "power_w",
    "joules_per_mpx",
    "utilisation",
    "clock_mhz",
    "cpu_utilisation",
    "clock_sensitivity",
    "warp_execution_efficiency",
    "memory_efficiency",
    "runtime",
    "device",
    "precision",
    "threads",
    "runs",
    "times_as_fast",
)
"""Of tables: a row for each network and size."""


def rows(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    """Yield a row for each network and size, by :data:`COLUMNS`.

    Parameters
    ----------
    results : sequence of mapping
        What :func:`wsiseg.throughput.bench.bench` returned.
    """
    for result in results:
        for size in result["sizes"]:
            latencies = {f"{key}_ms": value for key, value in size["latency_ms"].items()}
            # Counters are those of the first size.
            counters = counters_of(result) if size is result["sizes"][0] else {}
            every = {**counters, **result, **size, **latencies}
            yield {column: every.get(column) for column in COLUMNS}


def as_text(results: Sequence[Result], suffix: str) -> str:
    """Return a table as the content of a file.

    Parameters
    ----------
    results : sequence of mapping
        What :func:`wsiseg.throughput.bench.bench` returned.
    suffix : {".json", ".csv", ".md"}
        JSON holds everything and can be compared with later.
    """
    if suffix == ".json":
        return json.dumps({"results": list(results)}, indent=2) + "\n"
    table = [list(row.values()) for row in rows(results)]
    if suffix == ".csv":
        return to_csv(COLUMNS, table)
    lines = [COLUMNS, ["---"] * len(COLUMNS), *table]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|")


def describe(results: Sequence[Result]) -> Iterator[str]:
    """Yield the figures as lines that a person reads.

    Parameters
    ----------
    results : sequence of mapping
        What :func:`wsiseg.throughput.bench.bench` returned.
    """
    width = max(len(str(result["name"])) for result in results)
    yield (
        f"{'':{width}}  {'size':>9}  {'a second':>9}  {'Mpx/s':>7}  {'p50 ms':>8}  {'p99 ms':>8}  "
        f"{'of matrix':>9}  {'J/Mpx':>7}"
    )
    for row in rows(results):
        energy = "-" if row["joules_per_mpx"] is None else f"{row['joules_per_mpx']:.3f}"
        faster = row["times_as_fast"]
        yield (
            f"{row['name']:{width}}  {row['width']:>4}×{row['height']:<4}  {row['fps']:>9.2f}  "
            f"{row['mpx_per_s']:>7.2f}  {row['p50_ms']:>8.1f}  {row['p99_ms']:>8.1f}  "
            f"{row['share_of_matrix_rate']:>9.0%}  {energy:>7}"
            + ("" if faster is None else f"  {faster:.2f} times as fast")
        )
    first = results[0]
    yield (
        f"{first['runtime']} in {first['precision']} on {first['device']}, "
        f"{plural(first['threads'], 'thread')}, {first['runs']} runs of "
        f"{first['batch']}; matrices are multiplied at {first['matrix_gflops']:g} GFLOP/s"
    )
    for result in results:
        yield from _describe_clocks(result)
        yield from _describe_kernels(result)
    if all(row["joules_per_mpx"] is None for row in rows(results)):
        yield "power was not measured: this hardware does not tell it, or not to this user"


def _describe_clocks(result: Result) -> Iterator[str]:
    """Yield what a GPU's clock does to a network, if it was set."""
    for each in result.get("clocks") or ():
        ran = "" if each["clock_mhz"] is None else f", ran at {each['clock_mhz']:.0f}"
        yield (
            f"{result['name']} with the clock set to {each['set_mhz']} MHz{ran}: "
            f"{each['fps']:.2f} a second"
        )
    if result.get("clock_sensitivity") is not None:
        yield (
            f"{result['name']} gains {result['clock_sensitivity']:.2f} % of speed for each per "
            "cent of the clock"
        )


def _describe_kernels(result: Result) -> Iterator[str]:
    """Yield the operations that take longest, and the counters of kernels, where they are told."""
    counters = counters_of(result)
    for name, words in (
        ("warp_execution_efficiency", "of a warp's threads work"),
        ("memory_efficiency", "of the bytes that are moved are used"),
        ("dram_throughput", "of what the memory can move is moved"),
        ("sm_throughput", "of what the processors can do is done"),
    ):
        if counters.get(name) is not None:
            yield f"{result['name']}: {counters[name]:.0%} {words}"
    longest = counters.get("kernels") or result.get("operations") or ()
    if longest:
        yield f"{result['name']}: what takes longest of one run"
    for each in longest:
        share, took = f"{each['share']:>6.1%}", f"{each['ms']:>9.3f} ms"
        yield f"  {share}  {took}  {each['calls']:>4} ×  {each['name']}"


def read_results(path: Path) -> list[Result]:
    """Return the results in a JSON file that :func:`as_text` made.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    with translate_errors(
        lambda why: ArgumentError(f"this is not a result of wsiseg bench: {why}", path)
    ):
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        for row in rows(results):
            _ = float(row["fps"]), str(row["name"]), int(row["width"]), int(row["height"])
        return list(results)


def compare_with(results: Sequence[Result], earlier: Sequence[Result]) -> list[dict[str, Any]]:
    """Return results with ``times_as_fast`` for each network and size that both runs have.

    Parameters
    ----------
    results, earlier : sequence of mapping
        What :func:`wsiseg.throughput.bench.bench` returned, now and then.

    Raises
    ------
    ArgumentError
        If they have nothing in common.
    """
    before = {_key(row): row["fps"] for row in rows(earlier)}
    compared, common = [], 0
    for result in results:
        sizes = []
        for size in result["sizes"]:
            then = before.get(_key({**result, **size}))
            common += then is not None
            sizes.append({**size, "times_as_fast": then and round(size["fps"] / then, 4)})
        compared.append({**result, **sizes[0], "sizes": sizes})
    if not common:
        raise ArgumentError(
            "no network of the earlier run was measured at one of these sizes", "`compare`"
        )
    return compared


def _key(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(row[column] for column in ("name", "width", "height", "batch"))
