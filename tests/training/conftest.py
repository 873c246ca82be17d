"""What tests of training share."""

import pytest

from pictures import write_pictures


@pytest.fixture
def pictures(tmp_path):
    """Return the folders of four pictures and their masks."""
    return write_pictures(tmp_path, 4)
