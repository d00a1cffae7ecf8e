"""Light: truth on pictures relit by known amounts, and what must not pull it."""

import cv2
import numpy as np
import pytest

from core.align.light import apply_light, fit_light, light_distance
from core.types import Light

SIZE = (160, 90)


def _room(seed: int = 0) -> np.ndarray:
    """A textured picture with tones from 30 to 190, uint8 90x160x3."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(
        rng.uniform(30, 170, (6, 10, 3)).astype(np.float32), SIZE, interpolation=cv2.INTER_CUBIC
    )
    fine = cv2.GaussianBlur(rng.normal(0, 60, (90, 160, 1)).astype(np.float32), (0, 0), 1.5)[..., None]
    return np.clip(coarse + fine, 25, 190).astype(np.uint8)


def _noisy(rgb: np.ndarray, seed: int = 1) -> np.ndarray:
    return np.clip(rgb + np.random.default_rng(seed).normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)


def test_finds_gain_and_colour_drift_to_less_than_a_grey_level():
    plate = _room()
    truth = plate * np.array([1.22, 1.15, 1.10]) + 4.0
    light = fit_light(plate, _noisy(truth))
    assert np.abs(apply_light(plate, light) - truth).mean() < 1.0


def test_applies_gain_before_offset_before_grid():
    plate = np.full((4, 4, 3), 100, np.uint8)
    light = Light(np.full(3, 1.5, np.float32), np.full(3, -10, np.float32), np.full((4, 6), 0.5, np.float32))
    np.testing.assert_array_equal(apply_light(plate, light), 70)


def test_writes_into_the_given_array():
    plate = _room()
    out = np.empty_like(plate)
    light = Light(np.full(3, 1.2, np.float32), grid=np.full((4, 6), 1.1, np.float32))
    assert apply_light(plate, light, out) is out
    np.testing.assert_array_equal(out, apply_light(plate, light))


@pytest.mark.parametrize("colour", [(20, 20, 25), (205, 60, 60), (90, 90, 95)])
def test_an_unmasked_flat_person_over_60_percent_does_not_pull_it(colour: tuple[int, int, int]):
    plate = _room()
    frame = plate * 1.2
    frame[10:, 50:158] = colour
    light = fit_light(plate, _noisy(frame))
    assert np.abs(apply_light(plate, light)[:, :50] - plate[:, :50] * 1.2).mean() < 1.5


def test_a_lamp_on_one_side_goes_into_the_grid():
    plate = _room()
    truth = plate * np.linspace(0.85, 1.25, 160)[None, :, None]
    light = fit_light(plate, _noisy(truth))
    assert light.grid is not None
    assert np.abs(apply_light(plate, light) - truth).mean() < 2.0


def test_even_light_needs_no_grid():
    plate = _room()
    assert fit_light(plate, _noisy(plate * 0.9)).grid is None


def test_masked_pixels_have_no_say():
    plate = _room()
    frame = _noisy(plate * 1.1)
    frame[:, 40:] = _noisy(plate * 0.7, seed=2)[:, 40:]
    background = np.zeros(SIZE[::-1], bool)
    background[:, :40] = True
    light = fit_light(plate, frame, background)
    assert np.abs(light.gain - 1.1).max() < 0.04


def test_the_same_object_comes_back_while_only_noise_changes():
    plate = _room()
    first = fit_light(plate, _noisy(plate * 1.1))
    assert fit_light(plate, _noisy(plate * 1.1, seed=5), previous=first) is first


def test_a_step_of_exposure_is_followed_within_one_frame():
    plate = _room()
    before = fit_light(plate, _noisy(plate))
    after = fit_light(plate, _noisy(plate * 1.25), previous=before)
    assert np.abs(after.gain * 128 + after.offset - 160).max() < 2.0


def test_keeps_the_previous_light_when_nothing_can_be_used():
    plate = _room()
    previous = Light(np.full(3, 1.1, np.float32))
    assert fit_light(plate, np.full_like(plate, 255), previous=previous) is previous


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_pictures_give_a_finite_light(value: int):
    plate = np.full((90, 160, 3), value, np.uint8)
    light = fit_light(plate, np.full_like(plate, 128))
    assert np.isfinite(light.gain).all()
    assert np.isfinite(light.offset).all()


def test_pictures_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one HxWx3 shape"):
        fit_light(_room(), _room()[:50])


def test_distance_is_the_largest_change_of_a_tone():
    brighter = Light(np.array([1.0, 1.1, 1.0], np.float32))
    assert light_distance(Light(), brighter) == pytest.approx(21.5, abs=0.1)


def _gamma(rgb: np.ndarray, gamma: float, gain: float) -> np.ndarray:
    """As another exposure and tone curve of the camera show it, float, up to 255."""
    return np.minimum(255 * (rgb / 255) ** gamma * gain, 255)


@pytest.mark.parametrize(("gamma", "gain"), [(0.8, 0.85), (1.25, 1.3)])
def test_another_gamma_goes_into_the_tone_and_halves_what_a_line_leaves(gamma: float, gain: float):
    plate = _room()
    truth = _gamma(plate, gamma, gain)
    frame = _noisy(truth)
    frame[30:, 60:110] = (40, 60, 200)  # somebody nobody has masked yet
    room = np.ones(SIZE[::-1], bool)
    room[30:, 60:110] = False
    light = fit_light(plate, frame)
    straight = Light(light.gain, light.offset, light.grid)
    left, left_by_a_line = (np.abs(apply_light(plate, k) - truth)[room].mean() for k in (light, straight))
    assert light.tone is not None
    assert left < 1.0
    assert left < left_by_a_line / 2


def test_a_straight_change_of_light_has_no_tone():
    plate = _room()
    assert fit_light(plate, _noisy(plate * 1.15 + 5)).tone is None


def test_the_fitted_curve_never_falls():
    plate = _room()
    frame = _noisy(np.where(plate > 120, 120.0, plate))
    light = fit_light(plate, frame)
    assert light.tone is not None
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    lit = apply_light(ramp, light).astype(int)
    assert (np.diff(lit[0], axis=0) >= 0).all()


def test_the_tone_is_added_between_its_knots_and_before_the_grid():
    tone = np.zeros((3, 9), np.float32)
    tone[0, 4], tone[1, 4] = 10, -10  # at 127.5
    light = Light(tone=tone, grid=np.full((4, 6), 0.5, np.float32))
    lit = apply_light(np.full((4, 4, 3), 127, np.uint8), light)
    np.testing.assert_allclose(lit[0, 0], (68.5, 58.5, 63.5), atol=0.51)


def test_the_tone_is_written_into_the_given_array_too():
    plate, out = _room(), np.empty_like(_room())
    light = Light(tone=np.full((3, 9), 5, np.float32), grid=np.full((4, 6), 1.1, np.float32))
    assert apply_light(plate, light, out) is out
    np.testing.assert_array_equal(out, apply_light(plate, light))


@pytest.mark.parametrize("tone", [None, np.zeros((3, 9), np.float32)])
def test_what_a_grid_darkens_again_is_not_cut_off_at_white(tone: np.ndarray | None):
    light = Light(np.full(3, 1.5, np.float32), grid=np.full((4, 6), 0.6, np.float32), tone=tone)
    lit = apply_light(np.full((4, 4, 3), 240, np.uint8), light)
    np.testing.assert_allclose(lit, 216, atol=1)


def test_the_distance_of_two_lights_sees_the_tone():
    bent = np.zeros((3, 9), np.float32)
    bent[2, 3:6] = 7
    assert light_distance(Light(), Light(tone=bent)) == pytest.approx(7, abs=0.1)
