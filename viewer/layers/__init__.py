"""Layers of napari: what is shown of slides, masks, regions and runs, and where it lies.

Nothing here needs a window: :mod:`~wsiseg.viewer.layers.layer_data` makes the tuples that napari
calls *layer data*, of the lazy arrays of :mod:`~wsiseg.viewer.layers.levels`.
"""
