"""Segments a slide with MONAI; runs in an environment with monai, see ``against_peers.py``.

    python monai_side.py SLIDE NETWORK.pt OUT.npy TILE OVERLAP THREADS

The slide is read whole and taken through ``sliding_window_inference``, Gaussian, in memory.
"""

from __future__ import annotations

import sys

import numpy as np
import tifffile
import torch
from monai.inferers import sliding_window_inference
from monai.transforms import AsDiscrete

slide, network_file, output = sys.argv[1:4]
tile, overlap, threads = (int(each) for each in sys.argv[4:7])

torch.set_num_threads(threads)
network = torch.jit.load(network_file)
pixels = torch.from_numpy(tifffile.imread(slide, level=0))
with torch.inference_mode():
    logits = sliding_window_inference(
        pixels.permute(2, 0, 1)[None].float(),
        roi_size=(tile, tile),
        sw_batch_size=4,
        predictor=network,
        overlap=overlap / tile,
        mode="gaussian",
    )
    labels = AsDiscrete(argmax=True)(logits[0])[0].to(torch.uint8)
np.save(output, labels.numpy())
