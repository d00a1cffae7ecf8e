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


def test_a_bent_person_is_the_same_one_in_another_shape() -> None:
    material, seed = drawn_material(), 7
    sure = []

    def placed(bend: np.ndarray | None) -> np.ndarray:
        rng = np.random.default_rng(seed)
        cast = Cast(material, (128, 96), Rooms(material, (128, 96), rng), rng)
        return cast._place(cast._people[0], 0.7, bend)

    plain = placed(None)
    assert plain[..., 3].max() == 1
    unmoved = placed(np.zeros((96, 128, 2), np.float32))
    assert np.abs(unmoved - plain).mean() < 2e-3, "a bend of nothing changes nothing"
    rng = np.random.default_rng(seed)
    cast = Cast(material, (128, 96), Rooms(material, (128, 96), rng), rng)
    for _ in range(20):
        bend = cast._bend()
        assert bend.shape == (96, 128, 2)
        slope = max(np.abs(np.diff(bend, axis=axis)).max() for axis in (0, 1))
        assert slope < 0.02, "smooth: a pixel's neighbours are stretched by a few percent"
        bent = placed(bend)
        assert (bent[..., :3] <= bent[..., 3:] + 1e-6).all(), "still premultiplied"
        sure.append((bent[..., 3] > 0.9).mean() / (plain[..., 3] > 0.9).mean())
    assert np.std(sure) > 0.005, "not twice of the same size"
    assert 0.7 < min(sure) <= max(sure) < 1.4
