"""Segments a slide with FAST; runs in an environment with pyfast, see ``against_peers.py``.

    python fast_side.py SLIDE NETWORK.onnx OUT.tiff TILE MARGIN

FAST reads the slide, cuts patches of TILE with MARGIN pixels on each side that it throws away
again, and writes a pyramid of labels.
"""

from __future__ import annotations

import sys

import fast

slide, network, output = sys.argv[1:4]
tile, margin = int(sys.argv[4]), int(sys.argv[5])

importer = fast.WholeSlideImageImporter.create(slide)
patches = fast.PatchGenerator.create(tile, tile, overlapPercent=margin / tile).connect(importer)
labels = fast.SegmentationNetwork.create(
    network,
    # The quicker one of its engines: ONNX Runtime took more than twice as long.
    inferenceEngine="OpenVINO",
    # The class with the largest probability, however small that is.
    threshold=0.0,
).connect(patches)
stitched = fast.PatchStitcher.create(forceImagePyramidOutput=True).connect(labels)
finished = fast.RunUntilFinished.create().connect(stitched)
fast.TIFFImagePyramidExporter.create(output).connect(finished).run()
