"""A room at the size that a network looks at it."""

import numpy as np

from core.matte.working_size import shrunk_room
from core.types import Room


def test_a_small_pixel_that_is_partly_unknown_is_unknown_and_black() -> None:
    rgb = np.full((8, 16, 3), 200, np.uint8)
    coverage = np.full((8, 16), 255, np.uint8)
    coverage[:, :5], rgb[:, :5] = 0, 0  # up to the middle of the third column of the small room
    small = shrunk_room(Room(rgb, coverage), (8, 4))
    assert small.coverage is not None
    assert small.coverage.tolist() == [[0] * 3 + [255] * 5] * 4
    assert (small.rgb == np.where(small.coverage[..., None] > 0, 200, 0)).all()
