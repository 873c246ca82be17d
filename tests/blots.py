"""A slide to paint on, and blots of three classes."""

import dataclasses

import numpy as np

from array_slide import ArraySlide
from wsiseg.classes import LabelClass
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import SlideView

HEIGHT, WIDTH = 630, 811
CLASSES = {
    0: LabelClass("tumour", (200, 0, 0)),
    1: LabelClass("stroma", (0, 0, 200)),
    2: LabelClass("fat", (250, 250, 0)),
}
WHOLE, MIDDLE = Box(0, 0, HEIGHT, WIDTH), Box(121, 203, 211, 307)


def view_of(mpp=0.5, bounds=None):
    slide = ArraySlide(np.zeros((HEIGHT, WIDTH, 3), np.uint8), mpp=mpp)
    slide.facts = dataclasses.replace(slide.facts, bounds=bounds)
    return SlideView(slide, Frame.of(slide))


def blots(shape, seed=0):
    """Return the three classes in blots, with unannotated ones between, and some lone pixels."""
    random = np.random.default_rng(seed)
    coarse = random.choice(np.array([0, 1, 2, NO_LABEL], np.uint8), (50, 50))
    labels = np.kron(coarse, np.ones((23, 23), np.uint8))[: shape[0], : shape[1]].copy()
    labels[random.random(labels.shape) < 0.01] = 1
    return labels
