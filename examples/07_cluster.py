"""Segment one slide on several processes, as on several machines.

    python examples/07_cluster.py -o out/

With a scheduler of your own: `open_cluster("tcp://scheduler:8786")`; see docs/cluster.md.
"""

import argparse
from importlib.resources import files
from pathlib import Path

import numpy as np

import wsiseg
from wsiseg.cluster import open_cluster

SLIDE = Path(str(files("wsiseg.demo") / "CMU-1-Small-Region.svs"))


def main(folder: Path) -> bool:
    """Tell whether two workers leave the same mask as this process alone."""
    settings = {"mpp": 1.0, "tissue": "none"}
    alone = wsiseg.segment(SLIDE, output=folder / "alone", **settings)
    with open_cluster(workers=2) as cluster:
        together = wsiseg.segment(SLIDE, output=folder / "together", cluster=cluster, **settings)
    same = bool(np.array_equal(alone.labels[:], together.labels[:]))
    print("the masks are the same" if same else "the masks differ")
    return same


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out"))
    main(parser.parse_args().output)
