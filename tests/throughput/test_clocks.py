"""A GPU's clock is set, measured at and let go, by a stand-in for NVIDIA's library."""

from types import SimpleNamespace

import pytest

from tiny import tiny_checkpoint
from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.runtimes.choosing import choose_runtime
from wsiseg.models.tile_network import TileNetwork
from wsiseg.throughput import clocks
from wsiseg.throughput.bench import bench
from wsiseg.throughput.bench_options import BenchOptions
from wsiseg.throughput.bench_tables import describe
from wsiseg.throughput.clocks import locked_clock, measure_at_clocks, sensitivity

QUICK = BenchOptions(
    sizes="32x32",
    runs=2,
    warm_up=0,
    runtime="torch",
    device="cpu",
    threads=1,
    set_clocks="900, 1800",
)


class Gpu(SimpleNamespace):
    """Remembers what was asked of it."""

    def __init__(self, *, root: bool = True) -> None:
        super().__init__(root=root, heard=[])

    def nvmlDeviceSetGpuLockedClocks(self, handle: str, low: int, high: int) -> None:  # noqa: N802
        if not self.root:
            raise RuntimeError("Insufficient Permissions")
        self.heard.append((low, high))

    def nvmlDeviceResetGpuLockedClocks(self, handle: str) -> None:  # noqa: N802
        self.heard.append("reset")

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.heard.append("shutdown")


def test_every_clock_is_measured_at_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu()
    monkeypatch.setattr(clocks, "open_gpu", lambda _: (gpu, "handle"))
    checkpoint = tiny_checkpoint()
    network = TileNetwork(checkpoint.network, checkpoint.card.normalisation).eval()
    runtime = choose_runtime("torch", "cpu", threads=1).compile(network, (32, 32), 1)
    found = measure_at_clocks(runtime, 1000, QUICK, 100.0)
    assert [each["set_mhz"] for each in found["clocks"]] == [900, 1800]
    assert found["sensitivity"] is not None
    assert gpu.heard == [(900, 900), "reset", "shutdown", (1800, 1800), "reset", "shutdown"]


def test_the_clock_is_let_go_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu()
    monkeypatch.setattr(clocks, "open_gpu", lambda _: (gpu, "handle"))
    with pytest.raises(KeyError), locked_clock("cuda", 900):
        raise KeyError
    assert gpu.heard == [(900, 900), "reset", "shutdown"]


def test_who_may_not_set_clocks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(root=False)
    monkeypatch.setattr(clocks, "open_gpu", lambda _: (gpu, "handle"))
    with (
        pytest.raises(RuntimeUnavailableError, match=r"900 MHz: .*Permissions.*Only root"),
        locked_clock("cuda", 900),
    ):
        pass
    assert gpu.heard == ["shutdown"]


def test_without_such_a_gpu_nothing_is_measured() -> None:
    checkpoint = tiny_checkpoint()
    with pytest.raises(RuntimeUnavailableError, match="NVIDIA's driver does not know cpu"):
        bench(checkpoint, QUICK)


def test_sensitivity_is_a_slope_of_logarithms() -> None:
    assert sensitivity([500, 1000, 2000], [2, 4, 8]) == 1
    assert sensitivity([1000, 2000], [5, 5]) == 0
    assert sensitivity([1000, 4000], [10, 20]) == 0.5
    assert sensitivity([1000], [5]) is sensitivity([1000, 1000], [5, 6]) is None


@pytest.mark.parametrize("text", ["fast", "900,", "-1", "0", "1.5"])
def test_what_is_no_clock_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError):
        BenchOptions(set_clocks=text)


def test_clocks_and_kernels_are_told_in_words() -> None:
    size = {"width": 8, "height": 8, "fps": 2.0, "mpx_per_s": 1.0, "latency_ms": {}}
    size |= {"latency_ms": {"p50": 1.0, "p95": 1.0, "p99": 1.0}, "share_of_matrix_rate": 0.5}
    kernel = {"name": "gemm", "calls": 3, "ms": 0.5, "share": 0.75}
    result = {"name": "n", "runtime": "torch", "device": "cuda", "precision": "fp16", "threads": 1}
    result |= {"runs": 2, "batch": 1, "matrix_gflops": 1.0, "sizes": [size], **size}
    result |= {"clocks": [{"set_mhz": 900, "clock_mhz": 885.0, "fps": 7.5}]}
    result |= {"clock_sensitivity": 0.25, "operations": None}
    result |= {"counters": {"warp_execution_efficiency": 0.9, "kernels": [kernel]}}
    said = "\n".join(describe([result]))
    assert "n with the clock set to 900 MHz, ran at 885: 7.50 a second" in said
    assert "n gains 0.25 % of speed" in said
    assert "n: 90% of a warp's threads work" in said
    assert "75.0%      0.500 ms     3 ×  gemm" in said
