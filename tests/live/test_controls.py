"""A camera is held as it is, or as the plate says, and handed back afterwards."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from live.controls import PAIRS, hand_back, held, held_camera
from live.earlier_controls import EarlierControls
from live.v4l2 import Node

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


DEVICE = "/dev/video77"


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """A webcam as /dev/video77, and an own state folder."""
    webcam = Webcam(AUTOMATIC)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("live.controls._V4l2Controls", lambda path: webcam)
    monkeypatch.setattr("live.v4l2.query", lambda path: Node(path, "uvcvideo", "HD Webcam/1", True, False))
    return webcam


def kept(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.skipif("sys.platform != 'linux'", reason="cameras are held on Linux only")
def test_what_a_killed_run_has_left_held_is_handed_back_at_the_next_start(tmp_path, plugged_in):
    killed = held_camera(DEVICE, {"exposure": 100.0})
    killed.__enter__()  # and that is all of it
    assert plugged_in.values[EXPOSURE_AUTO] == 1
    assert kept(tmp_path) == ["video77_HD_Webcam_1.json"]
    hand_back(Path(DEVICE))
    assert plugged_in.values[EXPOSURE_AUTO] == 3
    assert kept(tmp_path) == []


@pytest.mark.skipif("sys.platform != 'linux'", reason="cameras are held on Linux only")
def test_after_a_good_end_nothing_is_kept_and_nothing_handed_back(tmp_path, plugged_in):
    with held_camera(DEVICE):
        assert len(kept(tmp_path)) == 1
    assert kept(tmp_path) == []
    plugged_in.values[EXPOSURE_AUTO] = 1  # by hand
    hand_back(Path(DEVICE))
    assert plugged_in.values[EXPOSURE_AUTO] == 1


def test_how_it_was_is_kept_before_anything_is_changed(tmp_path):
    earlier = EarlierControls(tmp_path / "webcam.json")

    class Watched(Webcam):
        def set(self, number: int, value: int) -> None:
            before.append(earlier.read())
            super().set(number, value)

    before: list[dict[int, int]] = []
    with held(Watched(AUTOMATIC), {"exposure": 100.0, "gain": 20.0}, earlier):
        assert len(before) == 4
        assert all(values == {EXPOSURE_AUTO: 3, AUTOGAIN: 1} for values in before)


def test_what_cannot_be_put_back_is_kept_until_it_can(tmp_path):
    earlier = EarlierControls(tmp_path / "webcam.json")
    webcam = Webcam(AUTOMATIC)
    with held(webcam, {"exposure": 100.0}, earlier):
        webcam.stubborn = {EXPOSURE_AUTO}
    assert earlier.read() == {EXPOSURE_AUTO: 3}
    webcam.stubborn = set()
    with held(webcam, {"exposure": 90.0}, earlier):
        assert webcam.values[EXPOSURE] == 90
        assert earlier.read()[EXPOSURE_AUTO] == 3
    assert webcam.values[EXPOSURE_AUTO] == 3
    assert kept(tmp_path) == []


def test_a_value_that_a_camera_refuses_since_its_automatic_is_on_by_now_is_forgotten(tmp_path):
    earlier = EarlierControls(tmp_path / "webcam.json")
    earlier.write({EXPOSURE: 77})  # set by hand, before the camera was plugged in anew
    webcam = Webcam(AUTOMATIC)
    with held(webcam, {"exposure": 100.0}, earlier):
        webcam.stubborn = {EXPOSURE}
    assert webcam.values[EXPOSURE_AUTO] == 3
    assert kept(tmp_path) == []


def test_a_file_that_is_damaged_or_cannot_be_written_is_told_and_no_fault(tmp_path, caplog):
    (tmp_path / "webcam.json").write_text("[")
    assert EarlierControls(tmp_path / "webcam.json").read() == {}
    assert "webcam.json cannot be read" in caplog.text
    with held(Webcam(AUTOMATIC), None, EarlierControls(tmp_path / "webcam.json/x.json")) as now:
        assert "exposure" in now.values
    assert "x.json cannot be written" in caplog.text
