"""Which mode of a camera is taken for what was asked."""

from __future__ import annotations

import pytest

from live.modes import Mode, best_mode

RAW = [Mode("YUYV", (640, 480), 30), Mode("YUYV", (1280, 720), 10), Mode("YUYV", (640, 360), 30)]
MJPG = [Mode("MJPG", (640, 480), 30), Mode("MJPG", (1280, 720), 30), Mode("MJPG", (1920, 1080), 30)]


@pytest.mark.parametrize(
    ("size", "fps", "code", "granted", "rate"),
    [
        ((1280, 720), 30, "MJPG", (1280, 720), 30),
        ((640, 480), 15, "MJPG", (640, 480), 15),  # both can: MJPG leaves room on the cable
        ((640, 360), 30, "YUYV", (640, 360), 30),  # the size counts more than the format
        ((1280, 720), 60, "MJPG", (1280, 720), 30),
        ((3840, 2160), 30, "MJPG", (1920, 1080), 30),
        ((1000, 560), 30, "MJPG", (1280, 720), 30),
        ((320, 180), 30, "YUYV", (640, 360), 30),  # the shape is kept
    ],
)
def test_the_nearest_mode_is_taken(size, fps, code, granted, rate):
    assert best_mode([*RAW, *MJPG], size, fps) == Mode(code, granted, rate)


def test_a_smaller_picture_is_better_than_one_in_fits_and_starts():
    assert best_mode(RAW, (1280, 720), 30).size == (640, 360)


def test_a_rate_that_is_not_listed_is_asked_for():
    assert best_mode([Mode("YUYV", (640, 480), 0)], (640, 480), 25) == Mode("YUYV", (640, 480), 25)


def test_a_camera_that_lists_nothing_readable_is_asked_for_mjpg():
    infrared = [Mode("GREY", (640, 360), 30)]
    for modes in ([], infrared):
        assert best_mode(modes, (1280, 720), 30) == Mode("MJPG", (1280, 720), 30)
