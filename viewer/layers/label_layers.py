"""Labels in the window: their border, classes that are hidden, and keys that choose a class."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from napari.utils.colormaps import DirectLabelColormap

from wsiseg.viewer.layers.layer_data import BORDER, CLEAR, KEY, MaskView, unit_rgba
from wsiseg.viewer.layers.region import RegionView

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

_THICKNESS = 2
_KEYS = range(1, 10)


def equip(layer: Layer) -> None:
    """Give labels of this package their border and their keys; leave other layers as they are.

    A part of a slide gets a border, which covers nothing that is to be looked at.  The keys 1 to 9
    choose the class that is painted, or show and hide one where nothing can be painted.

    Parameters
    ----------
    layer : napari.layers.Layer
        In a window or about to be.
    """
    view = layer.metadata.get(KEY)
    if isinstance(view, MaskView | RegionView) and hasattr(layer, "selected_label"):
        show_border(layer, visible=isinstance(view, RegionView))
        for number in _KEYS:
            layer.bind_key(str(number), _press(number), overwrite=True)


def show_border(layer: Layer, *, visible: bool = True) -> None:
    """Draw a line around a layer, or none.

    Parameters
    ----------
    layer : napari.layers.Layer
        In a window or about to be.
    visible : bool
        Whether there is a line.
    """
    border = layer.bounding_box
    border.points, border.line_color, border.line_thickness = False, BORDER, _THICKNESS
    border.visible = visible


def class_values(layer: Labels) -> list[int]:
    """Return the labels of the classes of a layer, in their order."""
    return sorted(layer.metadata[KEY].classes)


def hidden_classes(layer: Labels) -> set[int]:
    """Return the labels of the classes that are hidden."""
    colours = getattr(layer.colormap, "color_dict", {})
    return {value for value in class_values(layer) if value in colours and not colours[value][3]}


def hide_classes(layer: Labels, hidden: Collection[int]) -> None:
    """Hide these classes of a layer, and show its others.

    Parameters
    ----------
    layer : napari.layers.Labels
        A mask or a part of a slide.
    hidden : collection of int
        Their labels.
    """
    if not isinstance(layer.colormap, DirectLabelColormap):
        # The user has chosen napari's own colours.
        return
    colours = dict(layer.colormap.color_dict)
    for value, entry in layer.metadata[KEY].classes.items():
        colours[value] = CLEAR if value in hidden else unit_rgba(entry)
    changed = DirectLabelColormap(color_dict=colours)
    changed.background_value = layer.colormap.background_value
    layer.colormap = changed


def toggle_class(layer: Labels, value: int) -> None:
    """Hide a class that is shown, or show one that is hidden.

    Parameters
    ----------
    layer : napari.layers.Labels
        A mask or a part of a slide.
    value : int
        The label of the class.
    """
    hide_classes(layer, hidden_classes(layer) ^ {value})


def _press(number: int) -> Callable[[Labels], None]:
    def choose(layer: Labels) -> None:
        values = class_values(layer)
        if number > len(values):
            return
        value = values[number - 1]
        if isinstance(layer.metadata[KEY], RegionView) and layer.editable:
            layer.selected_label = value
        else:
            toggle_class(layer, value)

    return choose


def describe_keys(layer: Labels) -> str:
    """Return what the keys 1 to 9 do to a layer, in a line."""
    paints = isinstance(layer.metadata[KEY], RegionView) and layer.editable
    return "Keys 1-9 choose what is painted." if paints else "Keys 1-9 show and hide a class."
