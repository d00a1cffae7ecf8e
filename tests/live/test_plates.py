"""From what a user says, or what a camera shows, to a plate."""

from __future__ import annotations

import stat
import sys
from contextlib import contextmanager
from threading import Event

import cv2
import numpy as np
import pytest

from core.errors import MediaError, PlateError
from core.plate import list_plates, save_plate
from core.types import Plate, View
from live.controls import Held
from live.plates import average, open_plate, plates_root, record, record_held, settle, sweep, watch
from tests.core.plate.synthetic import drawn_room, person_mask, shots
from tests.live.scripted import FRAME_NS, ScriptedSource

SIZE = (64, 48)


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def grey(level: float):
    return np.full((SIZE[1], SIZE[0], 3), int(level), np.uint8)


def keep(name: str, level: int, recorded: str) -> None:
    save_plate(plates_root(), Plate(name, SIZE, (View(grey(level)),)), recorded=recorded)


def test_none_means_no_plate():
    assert open_plate("none") is None


def test_auto_is_the_plate_recorded_last_whatever_the_time_zones():
    assert open_plate("auto") is None
    keep("older", 10, "2026-05-01T12:00:00+02:00")
    keep("newer", 20, "2026-05-01T11:30:00+00:00")
    assert open_plate("auto").name == "newer"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("spec", ["auto", "desk"])
def test_plates_that_an_earlier_version_let_all_users_read_are_shut_to_them(spec):
    keep("desk", 10, "2026-05-01T12:00:00+02:00")
    plates_root().chmod(0o755)
    assert open_plate(spec).name == "desk"
    assert stat.S_IMODE(plates_root().stat().st_mode) == 0o700


def damage(name: str, what: str) -> None:
    file = next((plates_root() / name).glob(what))
    file.write_bytes(file.read_bytes()[:40])


@pytest.mark.parametrize("what", ["plate.toml", "*.png"])
def test_auto_passes_over_a_damaged_plate_and_says_so(what, caplog):
    keep("fine", 10, "2026-05-01T12:00:00+00:00")
    keep("broken", 20, "2026-06-01T12:00:00+00:00")
    damage("broken", what)
    assert open_plate("auto").name == "fine"
    (said,) = caplog.messages
    assert "plates/broken is damaged" in said
    assert said.endswith('record it again; until then the plate "fine" is used')


@pytest.mark.parametrize("what", ["plate.toml", "*.png"])
def test_auto_does_without_a_plate_only_where_none_was_recorded(what):
    keep("broken", 20, "2026-06-01T12:00:00+00:00")
    damage("broken", what)
    with pytest.raises(PlateError, match=r"no plate can be used: .*broken is damaged.*--plate none"):
        open_plate("auto")


@pytest.mark.parametrize(
    ("before", "after"), [("2026-06-01T12:00:00+00:00", "last Monday"), ("[64, 48]", "[inf, 48]")]
)
def test_a_plate_toml_that_was_edited_by_hand_hides_no_other_plate(before, after):
    keep("fine", 10, "2026-05-01T12:00:00+00:00")
    keep("edited", 20, "2026-06-01T12:00:00+00:00")
    file = plates_root() / "edited" / "plate.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    assert open_plate("auto").name == "fine"
    edited, fine = list_plates(plates_root())
    assert "damaged" in edited.problem
    assert fine.problem == ""


def test_a_name_wins_over_a_file_of_that_name(tmp_path):
    keep("desk", 10, "2026-05-01T12:00:00+00:00")
    (tmp_path / "desk").write_bytes(b"")
    assert open_plate("desk").rgb[0, 0, 0] == 10


def test_a_plates_folder_can_be_named_by_path(tmp_path):
    folder = save_plate(tmp_path / "else", Plate("attic", SIZE, (View(grey(30)),)), recorded="2026-05-01")
    assert open_plate(str(folder)).name == "attic"


def test_a_picture_is_a_plate(tmp_path):
    cv2.imwrite(str(tmp_path / "room.png"), grey(77))
    plate = open_plate("room.png")
    assert (plate.name, plate.size, plate.noise) == ("room", SIZE, 0.0)
    assert plate.rgb[0, 0, 0] == 77


@pytest.mark.parametrize("somebody", [True, False])
def test_who_is_in_a_picture_that_is_taken_as_a_plate_is_warned_of(tmp_path, monkeypatch, caplog, somebody):
    room = drawn_room(1, (320, 180))
    seen = person_mask(room, 150) * somebody
    monkeypatch.setattr("live.plates.person_finder", lambda: lambda rgb: seen)
    cv2.imwrite(str(tmp_path / "room.png"), room)
    assert open_plate("room.png").name == "room"
    assert ("the plate seems to show somebody" in caplog.text) == somebody


def test_a_folder_of_pictures_is_averaged(tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, rgb in enumerate(shots(drawn_room(1, SIZE), 8, 3.0)):
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    plate = open_plate("shots")
    assert np.abs(plate.rgb.astype(float) - drawn_room(1, SIZE)).mean() < 1.5
    assert plate.noise == pytest.approx(3.0, rel=0.1)


def test_what_is_neither_name_nor_path_is_said_with_the_plates_there_are():
    keep("desk", 10, "2026-05-01T12:00:00+00:00")
    with pytest.raises(PlateError, match='no plate "dsk" and no file of that name; plates: desk'):
        open_plate("dsk")


def test_an_empty_picture_is_said(tmp_path):
    (tmp_path / "room.png").write_bytes(b"")
    with pytest.raises(MediaError, match="empty"):
        open_plate("room.png")


def test_pictures_of_different_sizes_do_not_make_one_plate(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), grey(1))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(PlateError, match="one size"):
        average([tmp_path / "a.png", tmp_path / "b.png"])


def test_settling_ends_soon_when_the_exposure_rests():
    source = ScriptedSource([grey(100)] * 200)
    settle(source)
    assert 1.0 <= source.taken * FRAME_NS / 1e9 <= 1.2  # two windows of half a second


def test_settling_waits_while_the_exposure_moves():
    ramp = [grey(40 + 2 * i) for i in range(60)]  # two seconds of brightening
    source = ScriptedSource(ramp + [grey(160)] * 200)
    settle(source)
    assert source.taken > 60
    assert source.taken * FRAME_NS / 1e9 < 4.0


def test_settling_gives_up_on_a_camera_that_hunts_for_ever():
    source = ScriptedSource([grey(60 + 60 * (i // 20 % 2)) for i in range(300)])
    settle(source)
    assert source.taken * FRAME_NS / 1e9 == pytest.approx(4.0, abs=0.1)


def test_recording_takes_as_long_as_asked_by_the_frames_own_times():
    source = ScriptedSource([grey(50)] * 200)
    shares = []
    recording = record(source, 2.0, shares.append)
    assert recording.frames == pytest.approx(2.0 * 1e9 / FRAME_NS, abs=2)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_recording_from_a_source_that_ends_takes_what_there_was():
    assert record(ScriptedSource([grey(50)] * 5), 2.0, lambda share: None).frames == 5


def test_watching_reads_the_frames_so_that_none_is_old_afterwards():
    source = ScriptedSource([grey(50)] * 200)
    watch(source, 1.0, lambda share: None)
    assert source.taken * FRAME_NS / 1e9 == pytest.approx(1.0, abs=0.1)
    watch(source, 0.0, lambda share: None)
    assert source.taken <= 33


def holding(
    monkeypatch, source: ScriptedSource, values: dict[str, float], refused: tuple[str, ...] = ()
) -> list[int]:
    """Scripts what the camera holds; the list gets the frame numbers at which holding began and ended."""
    at: list[int] = []

    @contextmanager
    def held_camera(device: str):
        assert device == "/dev/video0"
        at.append(source.taken)
        yield Held(values, refused)
        at.append(source.taken)

    monkeypatch.setattr("live.plates.held_camera", held_camera)
    return at


def test_the_camera_is_held_while_it_records_and_what_was_held_is_told(monkeypatch):
    source = ScriptedSource([grey(100)] * 300)
    at = holding(monkeypatch, source, {"exposure": 250.0}, ("focus",))
    recording, values, words = record_held(source, "/dev/video0", 1.0, lambda share: None)
    assert values == {"exposure": 250.0}
    assert words == "the camera does not let its focus be held"
    assert at[1] - at[0] >= recording.frames
    assert at[0] > 0, "it settles first"


def test_a_camera_whose_picture_jumps_when_held_records_with_its_automatics(monkeypatch):
    source = ScriptedSource([grey(100)] * 40 + [grey(40)] * 200)
    at = holding(monkeypatch, source, {"exposure": 250.0})
    recording, values, words = record_held(source, "/dev/video0", 1.0, lambda share: None)
    assert values == {}
    assert "not held" in words
    assert recording.frames > 0
    assert at[1] < source.taken - recording.frames + 1, "it was let go before the recording"


WALL = drawn_room(5, (1100, 300))


def turning(step_px: int, count: int) -> list[np.ndarray]:
    """What a camera sees that goes along a long wall."""
    return [np.ascontiguousarray(WALL[60:240, step_px * i : step_px * i + 320]) for i in range(count)]


def test_a_recording_of_a_turning_camera_becomes_a_sweep(tmp_path):
    folder = tmp_path / "turn"
    folder.mkdir()
    for number, rgb in enumerate(turning(8, 45)):
        cv2.imwrite(str(folder / f"{number:02}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    plate = open_plate("turn")
    assert len(plate.views) > 1
    assert plate.size == (320, 180)


def test_a_sweep_tells_what_each_frame_did_and_ends_when_told_to():
    source, stop, seen = ScriptedSource(turning(8, 60)), Event(), []

    def on_progress(progress, share) -> None:
        seen.append((progress.state.value, progress.views))
        if len(seen) == 45:
            stop.set()

    plate = sweep(source, "hall", 60.0, on_progress, stop)
    assert source.taken == 45
    assert seen[0] == ("new", 1)
    assert seen[-1][1] > 1
    assert len(plate.views) - seen[-1][1] in (0, 1), "where it ended is a view, if it was none"
    assert plate.name == "hall"
