"""A plate that is kept fresh for hours beside an aligner that follows it: neither leads the other astray."""

import numpy as np
import pytest
from rooms import SIZE, plate_of, room, seen, turned

from core.align import PlateAligner, apply_light
from core.plate.refresh import PlateRefresh
from core.types import Alignment, Frame, State

LESSONS = 100
BODY = (slice(40, None), slice(110, 210))


def lived_in(rgb: np.ndarray, H_of, gain_of, body=BODY) -> tuple[Alignment, np.ndarray]:
    """The alignment and the plate after LESSONS seconds in which somebody sat still before the room.

    H_of, gain_of: the camera's place and its exposure in each of them.
    """
    aligner, refresh = PlateAligner(plate_of(rgb), SIZE), PlateRefresh(plate_of(rgb))
    shirt, alpha = room(9), np.zeros(SIZE[::-1], np.uint8)
    alpha[body] = 255
    for second in range(LESSONS):
        for k in range(2):
            frame = seen(rgb, H_of(second), 2 * second + k, gain_of(second))
            person = np.where(alpha[..., None] > 0, shirt, frame.rgb)
            frame = Frame(person, frame.time_ns, frame.index)
            alignment = aligner.update(frame)
            aligner.learn(frame, alpha)
        assert alignment.state is not State.LOST, alignment.reason
        refresh.learn(frame.rgb, alpha, alignment)
        news = refresh.news()
        if news is not None:
            aligner.prepare(news)()
    return alignment, refresh.plate().rgb


@pytest.mark.parametrize("a_second", [0.0, -0.0015], ids=["nothing changes", "dusk"])
def test_the_room_behind_who_sits_still_keeps_the_light_of_the_room_around(a_second: float):
    rgb = room()
    alignment, plate = lived_in(rgb, lambda s: turned(0.0), lambda s: 1 + a_second * s)
    now = rgb[BODY] * (1 + a_second * (LESSONS - 1))
    assert np.abs(apply_light(plate, alignment.light)[BODY] - now).mean() < 0.6


def test_a_camera_that_sags_is_followed_and_not_learnt():
    rgb, sag_px = room(), 0.01
    alignment, _ = lived_in(rgb, lambda s: turned(0.0, sag_px * s), lambda s: 1.0)
    assert alignment.H is not None
    assert alignment.H[1, 2] - turned(0.0, sag_px * (LESSONS - 1))[1, 2] == pytest.approx(0, abs=0.2)


def test_the_room_behind_who_sits_beside_a_window_fades_with_the_wall_around():
    rgb = room()
    across = np.linspace(0, 1, SIZE[0])[None, :, None]

    def dusk(second: int) -> np.ndarray:
        return np.asarray(1 - 0.3 * across * second / LESSONS)

    body = (slice(40, None), slice(180, 300))
    alignment, plate = lived_in(rgb, lambda s: turned(0.0), dusk, body)
    now = (rgb * dusk(LESSONS - 1))[body]
    assert np.abs(apply_light(plate, alignment.light)[body] - now).mean() < 7
