"""Counters of kernels, in the form in which ncu prints them; no GPU was there to record any."""

import sys
from pathlib import Path

import pytest

from commands import run
from tiny import tiny_checkpoint
from wsiseg.cli import bench as command
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.throughput import kernel_counters
from wsiseg.throughput.kernel_counters import describe, parse, profile

PRINTED = Path(__file__).parents[1] / "fixtures" / "ncu.csv"


def test_a_launch_has_its_metrics() -> None:
    launches = parse(PRINTED.read_text())
    assert [launch.name for launch in launches] == [
        "sm80_xmma_fprop_implicit_gemm_f16f16",
        "elementwise_kernel",
        "elementwise_kernel",
    ]
    first = launches[0].figures
    assert first["gpu__time_duration.sum"] == 1_500_000
    # It loads past the path that this metric looks at.
    assert "smsp__sass_average_data_bytes_per_sector_mem_global_op_ld.pct" not in first


def test_long_kernels_count_more() -> None:
    found = describe(parse(PRINTED.read_text()))
    assert found["kernels"] == [
        {
            "name": "sm80_xmma_fprop_implicit_gemm_f16f16",
            "calls": 1,
            "ms": 1.5,
            "share": 0.75,
        },
        {"name": "elementwise_kernel", "calls": 2, "ms": 0.5, "share": 0.25},
    ]
    # 32, 24 and 16 of 32 threads for 3/4, 1/8 and 1/8 of the time.
    assert found["warp_execution_efficiency"] == pytest.approx(0.75 + 0.75 / 8 + 0.5 / 8, abs=1e-4)
    assert found["load_efficiency"] == 0.5
    assert found["store_efficiency"] == 1.0
    assert found["memory_efficiency"] == 0.75
    assert found["dram_throughput"] == pytest.approx(0.3 + 0.9 / 8 + 0.8 / 8, abs=1e-4)
    assert found["sm_throughput"] == 0.65


@pytest.mark.parametrize("text", ["", "==PROF== nothing\n", '"ID","Kernel Name"\n"0","k"\n'])
def test_output_without_figures_has_no_launches(text: str) -> None:
    assert parse(text) == []


def stand_in(folder: Path, body: str) -> str:
    """Write a program that is called like ncu, with the file for its output as `log`."""
    program = folder / "ncu"
    program.write_text(
        f"#!{sys.executable}\n"
        "import shutil, sys\n"
        "log = sys.argv[sys.argv.index('--log-file') + 1]\n"
        f"{body}\n"
    )
    program.chmod(0o755)
    return str(program)


def test_the_command_runs_under_ncu(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    body = f"open({str(heard)!r}, 'w').write(' '.join(sys.argv[1:]))"
    program = stand_in(tmp_path, f"{body}; shutil.copy({str(PRINTED)!r}, log)")
    found = profile(program, ["python", "-m", "wsiseg"])
    assert found["kernels"][0]["calls"] == 1
    words = heard.read_text()
    assert words.endswith("python -m wsiseg")
    assert "--csv" in words
    assert "--profile-from-start off" in words


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "open(log, 'w').write('==ERROR== ERR_NVGPUCTRPERM - no permission'); sys.exit(1)",
            "ERR_NVGPUCTRPERM - no permission",
        ),
        ("pass", "it saw no kernel"),
    ],
    ids=["not allowed", "no kernel"],
)
def test_without_counters_the_reason_is_told(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match=said):
        profile(stand_in(tmp_path, body), ["true"])
    with pytest.raises(RuntimeUnavailableError, match="ncu gives no counters"):
        profile(str(tmp_path / "missing"), ["true"])


def test_a_gpu_is_profiled_by_running_the_network_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = str(tiny_checkpoint().save(tmp_path / "tiny.safetensors"))
    asked: list[list[str]] = []

    def take(_: str, words: list[str]) -> dict[str, object]:
        asked.append(words)
        return {"kernels": []}

    monkeypatch.setattr(kernel_counters, "find_ncu", lambda: "ncu")
    monkeypatch.setattr(kernel_counters, "profile", take)
    about = {"name": "tiny", "width": 64, "height": 32, "batch": 2, "runtime": "torch"}
    gpu, cpu = ({**about, "device": device, "precision": "fp32"} for device in ("cuda:0", "cpu"))
    command._count_kernels([gpu, cpu], [checkpoint, checkpoint], [], print)
    assert gpu["counters"] == {"kernels": []}
    assert cpu["counters"] is None
    (words,) = asked
    assert words[1:4] == ["-m", "wsiseg", "bench"]
    # What would be profiled runs, here without a profiler.
    done = run(*[word.replace("cuda:0", "cpu") for word in words[3:]])
    assert (done.status, done.out) == (0, "")
