"""A camera is held as it is, or as the plate says, and handed back afterwards."""

from __future__ import annotations

import errno

import pytest

from live.controls import PAIRS, held, held_camera

EXPOSURE_AUTO, EXPOSURE = PAIRS[0].automatic, PAIRS[0].value
AUTOGAIN, GAIN = PAIRS[1].automatic, PAIRS[1].value
FOCUS_AUTO, FOCUS = PAIRS[3].automatic, PAIRS[3].value


class Webcam:
    """A camera's controls. stubborn: numbers that it refuses to set. deaf: set without effect."""

    def __init__(
        self, values: dict[int, int], stubborn: set[int] | None = None, deaf: set[int] | None = None
    ) -> None:
        self.values = dict(values)
        self.stubborn, self.deaf = stubborn or set(), deaf or set()

    def get(self, number: int) -> int:
        if number not in self.values:
            raise OSError(errno.EINVAL, "Invalid argument")
        return self.values[number]

    def set(self, number: int, value: int) -> None:
        self.get(number)
        if number in self.stubborn:
            raise OSError(errno.EIO, "Input/output error")
        if number not in self.deaf:
            self.values[number] = value


AUTOMATIC = {EXPOSURE_AUTO: 3, EXPOSURE: 250, AUTOGAIN: 1, GAIN: 40, FOCUS_AUTO: 1, FOCUS: 12}


def test_what_the_camera_chose_by_itself_is_held_and_told():
    webcam = Webcam(AUTOMATIC)
    with held(webcam) as now:
        assert now.values == {"exposure": 250.0, "gain": 40.0, "focus": 12.0}
        assert now.refused == ()
        assert (webcam.values[EXPOSURE_AUTO], webcam.values[AUTOGAIN], webcam.values[FOCUS_AUTO]) == (1, 0, 0)
    assert webcam.values == AUTOMATIC


def test_what_the_plate_says_is_set_again():
    webcam = Webcam(AUTOMATIC)
    with held(webcam, {"exposure": 100.0, "gain": 20.0}) as now:
        assert now.values == {"exposure": 100.0, "gain": 20.0}
        assert (webcam.values[EXPOSURE], webcam.values[GAIN]) == (100, 20)
        assert webcam.values[FOCUS_AUTO] == 1, "the plate says nothing of focus"
    assert webcam.values[EXPOSURE_AUTO] == 3


def test_a_value_that_was_set_by_hand_is_set_back_by_hand():
    by_hand = {EXPOSURE_AUTO: 1, EXPOSURE: 77}
    webcam = Webcam(by_hand)
    with held(webcam, {"exposure": 100.0}):
        assert webcam.values[EXPOSURE] == 100
    assert webcam.values == by_hand


def test_what_a_camera_refuses_is_told_and_the_rest_is_held():
    webcam = Webcam(AUTOMATIC, stubborn={FOCUS_AUTO})
    with held(webcam) as now:
        assert now.refused == ("focus",)
        assert "exposure" in now.values


def test_a_camera_that_only_pretends_is_found_out():
    webcam = Webcam(AUTOMATIC, deaf={EXPOSURE})
    with held(webcam, {"exposure": 100.0}) as now:
        assert now.refused == ("exposure",)


def test_a_camera_without_controls_is_no_fault():
    with held(Webcam({})) as now:
        assert (now.values, now.refused) == ({}, ())


def test_it_is_handed_back_also_after_an_error():
    webcam = Webcam(AUTOMATIC)
    with pytest.raises(ZeroDivisionError), held(webcam):
        raise ZeroDivisionError
    assert webcam.values == AUTOMATIC


def test_a_camera_that_went_away_meanwhile_is_no_fault():
    webcam = Webcam(AUTOMATIC)
    with held(webcam):
        webcam.values.clear()
        webcam.get = webcam.set = _gone  # type: ignore[method-assign]


def _gone(*_: int) -> int:
    raise OSError(errno.ENODEV, "No such device")


@pytest.mark.parametrize("path", ["demo", "clip.mp4", "/dev/no-such-camera"])
def test_what_is_no_camera_holds_nothing(path):
    with held_camera(path) as now:
        assert now.values == {}
