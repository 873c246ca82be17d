"""Slides and masks in napari: what is shown, and what can be done with it on the screen.

:mod:`~wsiseg.viewer.levels` and :mod:`~wsiseg.viewer.layers` turn slides and masks into layers and
know nothing of Qt; :mod:`~wsiseg.viewer.opening` fills a window; the widgets are in
:mod:`wsiseg.viewer.widgets`.
"""
