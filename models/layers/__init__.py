"""Layers that several networks share, one idea per file, by the names that their papers give them.

A layer of a single network stands in that network's file in :mod:`wsiseg.models.networks`.
"""
