"""Plate refresh: daylight fades in, a person never does."""

from dataclasses import replace

import numpy as np
import pytest

from core.plate.refresh import KEEP_OFF_PX, PlateRefresh
from core.types import Alignment, Light, Plate, State, View

SHAPE = (45, 80)
TEN_MINUTES = 120  # lessons, one every five seconds


def _room() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 180, (*SHAPE, 3)).astype(np.uint8)


def _locked(gain: float = 1.0) -> Alignment:
    return Alignment(np.eye(3), Light(np.full(3, gain, np.float32)), State.LOCKED, 1.0, "still")


def _refresh(rgb: np.ndarray, absorb_after: int | None = None) -> PlateRefresh:
    return PlateRefresh(Plate("room", (80, 45), (View(rgb),)), absorb_after)


NOBODY = np.zeros(SHAPE, np.uint8)


@pytest.mark.parametrize("absorb_after", [None, 30])
@pytest.mark.parametrize("tone", [20, 115, 240])
def test_a_person_sitting_still_for_ten_minutes_stays_in_front(absorb_after: int | None, tone: int):
    rgb = _room()
    frame, alpha = rgb.copy(), NOBODY.copy()
    frame[10:, 25:55], alpha[10:, 25:55] = tone, 255
    refresh = _refresh(rgb, absorb_after)
    for _ in range(TEN_MINUTES):
        refresh.learn(frame, alpha, _locked())
    np.testing.assert_array_equal(refresh.plate().rgb[10:, 25:55], rgb[10:, 25:55])


def test_even_a_person_the_matte_misses_is_too_large_to_be_taken_for_a_thing():
    rgb = _room()
    frame = rgb.copy()
    frame[10:, 25:55] = 240
    refresh = _refresh(rgb, absorb_after=30)
    for _ in range(80):
        refresh.learn(frame, NOBODY, _locked())
    np.testing.assert_array_equal(refresh.plate().rgb[10:, 25:55], rgb[10:, 25:55])


def test_a_slow_local_change_of_light_fades_in():
    rgb = _room()
    brighter = rgb.copy()
    brighter[:, :20] += 6
    refresh = _refresh(rgb)
    for _ in range(120):
        refresh.learn(brighter, NOBODY, _locked())
    assert np.abs(refresh.plate().rgb[:, :20].astype(int) - brighter[:, :20]).max() <= 1


def test_the_global_light_is_not_learnt_twice():
    rgb = _room()
    refresh = _refresh(rgb)
    for _ in range(60):
        refresh.learn((rgb * 1.2).astype(np.uint8), NOBODY, _locked(gain=1.2))
    assert np.abs(refresh.plate().rgb.astype(int) - rgb).max() <= 1


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 6.0), (1.04, 0.0), (0.95, 4.0)])
def test_what_the_light_has_not_followed_yet_is_not_learnt_for_what_is_seen_alone(gain: float, offset: float):
    rgb = _room()
    frame, alpha = np.rint(rgb * gain + offset).astype(np.uint8), NOBODY.copy()
    alpha[10:, 25:55] = 255
    refresh = _refresh(rgb)
    for _ in range(200):
        refresh.learn(frame, alpha, _locked())
    assert np.abs(refresh.plate().rgb.astype(int) - rgb).max() <= 1


@pytest.mark.parametrize("value", [0, 7, 128, 255])
def test_a_plate_of_one_tone_and_one_that_is_hidden_wholly_teach_nothing_odd(value: int):
    rgb = np.full((*SHAPE, 3), value, np.uint8)
    refresh = _refresh(rgb)
    for alpha in (NOBODY, NOBODY + 255):
        refresh.learn(np.clip(rgb.astype(int) + 4, 0, 255).astype(np.uint8), alpha, _locked())
    assert np.abs(refresh.plate().rgb.astype(int) - rgb).max() <= 1


def test_nothing_is_learnt_within_the_promised_distance_of_somebody():
    rgb = np.random.default_rng(0).integers(60, 180, (360, 640, 3)).astype(np.uint8)
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[:, 300:340] = 255
    shimmer = rgb.copy()  # no darker as a whole: that would be passed on to what is hidden
    signs = np.random.default_rng(1).choice([-8, 8], (360, 60, 1))
    shimmer[:, 340 : 340 + 60] = rgb[:, 340 : 340 + 60] + signs
    refresh = PlateRefresh(Plate("room", (640, 360), (View(rgb),)))
    for _ in range(60):
        refresh.learn(shimmer, alpha, _locked())
    learnt = (np.abs(refresh.plate().rgb.astype(int) - rgb) > 3).any(2).mean(0)
    assert (learnt[340 - KEEP_OFF_PX : 340 + KEEP_OFF_PX] < 0.01).all()
    assert learnt[340 + 2 * KEEP_OFF_PX] > 0.9


def test_a_patch_of_sun_that_came_slowly_and_went_at_once_goes_from_the_plate_too():
    rgb = _room()
    sunny = rgb.copy()
    refresh = _refresh(rgb)
    for lesson in range(200):
        sunny[:20, :20] = rgb[:20, :20] + np.uint8(min(lesson * 0.3, 50))
        refresh.learn(sunny, NOBODY, _locked())
    assert (refresh.plate().rgb[:20, :20] > rgb[:20, :20] + 40).all()
    for _ in range(120):
        refresh.learn(rgb, NOBODY, _locked())
    assert np.abs(refresh.plate().rgb.astype(int) - rgb).max() <= 1


def test_a_moved_cup_becomes_room_only_when_asked_for_and_after_a_while():
    rgb = _room()
    cup = rgb.copy()
    cup[20:25, 10:15] = 250
    patient, never = _refresh(rgb, absorb_after=30), _refresh(rgb)
    for lesson in range(40):
        patient.learn(cup, NOBODY, _locked())
        never.learn(cup, NOBODY, _locked())
        if lesson == 20:
            np.testing.assert_array_equal(patient.plate().rgb[21:24, 11:14], rgb[21:24, 11:14])
    assert (patient.plate().rgb[21:24, 11:14] == 250).all()
    np.testing.assert_array_equal(never.plate().rgb[21:24, 11:14], rgb[21:24, 11:14])


@pytest.mark.parametrize("state", [State.TRACKING, State.LOST, State.NONE])
def test_only_a_locked_camera_teaches(state: State):
    rgb = _room()
    refresh = _refresh(rgb)
    H = None if state in (State.LOST, State.NONE) else np.eye(3)
    for _ in range(50):
        refresh.learn(rgb + 5, NOBODY, Alignment(H, Light(), state, 0.5, ""))
    np.testing.assert_array_equal(refresh.plate().rgb, rgb)


def test_a_camera_that_has_stepped_aside_teaches_nothing():
    rgb = _room()
    refresh = _refresh(rgb)
    bent = replace(_locked(), mesh=np.full((7, 12, 2), 0.5, np.float32))
    for _ in range(50):
        refresh.learn(rgb + 5, NOBODY, bent)
    np.testing.assert_array_equal(refresh.plate().rgb, rgb)


def test_the_recorded_plate_is_not_touched():
    rgb = _room()
    before = rgb.copy()
    warmer = before.copy()
    warmer[:, :20] += 5
    refresh = _refresh(rgb)
    for _ in range(50):
        refresh.learn(warmer, NOBODY, _locked())
    np.testing.assert_array_equal(rgb, before)
    assert (refresh.plate().rgb != before).any()
