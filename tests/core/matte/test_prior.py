"""The segmenter finds a person in lying, square and upright pictures, and nobody in an empty room."""

import cv2
import numpy as np
import pytest

from core.matte.prior import SIZE, SelfieSegmenter
from core.render.build import MatterOptions, build_platenet
from live.sources.demo import DemoSource


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The demo's picture, its empty room, and where the person is by comparison of the two."""
    demo = DemoSource((1280, 720))
    rgb, room = demo.picture(0.0), demo.plate().rgb
    return rgb, room, build_platenet(MatterOptions("cpu", threads=1))[0].matte(rgb, room, None) > 127


@pytest.mark.parametrize("aspect", [16 / 9, 4 / 3, 1.0, 9 / 16])
def test_a_person_is_found_at_any_aspect(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray], aspect: float
) -> None:
    rgb, _, person = scene
    middle = round(float(np.nonzero(person.any(0))[0].mean()))
    width = min(1280, round(720 * aspect))
    left = int(np.clip(middle - width // 2, 0, 1280 - width))
    seen = SelfieSegmenter()(np.ascontiguousarray(rgb[:, left : left + width])) > 0.5
    truth = person[:, left : left + width]
    assert (seen & truth).sum() / (seen | truth).sum() > 0.85


def test_an_empty_room_holds_nobody(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    assert (SelfieSegmenter()(scene[1]) > 0.5).mean() < 0.005


def test_a_narrow_picture_leaves_nothing_behind_for_the_next_one(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    rgb = scene[0]
    upright = np.ascontiguousarray(rgb[:, 400:805])
    fresh, used = SelfieSegmenter(), SelfieSegmenter()
    used.mask(rgb)
    assert (used.mask(upright) == fresh.mask(upright)).all()
    assert (used.mask(rgb) == SelfieSegmenter().mask(rgb)).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (4000, 3), (641, 359)])
def test_every_size_is_taken(size: tuple[int, int]) -> None:
    width, height = size
    segmenter = SelfieSegmenter()
    picture = cv2.resize(np.zeros((2, 2, 3), np.uint8), size)
    assert segmenter.mask(picture).shape[0] == SIZE[1]
    assert segmenter(picture).shape == (height, width)
