"""Slides and masks in napari, and what can be done with them in its window.

``readers/`` opens files, ``layers/`` makes napari's layers of them, ``widgets/`` holds the docks.
:mod:`~wsiseg.viewer.window` opens a window with all of it, and :mod:`~wsiseg.viewer.scene` says
what is in it.  What the widgets do without Qt is in :mod:`~wsiseg.viewer.segmentation`,
:mod:`~wsiseg.viewer.painting`, :mod:`~wsiseg.viewer.saving`, :mod:`~wsiseg.viewer.fine_tuning` and
:mod:`~wsiseg.viewer.measuring`.
"""
