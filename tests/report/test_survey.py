"""What a survey says of a mask is what the whole array says."""

import numpy as np
import pytest

from stored_masks import draw_cells, write_mask
from wsiseg.exports.mask import open_mask
from wsiseg.report import survey as surveying
from wsiseg.report.fields import choose_fields
from wsiseg.report.sources import shrink
from wsiseg.report.survey import survey


@pytest.fixture
def coarse(monkeypatch):
    """Let a small mask be large: its overview has 100 pixels and is made of 400 or fewer."""
    monkeypatch.setattr(surveying, "_LONGEST", 100)
    monkeypatch.setattr(surveying, "_FINEST", 1100)
    monkeypatch.setattr(surveying, "FIELD", 64)


def reduced(values, factor):
    """Return the mean of squares, those at the edges cut, as the obvious loop has it."""
    height, width = (-(-side // factor) for side in values.shape)
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            part = values[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            out[y, x] = part.mean()
    return out


@pytest.mark.parametrize("shape", [(300, 217), (50, 1029), (1, 1)])
def test_shares_and_counts_are_those_of_the_array(coarse, tmp_path, shape):
    labels = draw_cells(*shape) if min(shape) > 1 else np.ones(shape, np.uint8)
    found = survey(open_mask(write_mask(tmp_path, labels)))
    assert found.halvings == 0
    assert set(found.shares) == set(np.unique(labels).tolist())
    for label, share in found.shares.items():
        there = labels == label
        assert np.abs(share - 255 * reduced(there, found.factor)).max() <= 0.501
        fields = reduced(there, 64)
        assert found.counts[label].shape == fields.shape
        assert found.counts[label].sum() == there.sum()


def test_a_large_mask_is_read_at_a_coarser_level(coarse, tmp_path):
    labels = draw_cells(900, 2100)
    found = survey(open_mask(write_mask(tmp_path, labels)))
    assert (found.halvings, found.factor, found.times) == (1, 11, 22)
    assert max(found.shape) <= 100
    share = found.shares[1] / 255
    assert abs(share.mean() - (labels == 1).mean()) < 0.01
    np.testing.assert_allclose(share[:40, :95], reduced(labels == 1, 22)[:40, :95], atol=0.12)


def test_means_are_rounded_and_edges_are_whole():
    assert shrink(np.array([[0, 1, 7]], np.uint8), 2).tolist() == [[1, 7]]
    assert shrink(np.full((5, 7, 3), 200, np.uint8), 4).shape == (2, 2, 3)


def test_fields_begin_with_the_rarest_class_and_overlap_little(coarse, tmp_path):
    labels = np.zeros((640, 640), np.uint8)
    labels[:320, :] = 1
    labels[500:510, 70:80] = 2
    chosen = choose_fields(survey(open_mask(write_mask(tmp_path, labels))))
    # Of the upper and the lower half, the lower is less by the speck.
    assert [field.label for field in chosen] == [2, 0, 0, 0, 0, 0]
    first = chosen[0].box
    assert (labels[first.y : first.bottom, first.x : first.right] == 2).sum() == 100
    for i, one in enumerate(chosen):
        for other in chosen[:i]:
            assert one.box.intersection(other.box).area <= one.box.area / 4


def test_nothing_analysed_gives_no_fields(coarse, tmp_path):
    found = survey(open_mask(write_mask(tmp_path, np.full((300, 300), 255, np.uint8))))
    assert choose_fields(found) == []
