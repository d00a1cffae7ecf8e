"""People in training wear more than their cut-outs do."""

import numpy as np

from core.training.cast import Cast
from core.training.rooms import Rooms
from tests.core.training.test_synthesis import drawn_material


def test_other_clothes_change_colours_and_nothing_else() -> None:
    material, rng = drawn_material(), np.random.default_rng(5)
    cast = Cast(material, (128, 96), Rooms(material, (128, 96), rng), rng)
    layer = np.zeros((96, 128, 4), np.float32)
    layer[20:, 40:90, 3] = 1
    layer[20:, 38:40, 3] = layer[20:, 90:92, 3] = 0.3
    layer[..., :3] = layer[..., 3:] * np.float32((0.8, 0.3, 0.2))
    inside, changes = layer[..., 3] == 1, []
    for _ in range(40):
        dressed = layer.copy()
        cast._dress(dressed)
        assert (dressed[..., 3] == layer[..., 3]).all()
        assert (dressed[..., :3] >= 0).all()
        assert (dressed[..., :3] <= layer[..., 3:] + 1e-6).all(), "still premultiplied"
        changes.append(np.abs(dressed - layer).max(2)[inside] > 0.1)
    worn = np.mean(changes, 0).reshape(76, 50).mean(1)
    assert np.mean([c.mean() for c in changes]) > 0.2
    assert worn[-10:].mean() > 2 * worn[:10].mean(), "mostly below a line: heads keep their colours"
    empty = np.zeros((96, 128, 4), np.float32)
    cast._dress(empty)
    assert not empty.any()
