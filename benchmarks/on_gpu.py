"""What a GPU gives: labels, speed and energy of five networks, and of a whole slide.

The script makes its slide and its weights (seeded) and needs no other data.  On one side stands
what wsiseg does on the device: 16-bit or fp32 numbers, layer by layer, as a CUDA graph, or
compiled.  On the other, in the same run, PyTorch as it comes (fp32, layer by layer; its
convolutions may round to TF32) and MONAI's sliding window, if it is installed.  Labels are compared
with those of wsiseg in fp32 on the processor.  It stops beginning new parts after ``--seconds``; a
part takes some seconds, a compilation up to a minute.

    pip install '.[nvidia,bench]'
    python benchmarks/on_gpu.py --output benchmarks/results

``--device cpu --quick`` runs all of it within a minute on a processor, to see that it works.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import wsiseg
from wsiseg.demo import DEFAULT
from wsiseg.demo.slide import build_demo_slide
from wsiseg.demo.tissue import tissue_tiles
from wsiseg.errors import WsisegError
from wsiseg.models import Checkpoint, create_model
from wsiseg.models.checkpoint import CheckpointCard, ClassEntry
from wsiseg.models.cloning import clone
from wsiseg.models.folding import fold
from wsiseg.models.normaliser import Normaliser
from wsiseg.models.runtimes import Predictor, Runtime, RuntimeSettings, choose_runtime
from wsiseg.models.runtimes.cuda import CAPTURE, Capture
from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.models.runtimes.runtime import Precision
from wsiseg.models.runtimes.torch import TorchRuntime
from wsiseg.models.tile_network import TileNetwork
from wsiseg.segmentation.listener import Listener
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.segmenting import segment_slide
from wsiseg.throughput.hardware import describe_hardware, peak_rss_mb
from wsiseg.throughput.probes.power_meter import PowerMeter, find_probes
from wsiseg.tiling import Box

NETWORKS = ("espnet", "espnetv2", "enet", "erfnet", "rdrnet-s")
CROP = 128
"""Edge of the tiles from which they learn."""


def fast(device: str) -> Precision:
    """Return the 16 bits that a device computes in; processors emulate fp16."""
    return "bf16" if device == "cpu" else "fp16"


AIMED = {"fp32": 0.9999, "fp16": 0.999}
"""Share of labels that are those of the processor."""


@dataclass
class Effort:
    """How much is done: all, or enough to see that it works."""

    paper: tuple[int, int] = (512, 1024)
    """Height and width of the pictures of the ESPNet papers."""
    runs: int = 200
    warm_up: int = 20
    seconds: float = 2.0
    """Of a measurement of throughput."""
    labelled: tuple[int, int] = (4, 512)
    """Tiles, and their edge, of which labels are compared."""
    edges: tuple[int, ...] = (512, 1024, 2048)
    batches: tuple[int, ...] = (1, 4, 16)
    slide: int = 8192
    lessons: int = 150
    compiled: tuple[str, ...] = NETWORKS


QUICK = Effort(
    paper=(128, 256),
    runs=3,
    warm_up=1,
    seconds=0.2,
    labelled=(1, 128),
    edges=(128,),
    batches=(1, 2),
    slide=1024,
    lessons=1,
    compiled=(),
)


@dataclass
class Report:
    """What was measured, printed as it comes, and written after every part.

    Attributes
    ----------
    found : dict
        For JSON.
    files : tuple of Path
        The ``.json`` and the ``.txt``; none if nothing is to be written.
    """

    found: dict[str, Any]
    files: tuple[Path, ...]
    ends: float
    _lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Print a line, and keep it."""
        print(line, flush=True)
        self._lines.append(line)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part; a failure of one is told, and the next one follows."""
        start = time.perf_counter()
        try:
            yield
        except Exception as error:  # noqa: BLE001
            # Time on a GPU is dear: whatever a part stumbles over, the others go on.
            text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            self.say(f"  FAILED: {text}")
            self.found.setdefault("failures", {})[name] = text
        self.found.setdefault("seconds", {})[name] = round(time.perf_counter() - start, 2)
        self.write()

    @property
    def has_time(self) -> bool:
        """Whether another part may begin."""
        return time.perf_counter() < self.ends

    def write(self) -> None:
        """Write what is known so far."""
        for file in self.files:
            text = "\n".join(self._lines) + "\n"
            file.write_text(json.dumps(self.found, indent=1) if file.suffix == ".json" else text)


# Weights


def teach(name: str, effort: Effort, device: str) -> Checkpoint:
    """Return a network of seeded weights that has learnt a little of what ``nuclei`` knows.

    A fresh network is chaotic: of its labels, up to two in a hundred hang on the last bit of fp16.
    """
    teacher = wsiseg.load_checkpoint(DEFAULT)
    pixels = torch.from_numpy(tissue_tiles(1024, 2)).to(device)
    known = TileNetwork(teacher.network, teacher.card.normalisation, ("labels",)).eval().to(device)
    with torch.no_grad():
        labels = known(pixels)[0].long()
    # What is rare counts as much, or all would be called what is most frequent.
    frequencies = torch.bincount(labels.flatten(), minlength=len(teacher.classes))
    weights = 1 / frequencies.clamp(min=1)
    torch.manual_seed(0)
    network = create_model(name, len(teacher.classes)).to(device).train()
    normalise = Normaliser(teacher.card.normalisation).to(device)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    places = np.random.default_rng(0)
    for _ in range(effort.lessons):
        crops = [
            (int(k), slice(y, y + CROP), slice(x, x + CROP))
            for k, y, x in places.integers((2, 1024 - CROP, 1024 - CROP), size=(8, 3))
        ]
        seen = normalise(torch.stack([pixels[crop] for crop in crops]))
        wanted = torch.stack([labels[crop] for crop in crops])
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(seen), wanted, weights).backward()
        optimiser.step()
    entries = tuple(ClassEntry(name=c.name, colour=c.colour) for c in teacher.classes)
    card = CheckpointCard(
        architecture=name, classes=entries, mpp=0.5, normalisation=teacher.card.normalisation
    )
    return Checkpoint(card, network.eval().cpu().requires_grad_(False))


def tile_network(checkpoint: Checkpoint) -> TileNetwork:
    """Return a network as runtimes take it."""
    network = fold(checkpoint.network)
    return TileNetwork(network, checkpoint.card.normalisation, ("labels",)).eval()


# Both sides


Run = Callable[[np.ndarray], np.ndarray]


def as_it_comes(checkpoint: Checkpoint, device: str) -> Run:
    """Return PyTorch's way without wsiseg: fp32, layer by layer, labels copied back."""
    network = clone(checkpoint.network).to(device).eval()
    normalise = Normaliser(checkpoint.card.normalisation).to(device)

    def run(tiles: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits = network(normalise(torch.from_numpy(tiles).to(device)))
            return logits.argmax(1).to(torch.uint8).cpu().numpy()

    return run


def start(
    checkpoint: Checkpoint,
    device: str,
    precision: Precision,
    tile: tuple[int, int],
    batch: int = 1,
    *,
    capture: Capture = CAPTURE,
) -> TorchRuntime:
    """Return wsiseg's runtime, warm: it records a network once that has run a few times."""
    settings = RuntimeSettings(batch, tile, device, precision, torch.get_num_threads())
    runtime = TorchRuntime(tile_network(checkpoint), settings, capture)
    for _ in range(4):
        runtime.run(np.zeros((batch, *tile, 3), np.uint8))
    for note in runtime.notes:
        raise RuntimeError(note)
    return runtime


def others(
    checkpoint: Checkpoint, device: str, tile: tuple[int, int]
) -> Iterator[tuple[str, Runtime]]:
    """Yield the other runtimes that are installed and run on the device, with their names."""
    for name in RUNTIMES:
        kind = RUNTIMES[name]
        if name == "torch" or not kind.is_installed() or not kind.runs_on(device):
            continue
        try:
            choice = choose_runtime(name, device)
        except WsisegError:
            # Installed, but not for this device.
            continue
        yield f"{name} {choice.precision}", choice.compile(tile_network(checkpoint), tile, 1)


# Measurements


def measure_latencies(run: Run, tiles: np.ndarray, effort: Effort) -> dict[str, float]:
    """Run one batch after the other, as the ESPNet papers do."""
    for _ in range(effort.warm_up):
        run(tiles)
    seconds = []
    for _ in range(effort.runs):
        begin = time.perf_counter()
        run(tiles)
        seconds.append(time.perf_counter() - begin)
    return {
        "fps": round(len(tiles) * len(seconds) / sum(seconds), 2),
        "p50_ms": round(statistics.median(seconds) * 1e3, 4),
        "p95_ms": round(float(np.percentile(seconds, 95)) * 1e3, 4),
    }


def measure_throughput(runtime: Runtime, tiles: np.ndarray, seconds: float) -> dict[str, Any]:
    """Keep as many batches on their way as in a run on a slide; return Mpx/s and energy."""
    running = deque(runtime.start(tiles) for _ in range(1 + runtime.batches_ahead))
    batches = 0
    with PowerMeter(find_probes(runtime.settings.device)) as meter:
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds or batches < 2:
            running.popleft().result()
            running.append(runtime.start(tiles))
            batches += 1
        took = time.perf_counter() - begin
        energies = meter.read()
    for each in running:
        each.result()
    megapixels = batches * tiles[..., 0].size / 1e6
    joules = meter.joules()
    readings = [sample.reading for each in energies.values() for sample in each.samples]
    busy = [each.utilisation for each in readings if each.utilisation is not None]
    return {
        "mpx_per_s": round(megapixels / took, 2),
        "watts": None if joules is None else round(joules / took, 1),
        "joules_per_mpx": None if joules is None else round(joules / megapixels, 5),
        "utilisation": round(statistics.mean(busy), 3) if busy else None,
    }


def noise(count: int, tile: tuple[int, int]) -> np.ndarray:
    """Return tiles on which time does not depend."""
    return np.random.default_rng(0).integers(0, 256, (count, *tile, 3), np.uint8)


def compare_labels(
    report: Report, checkpoints: dict[str, Checkpoint], device: str, effort: Effort
) -> None:
    """Compare labels on tissue with those of the processor in fp32."""
    count, edge = effort.labelled
    tiles = tissue_tiles(edge, count)
    found = report.found["labels"] = {}
    report.say(f"labels equal to those of the processor in fp32, {count} tiles of {edge}² tissue")
    for name, checkpoint in checkpoints.items():
        with report.part(f"labels {name}"):
            shape = (edge, edge)
            expected = start(checkpoint, "cpu", "fp32", shape, count).run(tiles)["labels"]
            shares = {}
            for precision in ("fp32", "fp16", "bf16"):
                labels = start(checkpoint, device, precision, shape, count).run(tiles)["labels"]
                shares[precision] = round(float((labels == expected).mean()), 6)
            # Of the figures of a part, none is left out.
            found[name] = shares
            missed = [kind for kind, aim in AIMED.items() if shares[kind] < aim]
            told = "  ".join(f"{kind} {share:.5f}" for kind, share in shares.items())
            report.say(f"  {name:10} {told}  {'BELOW in ' + ', '.join(missed) if missed else ''}")


def measure_frames(
    report: Report, checkpoints: dict[str, Checkpoint], device: str, effort: Effort
) -> None:
    """Measure pictures of 1024×512, one at a time, on all sides."""
    tiles = noise(1, effort.paper)
    height, width = effort.paper
    found = report.found["frames"] = {}
    report.say(
        f"\npictures of {width}×{height} a second, one at a time, {effort.runs} runs, "
        "copies included"
    )
    for name, checkpoint in checkpoints.items():
        with report.part(f"frames {name}"):
            rows = found[name] = {}
            rows["PyTorch fp32"] = measure_latencies(as_it_comes(checkpoint, device), tiles, effort)
            narrow = fast(device)
            for precision, capture in (("fp32", "graph"), (narrow, "eager"), (narrow, "graph")):
                runtime = start(checkpoint, device, precision, effort.paper, capture=capture)
                rows[f"{precision} {capture}"] = measure_latencies(runtime.run, tiles, effort)
            for kind, other in others(checkpoint, device, effort.paper):
                rows[kind] = measure_latencies(other.run, tiles, effort)
        report_frames(report, name)


def measure_compiled(
    report: Report, checkpoints: dict[str, Checkpoint], device: str, effort: Effort
) -> None:
    """Measure what ``torch.compile`` gives, as far as there is time: it takes long to begin."""
    report.say("\nthe same, compiled")
    for name in effort.compiled:
        if not report.has_time:
            report.say(f"  {name}: no time left")
            continue
        with report.part(f"compiled {name}"):
            begin = time.perf_counter()
            runtime = start(
                checkpoints[name], device, fast(device), effort.paper, capture="compile"
            )
            row = measure_latencies(runtime.run, noise(1, effort.paper), effort)
            row["setup_s"] = round(time.perf_counter() - begin, 1)
            report.found["frames"].setdefault(name, {})[f"{fast(device)} compile"] = row
        report_frames(report, name)


def report_frames(report: Report, name: str) -> None:
    """Tell the frames a second of a network."""
    rows = report.found["frames"].get(name, {})
    told = "  ".join(f"{kind} {row['fps']:.1f}" for kind, row in rows.items())
    report.say(f"  {name:10} {told}")


def measure_batches(
    report: Report, checkpoints: dict[str, Checkpoint], device: str, effort: Effort
) -> None:
    """Measure ESPNet over batch and tile."""
    found = report.found["batches"] = {}
    report.say(f"\nMpx/s of espnet, {fast(device)}, by tile and batch")
    for edge in effort.edges:
        for batch in effort.batches:
            if not report.has_time or batch * edge**2 > 2**26:
                continue
            with report.part(f"batches {edge} {batch}"):
                shape = (edge, edge)
                runtime = start(checkpoints["espnet"], device, fast(device), shape, batch)
                row = measure_throughput(runtime, noise(batch, shape), effort.seconds / 2)
                found[f"{edge}x{batch}"] = row
                report.say(f"  {edge:5} × {batch:<3} {row['mpx_per_s']:10.1f}")


def measure_energy(
    report: Report, checkpoints: dict[str, Checkpoint], device: str, effort: Effort
) -> None:
    """Measure what a megapixel costs each network, where the device tells."""
    edge, batch = effort.edges[min(1, len(effort.edges) - 1)], effort.batches[-1]
    shape = (edge, edge)
    found = report.found["energy"] = {}
    report.say(f"\nenergy, {fast(device)}, {batch} tiles of {edge}² at a time")
    for name, checkpoint in checkpoints.items():
        with report.part(f"energy {name}"):
            runtime = start(checkpoint, device, fast(device), shape, batch)
            row = found[name] = measure_throughput(runtime, noise(batch, shape), effort.seconds)
            watts = "not told" if row["watts"] is None else f"{row['watts']:.0f} W"
            each = row["joules_per_mpx"]
            cost = "" if each is None else f", {each:.4f} J/Mpx"
            report.say(f"  {name:10} {row['mpx_per_s']:10.1f} Mpx/s, {watts}{cost}")


def measure_slide(
    report: Report, checkpoints: dict[str, Checkpoint], device: str, effort: Effort
) -> None:
    """Segment a slide, from its file to a finished mask, beside MONAI on pixels in memory."""
    found = report.found["slide"] = {}
    checkpoint = checkpoints["espnet"]
    report.say(f"\na slide of {effort.slide}², espnet")
    with tempfile.TemporaryDirectory() as name, report.part("slide"):
        folder = Path(name)
        path = build_demo_slide(folder / "slide.tiff", effort.slide, effort.slide)
        options = SegmentOptions(level=0, tissue="none", overwrite=True, device=device)
        with wsiseg.open_slide(path) as slide:
            choice = choose_runtime("torch", device)
            predictor = Predictor(checkpoint, choice)
            for k in range(2):
                # The first run makes the network ready, and is told as well.
                result = segment_slide(slide, predictor, folder, options, Listener())
                found["first" if k == 0 else "wsiseg"] = row = tell_run(folder, slide.name)
                report.say(f"  wsiseg, run {k + 1}: {describe(row)}")
            share, why = kernel_share(
                lambda: segment_slide(slide, predictor, folder, options, Listener()), device
            )
            found["device_share"] = share
            report.say(f"  share of the time in which the device computes: {why or share}")
            pixels = slide.read_region(0, Box(0, 0, effort.slide, effort.slide))
            for kind, theirs in rivals(checkpoint, device):
                begin = time.perf_counter()
                labels = theirs(pixels)
                took = time.perf_counter() - begin
                same = float((labels == np.asarray(result.labels[:])).mean())
                rate = pixels[..., 0].size / 1e6 / took
                found[kind] = {
                    "seconds": round(took, 3),
                    "mpx_per_s": round(rate, 2),
                    "agreement": round(same, 5),
                }
                report.say(f"  {kind}: {took:.2f} s, {rate:.1f} Mpx/s, {same:.4f} equal labels")


def tell_run(folder: Path, name: str) -> dict[str, Any]:
    """Return what a run file tells."""
    run = json.loads((folder / f"{name}.run.json").read_text())
    tiles = run["identity"]["tile"]
    summary = run["summary"]
    kept = ("seconds", "forward_seconds", "mpx_per_s", "precision", "joules_per_mpx", "power_w")
    return {
        **{key: summary[key] for key in kept},
        "setup_seconds": run["setup_seconds"],
        "shares": run["shares"],
        "plan": {key: run["plan"][key] for key in ("tiles", "batch", "readers")},
        "tiles": tiles["shapes"] if isinstance(tiles, dict) else [tiles],
        "warnings": run["warnings"],
    }


def describe(row: dict[str, Any]) -> str:
    """Return what :func:`tell_run` returned, in words."""
    waiting = row["forward_seconds"] / row["seconds"]
    return (
        f"{row['seconds']:.2f} s, {row['mpx_per_s']:.1f} Mpx/s, {waiting:.2f} of it waiting for "
        f"the device, {row['setup_seconds']:.2f} s making it ready, {row['precision']}, tiles of "
        f"{row['tiles']}, {row['plan']['batch']} at a time"
    )


def kernel_share(run: Callable[[], object], device: str) -> tuple[float | None, str | None]:
    """Return the share of a run in which kernels ran, and why not if that is not told."""
    if not device.startswith("cuda"):
        return None, "not told on this device"
    from torch.profiler import ProfilerActivity, profile

    try:
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            begin = time.perf_counter()
            run()
            torch.cuda.synchronize()
            took = time.perf_counter() - begin
        busy = sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6
    except RuntimeError as error:
        return None, f"the profiler does not tell: {error}"
    return round(busy / took, 4), None if busy else "the profiler saw no kernels"


def rivals(checkpoint: Checkpoint, device: str) -> Iterator[tuple[str, Run]]:
    """Yield others that label pixels in memory, with what they are called."""
    network = clone(checkpoint.network).to(device).eval()
    normalise = Normaliser(checkpoint.card.normalisation).to(device)

    def tile_by_tile(pixels: np.ndarray) -> np.ndarray:
        """Label tiles side by side, without any overlap."""
        run, edge, labels = as_it_comes(checkpoint, device), 512, np.empty(pixels.shape[:2], "u1")
        for y in range(0, len(pixels), edge):
            row = [pixels[y : y + edge, x : x + edge] for x in range(0, pixels.shape[1], edge)]
            labels[y : y + edge] = np.concatenate(run(np.stack(row)), axis=1)
        return labels

    yield "PyTorch fp32, tiles of 512 without overlap", tile_by_tile
    try:
        from monai.inferers import sliding_window_inference
    except ImportError:
        return

    def monai(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            given = normalise(torch.from_numpy(pixels)[None].to(device))
            logits = sliding_window_inference(
                given, (512, 512), 16, network, overlap=0.25, mode="gaussian"
            )
            return logits.argmax(1)[0].to(torch.uint8).cpu().numpy()  # type: ignore[union-attr]

    yield "MONAI fp32, tiles of 512, overlap 128", monai


def describe_device(device: str) -> dict[str, Any]:
    """Return what the figures depend on."""
    packages = ("wsiseg", "torch", "monai", "tensorrt", "onnxruntime-gpu", "nvidia-ml-py", "triton")
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    found: dict[str, Any] = {"device": device, "versions": versions, "host": describe_hardware()}
    if device.startswith("cuda"):
        facts = torch.cuda.get_device_properties(device)
        found |= {
            "name": facts.name,
            "capability": f"{facts.major}.{facts.minor}",
            "memory_gb": round(facts.total_memory / 1e9, 1),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    else:
        found["name"] = found["host"]["processor"] if device == "cpu" else device
    return found


def main() -> int:
    """Measure part by part, and print and write what is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, mps, cpu")
    parser.add_argument("--quick", action="store_true", help="too little to mean anything")
    parser.add_argument("--seconds", type=float, default=240, help="begin nothing new after them")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="names with commas")
    parser.add_argument("--output", type=Path, help="folder for DATE-DEVICE.json and .txt")
    arguments = parser.parse_args()
    try:
        choose_runtime("torch", arguments.device)
    except WsisegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    effort, device = QUICK if arguments.quick else Effort(), arguments.device
    about = describe_device(device)
    began = datetime.now(UTC)
    files: tuple[Path, ...] = ()
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        words = "".join(c if c.isalnum() else "-" for c in about["name"]).strip("-")
        stem = f"{began:%Y-%m-%d}-{words}{'-quick' if arguments.quick else ''}"
        files = tuple(arguments.output / f"{stem}{ending}" for ending in (".json", ".txt"))
    found = {"date": began.isoformat(timespec="seconds"), "quick": arguments.quick, **about}
    report = Report(found, files, time.perf_counter() + arguments.seconds)
    report.say(f"{about['name']}, PyTorch {about['versions']['torch']}, {found['date']}")
    checkpoints: dict[str, Checkpoint] = {}
    for name in arguments.networks.split(","):
        with report.part(f"weights {name}"):
            checkpoints[name] = teach(name, effort, device)
    compare_labels(report, checkpoints, device, effort)
    measure_frames(report, checkpoints, device, effort)
    measure_slide(report, checkpoints, device, effort)
    measure_batches(report, checkpoints, device, effort)
    measure_energy(report, checkpoints, device, effort)
    measure_compiled(report, checkpoints, device, effort)
    report.say(f"\n{sum(report.found['seconds'].values()):.0f} s, peak {peak_rss_mb():.0f} MiB")
    report.write()
    return 1 if "failures" in report.found else 0


if __name__ == "__main__":
    sys.exit(main())
