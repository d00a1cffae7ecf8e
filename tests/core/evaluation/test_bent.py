"""Rooms beyond one homography: their truth is true."""

import cv2
import numpy as np
import pytest

from core.evaluation import bent, scenes
from core.evaluation.bent import BentClip, Figures
from core.evaluation.scenes import WEBCAM, Scene

SIZE = (320, 180)


def scene() -> Scene:
    rng = np.random.default_rng(0)
    coarse = rng.uniform(30, 220, (90, 180, 3)).astype(np.float32)
    coarse[:, -4:] = coarse[:, :4]
    panorama = cv2.resize(coarse, (1440, 720), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    return Scene("test", panorama, 1.0, 0.05, SIZE, scenes.still(1), None, WEBCAM, 3)


def clips() -> list[BentClip]:
    return list(bent.bent_clips(scene()))


@pytest.mark.parametrize("clip", clips(), ids=lambda clip: clip.name)
def test_each_pixel_shows_what_the_plate_has_at_the_place_it_is_said_to_show(clip: BentClip):
    for truth in clip.frames[::7]:
        x, y = truth.plate_xy[..., 0], truth.plate_xy[..., 1]
        shown = cv2.remap(clip.plate.rgb, x, y, cv2.INTER_CUBIC)
        inside = (x > 1) & (y > 1) & (x < SIZE[0] - 2) & (y < SIZE[1] - 2)
        assert inside.mean() > 0.7
        apart = np.abs(shown.astype(float) - truth.rgb).mean(2)[inside]
        assert np.median(apart) < 4, "noise and JPEG, and no more"


def test_a_straight_lens_and_a_fast_shutter_leave_a_homography():
    clip = bent.turned(scene())
    truth = clip.frames[-1].plate_xy[::20, ::20].reshape(-1, 2)
    y, x = np.mgrid[0 : SIZE[1] : 20, 0 : SIZE[0] : 20].astype(np.float32)
    here = np.stack([x.ravel(), y.ravel()], 1)
    H = cv2.findHomography(here, truth)[0]
    np.testing.assert_allclose(cv2.perspectiveTransform(here[None], H)[0], truth, atol=0.01)


def test_a_matte_that_is_right_has_no_error_whatever_the_camera_does():
    class Nobody:
        def matte(self, rgb, plate_rgb, coverage):
            return np.zeros(rgb.shape[:2], np.uint8)

        def reset(self) -> None: ...

    found = bent.compare([scene()], Nobody())
    assert set(found) == {clip.name for clip in clips()}
    for without, with_mesh in found.values():
        for figures in (without, with_mesh):
            assert max(figures.mad) == 0
            assert all(figures.aligned)
        assert not any(without.meshed)
    near = found["near plane moves 1.10"]
    assert np.mean(near[1].residual_px) < 0.8 * np.mean(near[0].residual_px)
    assert np.mean(near[1].meshed) > 0.5
    assert not any(found["turning camera"][1].meshed)
    assert isinstance(near[0], Figures)
