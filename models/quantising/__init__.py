"""Quantising: a network in bytes, with the ranges of its numbers found on tiles of the user's.

`quantiser` is what all have in common, beside it stands one file per runtime.
"""

from wsiseg.models.quantising.quantiser import CalibrationTiles, Quantiser
from wsiseg.models.quantising.quantising import QUANTISERS, check_quantising, quantise

__all__ = ["QUANTISERS", "CalibrationTiles", "Quantiser", "check_quantising", "quantise"]
