"""Small trainings, and what is heard of them."""

import csv

from pictures import CLASS_MAP
from wsiseg.training import DataOptions, TrainOptions
from wsiseg.training.listener import TrainingListener

SMALL = {"alpha2": 1, "alpha3": 1}


class RecordingListener(TrainingListener):
    def __init__(self):
        self.losses, self.rows, self.warnings, self.notes = [], [], [], []

    def stepped(self, epoch, step, loss):
        self.losses.append(loss)

    def finished_epoch(self, row, best):
        self.rows.append(dict(row))

    def warned(self, text):
        self.warnings.append(text)

    def noted(self, text):
        self.notes.append(text)


def options(pictures, **settings):
    images, labels = pictures
    data = DataOptions(images=images, labels=labels, class_map=CLASS_MAP)
    usual = {"arguments": SMALL, "epochs": 2, "batch": 2, "workers": 0, "augment": "none"}
    return TrainOptions(data=data, **{**usual, **settings})


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))
