"""What users are asked to pick from the disk."""

from __future__ import annotations

from qtpy.QtWidgets import QFileDialog, QWidget


def ask_checkpoint(over: QWidget) -> str:
    """Return the checkpoint that was picked, or nothing."""
    name, _ = QFileDialog.getOpenFileName(
        over, "Choose a checkpoint", "", "Checkpoints (*.safetensors)"
    )
    return str(name)


def ask_folder(over: QWidget) -> str:
    """Return the folder that was picked, or nothing."""
    return str(QFileDialog.getExistingDirectory(over, "Choose a folder"))


def ask_slide(over: QWidget) -> str:
    """Return the slide, picture or file of stains that was picked, or nothing."""
    return str(QFileDialog.getOpenFileName(over, "Choose a reference slide or picture")[0])
