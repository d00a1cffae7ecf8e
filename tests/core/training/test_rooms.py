"""Views of rooms are those asked for."""

import cv2
import numpy as np

from core.training.rooms import panorama_map


def test_a_panorama_view_looks_where_it_is_told() -> None:
    panorama = np.zeros((180, 360, 3), np.uint8)
    panorama[:, 200:280] = 255  # longitudes 20 to 100 degrees
    for yaw, expected in ((60, 255), (-60, 0)):
        mx, my = panorama_map((64, 36), np.radians(yaw), 0, 0, np.radians(40), (360, 180))
        assert (cv2.remap(panorama, mx, my, cv2.INTER_LINEAR)[18, 32] == expected).all()
