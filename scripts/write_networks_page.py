"""Write docs/networks.md: what was published about each network beside what is computed here.

python scripts/write_networks_page.py          # writes the page
python scripts/write_networks_page.py --check  # fails where it is not what would be written
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from wsiseg.models import create_model, list_architectures
from wsiseg.models.folding import merge_paths
from wsiseg.models.profiling import count_macs, count_parameters, receptive_field
from wsiseg.models.published.comparison import Comparison, compare
from wsiseg.models.registry import Architecture

PAGE = Path(__file__).resolve().parent.parent / "docs" / "networks.md"

CLASSES = 19
"""Those of Cityscapes, as in the papers."""

INTRODUCTION = f"""\
# Networks

`scripts/write_networks_page.py` writes this page.  `wsiseg models show NAME` tells the same about
any form of a network and any number of classes, and what can be set.

## Computed

At {CLASSES} classes.  Parameters are those that training learns, auxiliary heads included, and
those that inference needs.  Operations are multiply-accumulates of convolutions and matrix
products for a picture of 512×1024, those of `ynet-joint` with the diagnosis.  The receptive field
is the theoretical one in pixels; networks that pool globally see the whole picture, or the whole
tile.

| network | paper | parameters | for inference | GMACs | receptive field | sizes |
|---|---|--:|--:|--:|--:|--:|
"""

COMPARISON = """
## Published

What papers, repositories and authors say, and what is computed here for the same form and number
of classes; where both can be compared and are not the same to the last published digit, it says
so.  "Counted" means counted by running the original code.  A form in words is one that cannot be
built here.

| network | figure | published | here | on | source |
|---|---|--:|--:|---|---|
"""

Fields = Mapping[str, str]


def main(arguments: list[str]) -> int:
    """Write the page, or tell whether it is what would be written."""
    page = make_page(measure_fields())
    if "--check" not in arguments:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(f"{PAGE} is out of date: run python {Path(__file__).name}", file=sys.stderr)
    return 1


def measure_fields() -> Fields:
    """Measure every network's receptive field, which takes about a second each."""
    fields = {a.name: receptive_field(a.network(CLASSES)) for a in _own_architectures()}
    return {name: f"{field:,}" if field else "all" for name, field in fields.items()}


def read_fields(page: str) -> Fields:
    """Return the receptive fields that a page tells."""
    rows = re.findall(r"^\| `([^`]+)` \|(?:[^|]*\|){4} ([^|]+) \|[^|]*\|$", page, re.MULTILINE)
    return dict(rows)


def make_page(fields: Fields) -> str:
    """Return the whole page."""
    architectures = _own_architectures()
    computed = "".join(_computed_row(a, fields.get(a.name, "?")) for a in architectures)
    compared = "".join(
        _published_row(a, comparison) for a in architectures for comparison in compare(a.name)
    )
    return INTRODUCTION + computed + COMPARISON + compared


def _own_architectures() -> list[Architecture]:
    """Return the package's own architectures; other programs may register theirs."""
    return [a for a in list_architectures() if a.network.__module__.startswith("wsiseg.")]


def _computed_row(architecture: Architecture, field: str) -> str:
    # Shapes are enough to count.
    with torch.device("meta"):
        network = create_model(architecture.name, CLASSES)
    cells = (
        f"`{architecture.name}`",
        architecture.paper,
        f"{count_parameters(network):,}",
        f"{count_parameters(merge_paths(network)):,}",
        f"{count_macs(network) / 1e9:.3f}",
        field,
        f"× {network.input_multiple}",
    )
    return f"| {' | '.join(cells)} |\n"


def _published_row(architecture: Architecture, comparison: Comparison) -> str:
    figure = comparison.figure
    cells = (
        f"`{architecture.name}`" + (f" {figure.form}" if figure.form else ""),
        figure.measure,
        f"{figure.digits} {figure.unit}",
        comparison.text,
        figure.on,
        figure.source,
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
