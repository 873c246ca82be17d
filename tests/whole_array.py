"""Post-processing as it is defined, on a whole array at once, an area at a time."""

import numpy as np
from scipy import ndimage

UNSEEN = 255


def beside(mask):
    """Return the four neighbours of every pixel; 255 over the edge."""
    framed = np.pad(mask, 1, constant_values=UNSEEN)
    height, width = mask.shape
    return [
        framed[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))
    ]


def areas(mask):
    """Return the connected areas of equal labels: a number for each pixel, and how many."""
    numbers, count = np.zeros(mask.shape, int), 0
    for label in np.unique(mask[mask != UNSEEN]):
        found, more = ndimage.label(mask == label)
        numbers[found > 0] = found[found > 0] + count
        count += more
    return numbers, count


def fill_holes(mask, label, inside, pixels):
    filled = mask.copy()
    member = np.isin(mask, list(inside))
    numbers, count = ndimage.label(member)
    for number in range(1, count + 1):
        area = numbers == number
        around = np.concatenate([side[area] for side in beside(mask)])
        around = around[~np.isin(around, list(inside))]
        if area.sum() < pixels and (around == label).all():
            filled[area] = label
    return filled


def absorb(mask, pixels, deepest=16):
    numbers, count = areas(mask)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    left = {number for number in range(1, count + 1) if sizes[number] < pixels}
    done = mask.copy()
    for _ in range(deepest):
        open_ones = np.isin(numbers, list(left)).astype(np.uint8)
        taken = {}
        for number in left:
            area = numbers == number
            votes = np.zeros(256, int)
            for label, undecided in zip(beside(done), beside(open_ones), strict=True):
                counted = area & (label != UNSEEN) & (undecided == 0)
                votes += np.bincount(label[counted], minlength=256)
            if votes.any():
                taken[number] = votes.argmax()
        for number, label in taken.items():
            done[numbers == number] = label
        left -= set(taken)
    return done


def smooth(mask, radius):
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (y**2 + x**2 <= radius**2).astype(int)
    labels = np.unique(mask[mask != UNSEEN])
    if not len(labels):
        return mask
    counts = np.stack(
        [ndimage.correlate((mask == each).astype(int), disc, mode="constant") for each in labels]
    )
    own = np.stack([mask == each for each in labels])
    # Own labels win draws, then the first: the lowest.
    best = labels[(2 * counts + own).argmax(axis=0)]
    return np.where(mask == UNSEEN, mask, best).astype(np.uint8)
