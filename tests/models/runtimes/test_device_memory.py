"""How many tiles a GPU gets at a time, by what it has free."""

import pytest
import torch

from tiny import tiny_checkpoint
from wsiseg.models.runtimes import Predictor, RuntimeChoice
from wsiseg.models.runtimes.device_memory import free_bytes, is_out_of_memory, largest_batch

GIB = 2**30


@pytest.mark.parametrize(
    ("edge", "free", "batch"),
    [
        # As many as make sixteen million pixels, where there is plenty of memory.
        (2048, 80 * GIB, 4),
        (1024, 80 * GIB, 16),
        (512, 80 * GIB, 64),
        (256, 80 * GIB, 64),
        (8192, 80 * GIB, 1),
        # As many as 70 % of the free memory hold, at 200 bytes for each pixel.
        (1024, 4 * GIB, 14),
        (2048, 4 * GIB, 3),
        # One at least: if that does not fit, it is told when it is run.
        (2048, GIB // 4, 1),
        (2048, 0, 1),
    ],
)
def test_a_batch_fills_the_gpu_or_its_free_memory(edge: int, free: int, batch: int) -> None:
    assert largest_batch((edge, edge), 200.0, free) == batch


def test_what_pytorch_holds_without_using_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: {"cuda:1": (700, 1000)}[device])
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 250)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 50)
    assert free_bytes("cuda:1") == 900
    assert free_bytes("cpu") is None


def test_a_predictor_takes_the_batch_that_fits_its_format(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = tiny_checkpoint(classes=2)
    assert (
        Predictor(checkpoint, RuntimeChoice("torch", "cpu", "fp32", 1)).largest_batch((512, 512))
        == 1
    )
    monkeypatch.setattr("wsiseg.models.runtimes.device_memory.free_bytes", lambda _: 200_000_000)
    wide = Predictor(checkpoint, RuntimeChoice("torch", "cuda", "fp32", 1))
    narrow = Predictor(checkpoint, RuntimeChoice("torch", "cuda", "fp16", 1))
    needed = wide.bytes_per_pixel
    expected = [int(0.7 * 2e8 / ((needed * share + 39) * 512**2)) for share in (1.0, 0.5)]
    assert [each.largest_batch((512, 512)) for each in (wide, narrow)] == expected
    assert expected[1] > expected[0] > 1


def test_the_budget_of_the_host_does_not_count_what_lies_on_the_gpu() -> None:
    checkpoint = tiny_checkpoint(classes=2)
    held = Predictor(checkpoint, RuntimeChoice("torch", "cuda:0", "fp32", 1))
    # Two batches on their way: three bytes of colours, and what comes back.
    assert held.host_bytes_per_pixel == 2 * (3 + 1 + 2)
    on_cpu = Predictor(checkpoint, RuntimeChoice("torch", "cpu", "fp32", 1))
    assert on_cpu.host_bytes_per_pixel == on_cpu.bytes_per_pixel


def test_a_lack_of_memory_is_seen_behind_what_came_of_it() -> None:
    def fail() -> None:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("the capture was ended before its time")

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("the capture was ended before its time"))
    assert not is_out_of_memory(None)
