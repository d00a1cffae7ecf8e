"""The idle picture is drawn at any size and shows nothing of a camera."""

from __future__ import annotations

import numpy as np
import pytest

from live.idle import IdlePicture


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (63, 47), (360, 640), (1280, 720)])
def test_it_has_the_size_asked_for(size: tuple[int, int]) -> None:
    picture = IdlePicture(size).picture("camera is paused", 12, 3)
    assert picture.rgb.shape == (size[1], size[0], 3)
    assert picture.idle
    assert picture.alpha_u8 is None
    assert (picture.time_ns, picture.index) == (12, 3)


def test_the_reason_can_be_seen_in_it() -> None:
    idle = IdlePicture((640, 360))
    paused, gone = idle.picture("camera is paused", 0, 0).rgb, idle.picture("camera is gone", 0, 0).rgb
    assert (paused != gone).any()
    assert paused[:100].max() < 100  # dark around the words


def test_a_long_reason_stays_inside_the_picture() -> None:
    rgb = IdlePicture((320, 180)).picture("a very long reason indeed, " * 5, 0, 0).rgb
    assert rgb[:, :2].max() < 100
    assert rgb[:, -2:].max() < 100


def test_the_same_reason_is_drawn_once() -> None:
    idle = IdlePicture((64, 48))
    assert np.shares_memory(idle.picture("starting", 0, 0).rgb, idle.picture("starting", 5, 1).rgb)
