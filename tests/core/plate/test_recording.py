"""Many frames into one plate: exact where nothing happens, unmoved by what passes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.errors import PlateError
from core.plate import Recorder
from core.plate.recording import MAX_BLOCKS
from tests.core.plate.synthetic import drawn_room, noisy, recorded, shots, with_person


def test_the_mean_of_noisy_frames_is_the_room():
    room = drawn_room()
    recording = recorded(shots(room, count=40, sigma=4.0))
    error = np.abs(recording.rgb.astype(float) - room)
    assert error.mean() < 0.7  # 4 / sqrt(40) = 0.63 of noise gives a mean error of 0.5, and rounding
    assert recording.frames == 40
    assert recording.size == (640, 360)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 8.0])
def test_the_noise_level_is_one_frames_standard_deviation(sigma):
    assert recorded(shots(drawn_room(), sigma=sigma)).noise == pytest.approx(np.hypot(sigma, 0.29), rel=0.05)


def test_noise_is_unknown_from_one_picture_or_a_white_one():
    assert recorded([drawn_room()]).noise == 0.0
    assert recorded([np.full((90, 160, 3), 255, np.uint8)] * 5).noise == 0.0


def test_somebody_who_crosses_the_picture_leaves_no_trace():
    room, rng = drawn_room(), np.random.default_rng(0)
    frames = [noisy(with_person(room, 25 * i - 50) if i < 30 else room, 3.0, rng) for i in range(70)]
    error = np.abs(recorded(frames).rgb.astype(float) - room)
    assert error.max() < 8


def test_one_frame_is_kept_as_it_is():
    room = drawn_room()
    assert np.array_equal(recorded([room]).rgb, room)


def test_memory_stays_bounded_and_all_frames_count_however_long_it_lasts():
    recorder = Recorder()
    for level in range(250):
        recorder.add(np.full((16, 16, 3), level, np.uint8))
    assert len(recorder._blocks) <= MAX_BLOCKS
    assert recorder.frames == 250
    assert (
        abs(float(recorder.finish().rgb.mean()) - 124.5) < 8
    )  # median of a ramp; late halves of blocks count


def test_still_cells_rest_and_a_mover_shows_where_it_was():
    room, rng = drawn_room(), np.random.default_rng(0)
    still = recorded(shots(room, sigma=4.0))
    assert still.unrest.shape == (23, 40)
    assert still.unrest.max() < 1.3
    moved = recorded([noisy(with_person(room, 100 + 4 * i), 4.0, rng) for i in range(24)])
    assert moved.unrest[:, :4].max() > 5 or moved.unrest[:, 4:14].max() > 5
    assert moved.unrest[:, 25:].max() < 1.3


def test_a_change_of_exposure_is_drift_and_not_unrest():
    room = (drawn_room() * 0.8).astype(np.uint8)
    frames = [np.clip(room * (1 + 0.08 * i / 23), 0, 255).astype(np.uint8) for i in range(24)]
    recording = recorded(frames)
    assert recording.light_drift == pytest.approx(0.08, abs=0.01)
    assert recording.unrest.max() < 1.5


@pytest.mark.parametrize("way_px", [0.0, 3.0])
def test_the_cameras_own_shift_is_measured(way_px):
    room = drawn_room()
    frames = []
    for i in range(26):
        move = np.float32([[1, 0, way_px * i / 25], [0, 1, 0]])
        frames.append(cv2.warpAffine(room, move, (640, 360), borderMode=cv2.BORDER_REPLICATE))
    assert recorded(frames).shift_px == pytest.approx(way_px, abs=0.15)


def test_frames_of_another_size_are_refused():
    recorder = Recorder()
    recorder.add(np.zeros((90, 160, 3), np.uint8))
    with pytest.raises(PlateError, match="160x90, picture 1 is 90x160"):
        recorder.add(np.zeros((160, 90, 3), np.uint8))


def test_no_frame_is_no_plate():
    with pytest.raises(PlateError, match="at least one picture"):
        Recorder().finish()


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (31, 17)])
def test_tiny_and_odd_sizes_are_taken(size):
    frames = [np.full((size[1], size[0], 3), 100 + i, np.uint8) for i in range(9)]
    assert recorded(frames).rgb.shape == (size[1], size[0], 3)
