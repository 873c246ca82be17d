"""Readers of napari: slides, masks and other stores as layers, and the demonstration sample.

:mod:`~wsiseg.viewer.readers.finder` answers at once whether a file is one of ours; the other
modules are loaded when the first such file is opened.
"""
