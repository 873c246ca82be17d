"""Speed of networks: what is counted, and how it is told.  No test asserts a time."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from commands import run
from tiny import tiny_checkpoint
from wsiseg.errors import ArgumentError
from wsiseg.models.profiling import count_macs, count_parameters
from wsiseg.throughput.bench import bench
from wsiseg.throughput.bench_options import BenchOptions
from wsiseg.throughput.bench_plot import draw
from wsiseg.throughput.bench_tables import COLUMNS, as_text, compare_with, read_results
from wsiseg.throughput.runs import SizeResult

QUICK = BenchOptions(
    sizes="64x32,32x32", runs=4, warm_up=1, batch=2, runtime="torch", device="cpu", threads=1
)


def test_figures_follow_from_the_latencies() -> None:
    found = SizeResult(
        height=500,
        width=1000,
        latencies=np.array([0.1, 0.1, 0.1, 0.5]),
        batch=2,
        macs=10**9,
        joules=40.0,
        utilisation=None,
        clock_mhz=None,
    ).describe(matrix_gflops=100.0)
    assert found["fps"] == 10.0
    assert found["mpx_per_s"] == 5.0
    assert found["latency_ms"] == {"p50": 100.0, "p95": 440.0, "p99": 488.0}
    assert found["gflops"] == 20.0
    assert found["share_of_matrix_rate"] == 0.2
    assert found["power_w"] == 50.0
    assert found["joules_per_mpx"] == 10.0


@pytest.fixture(scope="module")
def result() -> dict[str, object]:
    checkpoint = tiny_checkpoint()
    shares: list[float] = []
    found = bench(checkpoint, QUICK, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return found


def test_every_size_is_measured_and_the_first_stands_in_front(result) -> None:
    network = tiny_checkpoint().network
    assert [(size["width"], size["height"]) for size in result["sizes"]] == [(64, 32), (32, 32)]
    assert [size["macs"] for size in result["sizes"]] == [
        count_macs(network, 32, 64),
        count_macs(network, 32, 32),
    ]
    assert {key: result[key] for key in result["sizes"][0]} == result["sizes"][0]
    assert result["parameters"] == count_parameters(network)
    assert (result["runtime"], result["device"], result["threads"]) == ("torch", "cpu", 1)
    assert (result["batch"], result["runs"]) == (2, 4)
    for size in result["sizes"]:
        pixels = size["width"] * size["height"]
        assert size["mpx_per_s"] == pytest.approx(size["fps"] * pixels / 1e6, rel=1e-2, abs=1e-4)
        assert size["latency_ms"]["p50"] <= size["latency_ms"]["p99"]


def test_the_longest_operations_are_told(result) -> None:
    longest = result["operations"]
    assert 1 <= len(longest) <= 10
    assert [each["ms"] for each in longest] == sorted((e["ms"] for e in longest), reverse=True)
    assert sum(each["share"] for each in longest) <= 1.001
    assert any("conv" in each["name"] for each in longest)


@pytest.mark.parametrize("scored", [True, False])
def test_a_plot_has_every_network(result, scored: bool, tmp_path: Path) -> None:
    one, other = ({**result, "name": name, "miou": 0.5 if scored else None} for name in "ab")
    picture = tmp_path / "a.svg"
    draw([one, {**other, "fps": 1000 * other["fps"]}], picture)
    axis = "mean IoU" if scored else "parameters"
    # Matplotlib notes the text of what it draws.
    text = picture.read_text()
    assert f"<!-- {axis}" in text
    assert "<!-- a -->" in text
    assert "<!-- b -->" in text


def test_tables_hold_a_row_for_each_size(result, tmp_path: Path) -> None:
    table = list(csv.DictReader(as_text([result], ".csv").splitlines()))
    assert [row["width"] for row in table] == ["64", "32"]
    assert list(table[0]) == list(COLUMNS)
    assert float(table[1]["fps"]) == result["sizes"][1]["fps"]
    lines = as_text([result], ".md").splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 4
    file = tmp_path / "a.json"
    file.write_text(as_text([result], ".json"))
    assert read_results(file) == [result]


def test_an_earlier_run_is_compared_size_by_size(result) -> None:
    slower = [{**size, "fps": size["fps"] / 2} for size in result["sizes"][1:]]
    (found,) = compare_with([result], [{**result, "sizes": slower}])
    assert [size["times_as_fast"] for size in found["sizes"]] == [
        None,
        pytest.approx(2, rel=1e-3),
    ]
    with pytest.raises(ArgumentError, match="no network of the earlier run"):
        compare_with([result], [{**result, "name": "other"}])


@pytest.mark.parametrize("text", ["512", "512x", "x", "1e3x2", "4x4", "512x256,", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError):
        BenchOptions(sizes=text)


def test_on_the_command_line(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    words = ("bench", "-c", checkpoint, "--sizes", "32x32", "--runs", 2, "--warm-up", 0)
    words += ("--runtime", "torch", "--threads", 1)
    output = tmp_path / "a.json"
    picture = tmp_path / "a.png"
    content = json.loads(run(*words, "-o", output, "--plot", picture, "--json").out)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert content["miou"] == tiny_checkpoint().card.metrics.get("val_miou")
    promised = {"fps", "latency_ms", "mpx_per_s", "parameters", "size_mb", "power_w"}
    assert promised | {"joules_per_mpx"} <= content.keys()
    assert json.loads(output.read_text()) == {"results": [content]}
    text = run(*words, "--compare", output)
    assert text.status == 0
    assert "times as fast" in text.out
    refused = run(*words, "-o", output)
    assert (refused.status, refused.err.splitlines()[-1]) == (
        1,
        f"error: the output already exists ({output}). --overwrite replaces it.",
    )
    for wrong, said in (
        (("bench",), "no network is named"),
        ((*words, "-o", tmp_path / "a.txt"), "must end with .json, .csv, .md"),
        ((*words, "--compare", checkpoint), "this is not a result of wsiseg bench"),
        ((*words, "--plot", tmp_path / "a.gif"), "must end with .png, .svg, .pdf"),
        (("bench", "--architecture", "espnt"), "Did you mean espnet"),
    ):
        result = run(*wrong, "--quiet")
        assert result.status == 2
        assert said in result.err
