"""Figures per tile and per run: what was fast, what limits."""
