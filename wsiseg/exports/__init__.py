"""Exports: measurements of masks, and files for other programs."""
