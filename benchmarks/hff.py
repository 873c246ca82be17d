"""Hierarchical feature fusion of ESPNet as sums and as one 1×1 convolution.

The sums that ESP takes over its branches are linear, and so is a 1×1 convolution with ones in a
triangle; the latter saves three additions and costs a matrix product.  ESPNet at 512×512 on one
thread of a 2-core Xeon: the convolution is 1.06 times as fast under OpenVINO and 0.9 times as fast
under PyTorch, which is why folding leaves the sums as they are.

    python benchmarks/hff.py [--edge 512] [--rounds 20] [--threads 1]
"""

from __future__ import annotations

import argparse
import time
import warnings
from functools import partial

import openvino as ov
import torch
from torch import Tensor, nn

from wsiseg.models import create_model
from wsiseg.models.folding import fold
from wsiseg.models.layers.esp import ESP


class Triangle(nn.Module):
    """An ESP module whose sums are one convolution."""

    def __init__(self, esp: ESP) -> None:
        super().__init__()
        self.esp = esp
        widths = [branch.out_channels for branch in esp.branches]
        fusion = torch.zeros(sum(widths), sum(widths))
        fusion[: widths[0], : widths[0]] = torch.eye(widths[0])
        width, first = widths[1], widths[0]
        for out in range(4):
            for branch in range(out + 1):
                rows = slice(first + out * width, first + (out + 1) * width)
                columns = slice(first + branch * width, first + (branch + 1) * width)
                fusion[rows, columns] = torch.eye(width)
        self.fusion = nn.Conv2d(sum(widths), sum(widths), 1, bias=False)
        self.fusion.weight = nn.Parameter(fusion[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Do what ESP does."""
        reduced = self.esp.reduce(x)
        merged = self.fusion(torch.cat([branch(reduced) for branch in self.esp.branches], dim=1))
        out: Tensor = self.esp.fuse(x + merged if self.esp.residual else merged)
        return out


def main() -> None:
    """Time both forms in turn, and print the best of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore", torch.jit.TracerWarning)
    plain = fold(create_model("espnet", 20))
    other = fold(plain)
    for path, module in list(other.named_modules()):
        if isinstance(module, ESP):
            other.set_submodule(path, Triangle(module))
    x = torch.randn(1, 3, arguments.edge, arguments.edge)
    with torch.inference_mode():
        difference = float((plain(x) - other(x)).abs().max())
    runs = {}
    for name, network in (("sums", plain), ("convolution", other)):
        runs["torch", name] = partial(network, x)
        model = ov.convert_model(network, example_input=x)
        options = {"INFERENCE_NUM_THREADS": arguments.threads, "PERFORMANCE_HINT": "LATENCY"}
        compiled = ov.Core().compile_model(model, "CPU", options)
        runs["openvino", name] = partial(compiled.create_infer_request().infer, [x])
    best = dict.fromkeys(runs, float("inf"))
    with torch.inference_mode():
        for _ in range(arguments.rounds):
            for key, run in runs.items():
                begun = time.perf_counter()
                run()
                best[key] = min(best[key], time.perf_counter() - begun)
    print(f"greatest difference of a logit {difference:.1e}")
    for runtime in ("torch", "openvino"):
        sums, convolution = best[runtime, "sums"], best[runtime, "convolution"]
        print(
            f"{runtime:9} sums {sums * 1e3:.1f} ms, convolution {convolution * 1e3:.1f} ms, "
            f"{sums / convolution:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
