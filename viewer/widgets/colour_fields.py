"""Fields for what is done to a slide's colours before the network sees them."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QWidget

from wsiseg.tiling.colour import METHODS, ColourOptions
from wsiseg.viewer.widgets.dialogs import ask_slide
from wsiseg.viewer.widgets.path_field import PathField


class ColourFields(QWidget):
    """The scanner's profile, and how and like what stains are normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.icc = QCheckBox("apply the ICC profile")
        self.stain = QComboBox()
        self.stain.addItem("not normalised", None)
        for method in METHODS:
            self.stain.addItem(f"normalised ({method.capitalize()})", method)
        self.reference = PathField("typical H&E stains", ask_slide)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.icc)
        form.addRow("Stains", self.stain)
        form.addRow("Reference", self.reference)
        self.stain.currentIndexChanged.connect(self._update)
        self._update()

    @property
    def colours(self) -> ColourOptions:
        """What is chosen."""
        method = self.stain.currentData()
        reference = None if method is None else self.reference.path
        return ColourOptions(self.icc.isChecked(), method, reference)

    def _update(self) -> None:
        self.reference.setEnabled(self.stain.currentData() is not None)
