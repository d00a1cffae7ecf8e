"""`cleanplate plate`: what it keeps, what it refuses, and the words for it."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from core.errors import DeviceError, PlateError
from core.plate import load_plate
from core.plate.checks import PERSON_REFUSE
from live.cli.app import app
from live.controls import Held
from live.plates import plates_root
from tests.core.plate.synthetic import drawn_room, noisy, person_mask, with_person
from tests.live.scripted import ScriptedSource

SIZE = (320, 180)
ROOM = drawn_room(1, SIZE)


@pytest.fixture(autouse=True)
def _nobody_in_sight_and_an_own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("live.plates.person_finder", lambda: lambda rgb: np.zeros(rgb.shape[:2], np.float32))


def plate(*arguments: str):
    return CliRunner().invoke(app, ["plate", *arguments])


def refusal(*arguments: str) -> str:
    result = plate(*arguments)
    assert isinstance(result.exception, PlateError)
    return str(result.exception)


def written(name: str, rgb) -> str:
    cv2.imwrite(name, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return name


def camera(monkeypatch, picture_at) -> ScriptedSource:
    """A camera whose frame number i is picture_at(i), with noise."""
    rng = np.random.default_rng(0)
    source = ScriptedSource([noisy(picture_at(i), 2.0, rng) for i in range(110)], "a scripted camera")
    source.live = True
    monkeypatch.setattr("live.cameras.real_camera", lambda: "a scripted camera")
    monkeypatch.setattr("live.sources.registry.open_source", lambda spec, size, fps: source)
    return source


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_recording_that_is_ended_lets_the_camera_go(monkeypatch, number):
    class Ended(ScriptedSource):
        live = True

        def read(self):
            if held:
                os.kill(os.getpid(), ended)
            return super().read()

    @contextmanager
    def held_camera(device):
        held.append("held")
        try:
            yield Held({"exposure": 250.0}, ())
        finally:
            held.append("let go")

    held: list[str] = []
    source = Ended([ROOM] * 200)
    monkeypatch.setattr("live.sources.registry.open_source", lambda spec, size, fps: source)
    monkeypatch.setattr("live.plates.held_camera", held_camera)
    ended = getattr(signal, number)
    before = signal.signal(ended, lambda *_: None)  # unheard it would end the tests
    try:
        assert plate("record", "desk", "--camera", "demo", "--countdown", "0").exit_code == 130
    finally:
        signal.signal(ended, before)
    assert held == ["held", "let go"]
    assert source.closed
    assert not plates_root().exists()


def test_an_imported_picture_is_kept_listed_shown_checked_and_removed():
    kept = plate("import", "desk", written("room.png", ROOM))
    assert kept.exit_code == 0
    assert 'kept the plate "desk": 320x180' in kept.output
    assert "cleanplate run --plate" in kept.output
    assert "desk  320x180, 1 pictures" in plate("list").output
    assert str(plates_root() / "desk" / "view-") in plate("show", "desk").output
    assert 'the plate "desk" is fine' in plate("check", "desk").output
    assert np.array_equal(load_plate(plates_root() / "desk").rgb, ROOM)
    assert 'removed the plate "desk"' in plate("remove", "desk").output
    assert "no plate yet; photograph your empty room" in plate("list").output


def test_a_name_that_is_taken_is_refused_and_replaced_by_force():
    plate("import", "desk", written("room.png", ROOM))
    other = written("other.png", drawn_room(2, SIZE))
    assert "choose another name, or add --force" in refusal("import", "desk", other)
    assert plate("import", "desk", other, "--force").exit_code == 0
    assert np.array_equal(load_plate(plates_root() / "desk").rgb, drawn_room(2, SIZE))


def test_a_black_picture_is_refused_with_the_reason_and_nothing_is_kept():
    assert "the picture is black" in refusal("import", "desk", written("black.png", np.zeros_like(ROOM)))
    assert not plates_root().exists()


def test_what_looks_wrong_is_kept_by_force_with_a_note():
    kept = plate("import", "desk", written("black.png", np.zeros_like(ROOM)), "--force")
    assert kept.exit_code == 0
    assert "note: the picture is black" in kept.output


def test_recording_says_that_the_room_must_be_empty_and_that_it_is_not_the_background(monkeypatch):
    source = camera(monkeypatch, lambda i: ROOM)
    kept = plate("record", "desk", "--seconds", "1", "--countdown", "0.2")
    assert kept.exit_code == 0, kept.output
    assert "OUT OF THE PICTURE" in kept.output
    assert "EMPTY ROOM" in kept.output
    assert "not the new background" in kept.output
    assert "camera: a scripted camera" in kept.output
    assert np.abs(load_plate(plates_root() / "desk").rgb.astype(int) - ROOM).mean() < 1
    assert source.closed


def test_somebody_who_leaves_during_the_countdown_is_not_in_the_plate(monkeypatch):
    camera(monkeypatch, lambda i: with_person(ROOM, 160) if i < 25 else ROOM)
    assert plate("record", "desk", "--seconds", "1", "--countdown", "1").exit_code == 0
    assert np.abs(load_plate(plates_root() / "desk").rgb.astype(int) - ROOM).max() < 8


def test_somebody_who_stays_is_refused(monkeypatch):
    camera(monkeypatch, lambda i: with_person(ROOM, 160 + i % 4))
    monkeypatch.setattr("live.plates.person_finder", lambda: lambda rgb: person_mask(rgb, 160))
    words = refusal("record", "desk", "--seconds", "1", "--countdown", "0")
    assert "somebody seems to be in the picture" in words
    assert not plates_root().exists()


def test_a_taken_name_is_said_before_anybody_has_to_leave_the_room(monkeypatch):
    plate("import", "desk", written("room.png", ROOM))
    source = camera(monkeypatch, lambda i: ROOM)
    assert "already a plate" in refusal("record", "desk")
    assert source.taken == 0


HALL = drawn_room(5, (1100, 300))


@pytest.mark.parametrize("command", ["record", "sweep"])
def test_without_a_camera_the_room_of_the_demo_is_not_photographed(monkeypatch, command):
    monkeypatch.setattr("live.cameras.lists_cameras", lambda: True)
    monkeypatch.setattr("live.cameras.list_cameras", list)
    monkeypatch.setattr("live.sources.registry.open_source", lambda *given: pytest.fail(f"opened {given}"))
    result = plate(command, "desk", "--countdown", "0")
    assert isinstance(result.exception, DeviceError)
    assert str(result.exception) == "there is no camera; plug one in"


def along_the_hall(i: int):
    return np.ascontiguousarray(HALL[60:240, 8 * i : 8 * i + 320])


def test_a_sweep_keeps_many_views_and_says_what_to_do(monkeypatch):
    camera(monkeypatch, lambda i: along_the_hall(max(0, min(i - 40, 45))))
    kept = plate("sweep", "hall", "--countdown", "0")
    assert kept.exit_code == 0, kept.output
    assert "BEHIND THE CAMERA" in kept.output
    assert "fine, go on" in kept.output
    assert "%\nputting the views together; that takes some seconds\n" in kept.stderr
    views = load_plate(plates_root() / "hall").views
    assert len(views) > 1
    assert f"{len(views)} views" in kept.output
    assert "already a plate" in refusal("sweep", "hall")


def test_of_a_film_no_picture_is_lost_to_a_countdown():
    os.mkdir("film")
    for i in range(45):
        written(f"film/{i:02}.png", along_the_hall(i))
    swept = plate("sweep", "hall", "--camera", "film")
    assert swept.exit_code == 0, swept.output
    assert len(load_plate(plates_root() / "hall").views) > 1
    os.mkdir("still")
    for i in range(8):
        written(f"still/{i}.png", noisy(ROOM, 2.0, np.random.default_rng(i)))
    kept = plate("record", "desk", "--camera", "still")
    assert kept.exit_code == 0, kept.output
    assert "8 pictures" in kept.output
    assert "OUT OF THE PICTURE" not in kept.output


def test_pictures_of_a_turning_camera_can_be_imported_as_a_sweep():
    names = [written(f"{i:02}.png", along_the_hall(i)) for i in range(0, 45)]
    kept = plate("import", "hall", *names, "--sweep")
    assert kept.exit_code == 0, kept.output
    assert len(load_plate(plates_root() / "hall").views) > 1


PINK = (255, 0, 255)


def find_pink(rgb):
    """A segmenter that takes all that is as pink as with_person's clothes for a person."""
    return (np.abs(rgb.astype(int) - PINK).max(2) < 30).astype(np.float32)


def test_a_sweep_with_somebody_in_a_later_view_is_refused_and_kept_by_force_alone(monkeypatch):
    monkeypatch.setattr("live.plates.person_finder", lambda: find_pink)
    somebody = with_person(HALL, 840, PINK)
    views = [np.ascontiguousarray(somebody[60:240, 8 * i :][:, :320]) for i in range(70)]
    names = [written(f"{i:02}.png", view) for i, view in enumerate(views)]
    words = refusal("import", "hall", *names, "--sweep")
    assert "somebody seems to be in the picture" in words
    assert "view " in words
    assert not plates_root().exists()
    kept = plate("import", "hall", *names, "--sweep", "--force")
    assert kept.exit_code == 0, kept.output
    reference, *others = (find_pink(view.rgb).mean() for view in load_plate(plates_root() / "hall").views)
    assert reference < PERSON_REFUSE < max(others), "the first view alone would not do to check"
    assert "somebody seems to be in the picture" in refusal("check", "hall")


def test_a_sweep_recorded_with_somebody_in_it_is_refused(monkeypatch):
    monkeypatch.setattr("live.plates.person_finder", lambda: find_pink)
    somebody = with_person(HALL, 840, PINK)
    camera(monkeypatch, lambda i: somebody[60:240, 8 * max(0, i - 40) :][:, :320])
    assert "somebody seems to be in the picture" in refusal("sweep", "hall", "--countdown", "0")
    assert not plates_root().exists()
