"""A camera's faults are as large as its picture makes them."""

import cv2
import numpy as np

from core.training.camera import packed


def test_jpeg_of_a_larger_picture_leaves_smaller_faults() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(120, 60, (96, 128, 3)).astype(np.float32)
    picture = np.clip(cv2.GaussianBlur(noise, (0, 0), 1), 0, 255).astype(np.uint8)
    plain = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
    assert (packed(picture, 70, 1.0) == plain).all()
    faults = [np.abs(packed(picture, 70, shrunk).astype(int) - picture).mean() for shrunk in (1, 1.5, 2.5)]
    assert 0 < faults[2] < faults[1] < faults[0]
