"""What is refused or warned about, and that an ordinary room is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.plate import Severity, check_plate
from tests.core.plate.synthetic import drawn_room, noisy, person_mask, recorded, shots, with_person

ROOM = drawn_room()


def what(findings, severity=None):
    return [f.what for f in findings if severity in (None, f.severity)]


def nobody(rgb):
    return np.zeros(rgb.shape[:2], np.float32)


def test_an_ordinary_room_is_accepted_without_a_word():
    assert check_plate(recorded(shots(ROOM)), nobody) == []


@pytest.mark.parametrize("level", [0, 12])
def test_a_black_picture_is_refused_and_nothing_else_is_said(level):
    findings = check_plate(recorded(shots(np.full_like(ROOM, level))), nobody)
    assert what(findings, Severity.REFUSE) == ["black"]
    assert what(findings) == ["black"]


def test_a_dark_room_is_warned_about():
    assert what(check_plate(recorded(shots((ROOM * 0.3).astype(np.uint8))))) == ["dim"]


@pytest.mark.parametrize(("share", "severity"), [(0.25, Severity.WARN), (0.7, Severity.REFUSE)])
def test_a_blown_out_window_is_warned_about_or_refused(share, severity):
    room = ROOM.copy()
    room[:, : int(640 * share)] = 255
    assert "clipped" in what(check_plate(recorded(shots(room, sigma=0))), severity)


@pytest.mark.parametrize(("sigma_px", "severity"), [(2.2, Severity.WARN), (9.0, Severity.REFUSE)])
def test_a_blurred_picture_is_warned_about_or_refused(sigma_px, severity):
    soft = np.asarray(cv2.GaussianBlur(ROOM, (0, 0), sigma_px))
    assert "blurred" in what(check_plate(recorded(shots(soft, sigma=1.0))), severity)


def test_a_bare_wall_is_warned_about_because_it_cannot_be_followed():
    wall = np.full_like(ROOM, 150)
    cv2.rectangle(wall, (100, 100), (200, 180), (90, 90, 90), -1)
    assert what(check_plate(recorded(shots(wall, sigma=2.0))), Severity.WARN) == ["features"]


def test_somebody_who_walks_through_is_refused():
    rng = np.random.default_rng(0)
    frames = [noisy(with_person(ROOM, 60 + 30 * i), 3.0, rng) for i in range(16)]
    findings = check_plate(recorded(frames))
    assert "moved" in what(findings, Severity.REFUSE)
    assert "leave the room empty" in findings[0].sentence


def test_a_small_screen_that_plays_is_only_warned_about():
    rng = np.random.default_rng(0)
    frames = []
    for i in range(16):
        frame = noisy(ROOM, 3.0, rng)
        frame[40:80, 40:90] = 80 + 60 * (i % 2)
        frames.append(frame)
    assert what(check_plate(recorded(frames))) == ["moved"]
    assert what(check_plate(recorded(frames)), Severity.REFUSE) == []


def test_somebody_who_sits_and_breathes_is_refused():
    rng = np.random.default_rng(0)
    frames = [noisy(with_person(ROOM, 320 + round(2 * np.sin(i / 3))), 3.0, rng) for i in range(16)]
    findings = check_plate(recorded(frames), lambda rgb: person_mask(rgb, 320))
    assert what(findings, Severity.REFUSE) == ["person"]
    assert "EMPTY room" in findings[0].sentence


def test_a_poster_of_a_person_is_only_warned_about():
    poster = with_person(ROOM, 320)
    findings = check_plate(recorded(shots(poster)), lambda rgb: person_mask(rgb, 320))
    assert what(findings) == ["person"]
    assert findings[0].severity is Severity.WARN


def test_a_person_in_a_single_picture_is_refused():
    picture = with_person(ROOM, 320)
    assert what(check_plate(recorded([picture]), lambda rgb: person_mask(rgb, 320)), Severity.REFUSE) == [
        "person"
    ]


@pytest.mark.parametrize(("way_px", "severity"), [(1.0, Severity.WARN), (5.0, Severity.REFUSE)])
def test_a_knocked_camera_is_warned_about_or_refused(way_px, severity):
    move = np.float32([[1, 0, way_px], [0, 1, 0]])
    knocked = np.asarray(cv2.warpAffine(ROOM, move, (640, 360), borderMode=cv2.BORDER_REPLICATE))
    frames = [*shots(ROOM, 6, 1.0), *shots(knocked, 20, 1.0)]
    assert "shifted" in what(check_plate(recorded(frames)), severity)


def test_a_change_of_light_while_recording_is_warned_about():
    frames = [np.clip(ROOM * (0.8 + 0.2 * i / 15), 0, 255).astype(np.uint8) for i in range(16)]
    assert what(check_plate(recorded(frames))) == ["light"]


def test_a_picture_of_one_pixel_gives_findings_and_no_exception():
    findings = check_plate(recorded([np.full((1, 1, 3), 128, np.uint8)]), nobody)
    assert what(findings) == ["features"]


def test_refusals_come_first():
    dim_and_moving = [with_person((ROOM * 0.3).astype(np.uint8), 60 + 30 * i) for i in range(16)]
    severities = [f.severity for f in check_plate(recorded(dim_and_moving))]
    assert severities == sorted(severities, key=lambda s: s is Severity.WARN)
    assert severities[0] is Severity.REFUSE
