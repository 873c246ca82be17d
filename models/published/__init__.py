"""What has been published about each architecture: accuracy, size, speed, and by whom.

Only figures that stand in a paper, a repository or an answer of the authors, and what was counted
by running the original code.  What is read off a chart says so.
"""

from wsiseg.models.published.figure import UNITS, Figure
from wsiseg.models.published.listing import list_figures

__all__ = ["UNITS", "Figure", "list_figures"]
