"""The blurred room: the one that the camera sees now, as smooth as asked for, at little cost."""

import cv2
import numpy as np
import pytest

from core.render.blur import SHRINK, WIDEST, RoomBlur
from core.types import Alignment, Light, Plate, State, View

SIZE = (640, 360)


def room(width: int = 2 * SIZE[0]) -> np.ndarray:
    """Boxes in strong colours."""
    rng = np.random.default_rng(8)
    boxes = rng.integers(0, 256, (4, width // 90, 3), dtype=np.uint8)
    return cv2.resize(boxes, (width, SIZE[1]), interpolation=cv2.INTER_NEAREST)


def panned(to_the_right: int) -> Alignment:
    H = np.array([[1.0, 0, -to_the_right], [0, 1, 0], [0, 0, 1]])
    return Alignment(H, Light(), State.TRACKING, 1.0, "")


@pytest.mark.parametrize("to_the_right", [0, 250, 600])
def test_of_a_sweep_the_views_are_blurred_that_the_camera_sees(to_the_right: int) -> None:
    rgb, (width, _) = room(), SIZE
    view_at = (0, 320, 640)
    views = tuple(
        View(rgb[:, x : x + width].copy(), None, np.array([[1.0, 0, x], [0, 1, 0], [0, 0, 1]]))
        for x in view_at
    )
    blurred = RoomBlur(0.5, Plate("sweep", SIZE, views)).of_plate(panned(to_the_right), SIZE)
    seen = rgb[:, to_the_right : to_the_right + width].copy()
    expected = RoomBlur(0.5, Plate("seen", SIZE, (View(seen),))).of_plate(panned(0), SIZE)
    assert np.abs(blurred.astype(int) - expected).mean() < 2  # levels; the outermost pixels are unknown


def test_a_sweep_is_composed_anew_when_the_camera_or_the_frames_size_changes() -> None:
    rgb, (width, _) = room(), SIZE
    beside = np.array([[1.0, 0, width], [0, 1, 0], [0, 0, 1]])
    views = View(rgb[:, :width].copy()), View(rgb[:, width:].copy(), None, beside)
    blur = RoomBlur(0.5, Plate("sweep", SIZE, views))
    first = blur.of_plate(panned(100), SIZE)
    assert np.abs(blur.of_plate(panned(300), SIZE).astype(int) - first).mean() > 5
    assert blur.of_plate(panned(300), (320, 180)).shape == (180, 320, 3)
    assert (blur.of_plate(panned(100), SIZE) == first).all()


@pytest.mark.parametrize("plate", [True, False], ids=["plate", "no plate"])
def test_an_upright_camera_s_room_is_blurred_as_much_as_a_lying_one_s(plate: bool) -> None:
    lying = room(SIZE[0])

    def blurred(rgb: np.ndarray) -> np.ndarray:
        size = rgb.shape[1], rgb.shape[0]
        blur = RoomBlur(0.3, Plate("room", size, (View(rgb),)))
        return blur.of_plate(panned(0), size) if plate else blur.of_frame(rgb, np.zeros(size[::-1], np.uint8))

    upright = blurred(np.ascontiguousarray(np.rot90(lying)))
    assert np.abs(np.rot90(upright, -1).astype(int) - blurred(lying)).max() <= 2  # levels, of rounding


def test_the_blurred_plate_has_the_light_of_the_frame() -> None:
    blur = RoomBlur(0.5, Plate("room", SIZE, (View(room(SIZE[0])),)))
    dim = Light(np.full(3, 0.5, np.float32))
    seen, lit = (
        blur.of_plate(Alignment(np.eye(3), light, State.LOCKED, 1.0, ""), SIZE) for light in (dim, Light())
    )
    assert np.abs(seen - 0.5 * lit).max() <= 2  # levels; roundings


@pytest.mark.parametrize("times", [1, 6])
def test_a_matte_that_is_a_pixel_or_two_too_small_puts_nothing_of_the_person_into_the_blur(
    times: int,
) -> None:
    """Of a frame of 640 px; of one of 3840 it may be six too small."""
    width, height = times * SIZE[0], times * SIZE[1]
    less = max(2, times)
    alpha = np.zeros((height, width), np.uint8)
    alpha[100 * times + less :, 200 * times + less : 440 * times - less] = 255
    pictures = []
    for colour in ((250, 10, 10), (10, 250, 250)):
        rgb = cv2.resize(room(SIZE[0]), (width, height))
        rgb[100 * times :, 200 * times : 440 * times] = colour
        pictures.append(RoomBlur(0.3, None).of_frame(rgb, alpha).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 2  # levels; roundings


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.6, 1.0])
def test_a_wide_blur_takes_no_more_pixels_than_it_needs_and_looks_the_same(
    strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb = cv2.resize(room(), (1280, 720))
    sigma = WIDEST * (0.1 + 0.9 * strength) * 1280
    expected = cv2.GaussianBlur(rgb, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    gauss, sigmas = cv2.GaussianBlur, []

    def noted(*args, **kwargs):  # type: ignore[no-untyped-def]
        sigmas.append(args[2])
        return gauss(*args, **kwargs)

    monkeypatch.setattr(cv2, "GaussianBlur", noted)
    seen = RoomBlur(strength, None).of_frame(rgb, np.zeros((720, 1280), np.uint8))
    assert max(sigmas) < 8, "in pixels of what is blurred, which its time goes with"
    inner = np.s_[8 * SHRINK : -8 * SHRINK, 8 * SHRINK : -8 * SHRINK]
    assert np.abs(seen.astype(int) - expected)[inner].mean() < 3  # levels, of boxes in strong colours
