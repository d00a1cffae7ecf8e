"""Synthetic scenes: their truth is true."""

import cv2
import numpy as np
import pytest

from core.evaluation import scenes
from core.evaluation.scenes import CLEAN, Person, Scene, Trouble, corner_error_px
from core.evaluation.tracks import Table, percentiles

SIZE = (160, 90)


def _panorama(seed: int = 0) -> np.ndarray:
    """Smooth colours all round, uint8 256x512x3, the same at both ends."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(30, 220, (32, 64, 3)).astype(np.float32)
    coarse[:, -4:] = coarse[:, :4]
    return cv2.resize(coarse, (512, 256), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def _scene(poses: np.ndarray, trouble: Trouble = CLEAN, person: Person | None = None) -> Scene:
    return Scene("test", _panorama(), 1.0, 0.05, SIZE, poses, person, trouble, 3)


def test_the_true_homography_takes_the_plate_to_the_frame():
    scene = _scene(scenes.pan(12, 6.0, seed=1))
    for truth in scene:
        warped = cv2.warpPerspective(scene.plate.rgb, truth.H, SIZE, flags=cv2.INTER_CUBIC)
        inside = cv2.warpPerspective(np.full(SIZE[::-1], 255, np.uint8), truth.H, SIZE) == 255
        assert np.abs(warped.astype(int) - truth.room)[inside].mean() < 1.0


def test_a_still_camera_has_the_identity():
    for truth in _scene(scenes.still(3)):
        np.testing.assert_allclose(truth.H, np.eye(3), atol=1e-9)


def test_a_scene_renders_the_same_twice():
    scene = _scene(scenes.pan(3, 2.5, seed=2), Trouble(noise=3.0, drift=0.1))
    for first, second in zip(scene, scene, strict=True):
        np.testing.assert_array_equal(first.frame.rgb, second.frame.rgb)


def test_a_bump_moves_the_picture_by_that_many_pixels():
    truth = list(_scene(scenes.bump(3, 1, 10.0, SIZE, seed=4)))
    centre = truth[1].H @ np.array([79.5, 44.5, 1.0])
    moved = np.hypot(centre[0] / centre[2] - 79.5, centre[1] / centre[2] - 44.5)
    assert moved == pytest.approx(10.0, rel=0.02)


def test_a_person_covers_the_share_asked_for_and_shows_its_own_colour():
    rgba = np.zeros((40, 30, 4), np.uint8)
    rgba[2:, 4:26] = (200, 10, 10, 255)
    truth = next(iter(_scene(scenes.still(1), CLEAN, Person([rgba], 0.3, seed=0))))
    assert 0.15 < truth.alpha.mean() < 0.35
    inside = truth.alpha > 0.99
    np.testing.assert_allclose(truth.frame.rgb[inside].mean(0), (200, 10, 10), atol=4)


def test_drift_changes_the_frame_and_not_the_room():
    scene = _scene(scenes.still(4), Trouble(noise=0, jpeg=0, drift=0.25))
    rooms = [truth.room for truth in scene]
    np.testing.assert_array_equal(rooms[0], rooms[-1])
    means = [truth.frame.rgb.mean() for truth in scene]
    assert max(means) - min(means) > 2


def test_the_corner_error_is_the_mean_distance_of_four_corners():
    shift = np.array([[1.0, 0, 3], [0, 1, 4], [0, 0, 1]])
    assert corner_error_px(shift, np.eye(3), SIZE) == pytest.approx(5.0)


def test_the_table_shows_which_goals_hold():
    table = Table()
    table.add("jitter", "<= 0.02 px", "0.01 px", True)
    table.add("cost", "<= 3 ms", "9 ms", False)
    lines = table.text().splitlines()
    assert lines[2].endswith("yes")
    assert lines[3].endswith("NO")


def test_percentiles_of_nothing_are_unknown():
    assert np.isnan(percentiles([])).all()


def test_places_of_the_shared_material_can_be_followed(shared):
    places = scenes.panoramas(shared)
    panorama = scenes.load_panorama(places[0])
    yaw = scenes.direction_to_follow(panorama, SIZE, np.random.default_rng(0))
    assert 0 <= yaw < 2 * np.pi
    assert panorama.shape[1] == 2 * panorama.shape[0]
