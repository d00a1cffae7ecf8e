"""The empty room photographed anew by the camera of a run, and an aligner that makes way for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import DeviceError, PlateError, SettingsError
from core.plate import list_plates, load_plate, save_plate
from core.types import Frame, Plate, View
from live import replaceable, retake
from live.controls import Held
from live.replaceable import ReplaceableAligner, Tap
from live.retake import CALLED_OFF, Retake
from tests.core.plate.synthetic import SIZE, drawn_room, noisy
from tests.live.scripted import FRAME_NS, FixedAligner

ROOM = drawn_room(1)
RNG = np.random.default_rng(3)
ROOMS = [noisy(ROOM, 2.0, RNG) for _ in range(8)]
PATIENCE_S = 60


def nobody(rgb: np.ndarray) -> np.ndarray:
    return np.zeros(rgb.shape[:2], np.float32)


class Run:
    """A run whose camera gives `rooms` over and over, a frame as soon as who records has taken the last."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rooms = ROOMS
        self.aligner = ReplaceableAligner(FixedAligner())
        self.taken_up: list[Plate] = []
        self.held: list[dict[str, float]] = []
        self.holds: dict[str, float] = {"gain": 7.0}
        self.refusal: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self.paused = False
        self.turn = threading.Lock()
        self._thread.start()

    def _feed(self) -> None:
        index = 0
        while not self._over.wait(0.001):
            with self.turn:
                if not self.paused and not self.untaken():
                    self.aligner.update(Frame(self.rooms[index % len(self.rooms)], index * FRAME_NS, index))
                    index += 1

    def untaken(self) -> bool:
        tap = self.aligner._tap
        return tap is not None and tap._box._item is not None

    def pause(self) -> None:
        with self.turn:  # no frame is under way after it
            self.paused = True

    def retake(self, spec: str = "auto", used: Plate | None = None, countdown: float = 0.1) -> Retake:
        def tap() -> Tap:
            made = Tap("camera", SIZE, 30)
            self.aligner.tap(made)
            return made

        def take_up(plate: Plate) -> None:
            if self.refusal is not None:
                raise self.refusal
            self.taken_up.append(plate)

        def hold(values):
            before, self.holds = self.holds, dict(values)
            self.held.append(self.holds)
            return before

        return Retake(
            tap, take_up, hold, "", root=self.root, spec=spec, used=used, seconds=0.3, countdown=countdown
        )

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def run(tmp_path, monkeypatch) -> Iterator[Run]:
    monkeypatch.setattr(retake, "person_finder", lambda: nobody)
    made = Run(tmp_path / "plates")
    yield made
    made.close()


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.01)


def done(taking: Retake) -> str:
    """What came of it, in words."""
    taking.start()
    wait_for(lambda: not taking.state()["phase"])
    taking.close()
    return str(taking.state()["said"])


def kept_words(name: str) -> str:
    return f'kept the plate "{name}", which is used from now on'


def saved(root: Path, name: str, views: int = 1) -> Plate:
    plate = Plate(name, SIZE, tuple(View(ROOM) for _ in range(views)))
    save_plate(root, plate, recorded="2026-01-01T00:00:00+00:00")
    return plate


def test_the_room_is_photographed_kept_and_taken_up(run):
    taking = run.retake()
    assert taking.state()["plate"] is None
    assert done(taking) == 'kept the plate "room", which is used from now on'
    kept = load_plate(run.root / "room")
    assert np.abs(kept.rgb.astype(int) - ROOM).mean() < 1.5  # grey levels: of frames with a noise of 2
    assert [plate.name for plate in run.taken_up] == ["room"]
    assert taking.state() == {
        "phase": "", "share": 0.0, "left_s": 0.0, "said": kept_words("room"), "kept": True, "plate": "room",
    }  # fmt: skip


def test_it_tells_how_far_it_is(run, monkeypatch):
    monkeypatch.setattr(replaceable, "PATIENCE_S", PATIENCE_S)
    went_on = threading.Event()
    monkeypatch.setattr(retake, "person_finder", lambda: went_on.wait(PATIENCE_S) and nobody)
    run.pause()
    taking = run.retake(countdown=20)
    taking.start()
    for at_s, left_s in ((1.0, 20.0), (11.0, 10.0)):
        run.aligner.update(Frame(ROOM, round(at_s * 1e9), 0))
        wait_for(lambda: not run.untaken())  # the next one would replace it
        wait_for(lambda left_s=left_s: taking.state()["left_s"] == left_s)
        assert taking.state()["phase"] == "leave"
    run.paused = False
    wait_for(lambda: taking.state()["phase"] == "check")
    with pytest.raises(SettingsError, match="is being photographed already"):
        taking.start()
    went_on.set()
    wait_for(lambda: taking.state()["kept"])
    taking.close()


@pytest.mark.parametrize(
    ("spec", "there", "used", "name"),
    [
        ("auto", [], None, "room"),
        ("auto", ["desk"], "desk", "desk-2"),
        ("auto", ["desk", "desk-2"], "desk-2", "desk-3"),
        ("auto", ["room"], "demo", "room-2"),  # the demo's own plate is not among the recorded ones
        ("none", ["room"], None, "room-2"),
        ("desk", ["desk", "sofa"], "desk", "desk"),
        ("films/room.jpg", [], "room", "room"),
    ],
)
def test_no_other_plate_is_lost_and_the_one_that_the_settings_name_is_replaced(run, spec, there, used, name):
    plates = {each: saved(run.root, each) for each in there}
    using = plates.get(used) or (Plate(used, SIZE, (View(ROOM),)) if used else None)
    assert done(run.retake(spec, using)) == kept_words(name)
    assert sorted(info.name for info in list_plates(run.root)) == sorted({*there, name})


def test_a_sweep_is_not_replaced_by_a_single_view(run):
    used = saved(run.root, "attic", views=2)
    taking = run.retake("attic", used)
    with pytest.raises(SettingsError, match='is a sweep: record it by cleanplate plate sweep "attic"'):
        taking.start()
    assert taking.state()["phase"] == ""
    assert run.held == []


def test_why_it_is_no_plate_is_told_and_all_stays_as_it_was(run):
    used = saved(run.root, "desk")
    run.rooms = [np.roll(ROOM, 40 * shift, 1) for shift in range(8)]  # the camera was turned meanwhile
    taking = run.retake("desk", used)
    assert "this is not usable as a plate: " in done(taking)
    assert not taking.state()["kept"]
    assert run.taken_up == []
    assert load_plate(run.root / "desk").rgb.tobytes() == ROOM.tobytes()
    assert run.held == [{}, {"gain": 7.0}], "the camera is held as before"


def test_the_camera_holds_what_the_new_plate_was_recorded_with(run, monkeypatch):
    class Holding:
        def __enter__(self) -> Held:
            return Held({"exposure": 120.0}, ("focus",))

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr("live.plates.held_camera", lambda device: Holding())
    said = done(run.retake())
    assert "(the camera does not let its focus be held)" in said
    assert run.held == [{}, {"exposure": 120.0}]
    assert load_plate(run.root / "room").camera == {"exposure": 120.0}


@pytest.mark.parametrize("phase", ["leave", "record"])
def test_it_can_be_called_off(run, phase):
    taking = run.retake(countdown=1e6 if phase == "leave" else 0.1)
    taking._seconds = 1e6
    taking.start()
    wait_for(lambda: taking.state()["phase"] == phase)
    taking.cancel()
    wait_for(lambda: not taking.state()["phase"])
    assert taking.state()["said"] == CALLED_OFF
    assert list_plates(run.root) == []
    assert run.held[-1] == {"gain": 7.0}
    taking._seconds = 0.3
    taking._countdown = 0.1
    assert done(taking) == kept_words("room"), "and begun anew"


def test_a_run_that_ends_calls_it_off_and_has_nothing_held_any_more(run):
    taking = run.retake(countdown=1e6)
    taking.start()
    wait_for(lambda: run.held)
    taking.close()
    assert taking.state()["said"] == CALLED_OFF
    assert run.held == [{}]


def test_a_paused_run_is_told_so(run, monkeypatch):
    monkeypatch.setattr(replaceable, "PATIENCE_S", 0.05)
    run.pause()
    assert "is it paused, or asleep until somebody looks?" in done(run.retake())


def test_what_cannot_be_taken_up_is_said(run):
    run.refusal = PlateError("it cannot be of this camera")
    taking = run.retake()
    assert done(taking) == "it cannot be of this camera"
    assert (taking.state()["kept"], taking.state()["plate"]) == (False, None)


def frame(index: int) -> Frame:
    return Frame(np.full((4, 6, 3), index, np.uint8), index, index)


def test_another_aligner_takes_over_between_two_frames_and_the_first_is_closed():
    first, second, third = FixedAligner(), FixedAligner(), FixedAligner()
    happened: list[str] = []
    aligner = ReplaceableAligner(first)
    aligner.update(frame(0))
    aligner.learn(frame(0), None)
    aligner.replace(second, lambda: happened.append("second"))
    aligner.replace(third, lambda: happened.append("third"))
    assert (happened, second.closed, first.closed) == ([], True, False)
    aligner.update(frame(1))
    aligner.learn(frame(1), None)
    assert (happened, first.closed, third.closed) == (["third"], True, False)
    assert (first.learned, second.learned, third.learned) == (1, 0, 1)
    never = FixedAligner()
    aligner.replace(never, lambda: happened.append("never"))
    aligner.close()
    assert third.closed
    assert never.closed
    assert happened == ["third"]


def test_a_tap_sees_copies_of_the_frames_until_it_is_closed():
    aligner, tap = ReplaceableAligner(FixedAligner()), Tap("camera", (6, 4), 30)
    aligner.tap(tap)
    shown = frame(5)
    aligner.update(shown)
    shown.rgb[:] = 0
    seen = tap.read()
    assert seen is not None
    assert (seen.index, int(seen.rgb.max())) == (5, 5)
    tap.close()
    aligner.update(frame(6))
    assert tap.read() is None


def test_a_tap_without_frames_says_so_in_time(monkeypatch):
    monkeypatch.setattr(replaceable, "PATIENCE_S", 0.01)
    with pytest.raises(DeviceError, match="no picture has come from the camera"):
        Tap("camera", (6, 4), 30).read()
