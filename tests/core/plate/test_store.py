"""Plates on disk come back as they were, or with a sentence that says why not."""

from __future__ import annotations

import os
import stat
import sys

import numpy as np
import pytest

from core.errors import PlateError
from core.plate import find_plate, list_plates, load_plate, remove_plate, save_plate
from core.types import Plate, View
from tests.core.plate.synthetic import drawn_room

RECORDED = "2026-02-03T10:11:12+01:00"


def plate(name: str = "desk", seed: int = 1, **more) -> Plate:
    return Plate(name, (160, 90), (View(drawn_room(seed, (160, 90))),), **more)


def test_a_plate_comes_back_pixel_for_pixel(tmp_path):
    saved = plate(noise=2.5, camera={"exposure": 250.0, 'odd "name"\n': -1.5})
    loaded = load_plate(save_plate(tmp_path, saved, recorded=RECORDED, frames=90))
    assert np.array_equal(loaded.rgb, saved.rgb)
    assert (loaded.name, loaded.size, loaded.noise, loaded.camera) == ("desk", (160, 90), 2.5, saved.camera)
    assert loaded.coverage is None
    assert np.array_equal(loaded.views[0].plate_from_view, np.eye(3))


def test_a_sweep_keeps_its_views_coverage_and_poses(tmp_path):
    coverage = np.zeros((90, 160), np.uint8)
    coverage[:, 40:] = 255
    pose = np.array([[1.01, 0.02, 31.123456789], [0, 0.99, -4.5], [1e-5, 0, 1]])
    views = (View(drawn_room(1, (160, 90))), View(drawn_room(2, (160, 90)), coverage, pose))
    loaded = load_plate(save_plate(tmp_path, Plate("sweep", (160, 90), views), recorded=RECORDED))
    assert len(loaded.views) == 2
    assert np.array_equal(loaded.views[1].coverage, coverage)
    assert np.array_equal(loaded.views[1].plate_from_view, pose)


def test_the_list_shows_each_plate_and_names_the_damaged(tmp_path):
    save_plate(tmp_path, plate("desk", noise=2.0), recorded=RECORDED, frames=90)
    save_plate(tmp_path, plate("attic"), recorded=RECORDED)
    (tmp_path / "attic" / "plate.toml").write_text("format = ")
    (tmp_path / "not a plate").mkdir()
    attic, desk = list_plates(tmp_path)
    assert (desk.name, desk.size, desk.views, desk.frames, desk.recorded) == (
        "desk",
        (160, 90),
        1,
        90,
        RECORDED,
    )
    assert desk.problem == ""
    assert "damaged" in attic.problem
    assert list_plates(tmp_path / "nowhere") == []


@pytest.mark.parametrize("there", [False, True])
def test_what_does_not_fit_on_the_disk_leaves_nothing_behind_but_what_was_there(tmp_path, monkeypatch, there):
    if there:
        save_plate(tmp_path, plate(seed=1), recorded=RECORDED)
    left = sorted(tmp_path.rglob("*"))
    room = plate(seed=2).views[0]
    sweep = Plate(
        "desk", (160, 90), (plate(seed=1).views[0], View(room.rgb, None, np.diag([2.0, 2, 1])), room)
    )
    synced = iter(range(9))

    def full_at_the_second(*_):
        if next(synced):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_at_the_second)
    with pytest.raises(PlateError, match="No space left on device"):
        save_plate(tmp_path, sweep, recorded=RECORDED, replace=True)
    assert sorted(tmp_path.rglob("*")) == left
    if there:
        assert np.array_equal(load_plate(tmp_path / "desk").rgb, plate(seed=1).rgb)


def test_a_name_that_is_taken_is_refused_unless_replacing(tmp_path):
    save_plate(tmp_path, plate(seed=1), recorded=RECORDED)
    with pytest.raises(PlateError, match='already a plate "desk"'):
        save_plate(tmp_path, plate(seed=2), recorded=RECORDED)
    folder = save_plate(tmp_path, plate(seed=2), recorded=RECORDED, replace=True)
    assert np.array_equal(load_plate(folder).rgb, plate(seed=2).rgb)
    assert len(list(folder.iterdir())) == 2, "the old picture is gone"


def test_a_crash_while_replacing_leaves_the_old_plate(tmp_path, monkeypatch):
    folder = save_plate(tmp_path, plate(seed=1), recorded=RECORDED)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PlateError, match="No space left"):
        save_plate(tmp_path, plate(seed=2), recorded=RECORDED, replace=True)
    assert np.array_equal(load_plate(folder).rgb, plate(seed=1).rgb)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_nobody_else_may_look_at_a_plate(tmp_path):
    root, before = tmp_path / "data" / "plates", os.umask(0o022)
    try:
        folder = save_plate(root, plate(seed=1), recorded=RECORDED)
        folder.chmod(0o755)  # as an earlier version left it
        next(folder.glob("view-*.png")).with_name(".plate.toml.part").write_bytes(b"")
        save_plate(root, plate(seed=2), recorded=RECORDED, replace=True)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (root, folder)] == [0o700, 0o700]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("there", [False, True], ids=["a new plate", "a plate that is replaced"])
def test_a_plate_that_cannot_be_kept_leaves_no_picture_of_the_room(tmp_path, monkeypatch, there):
    if there:
        save_plate(tmp_path, plate(seed=1), recorded=RECORDED)
    before = sorted(tmp_path.rglob("*"))
    written = []

    def full_at_the_second(number):
        written.append(number)
        if len(written) > 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_at_the_second)
    with pytest.raises(PlateError, match="No space left"):
        save_plate(tmp_path, plate(seed=2), recorded=RECORDED, replace=there)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_else_lies_in_a_folder_is_left_when_a_plate_cannot_be_kept_there(tmp_path, monkeypatch):
    mine = tmp_path / "desk" / "holiday.png"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PlateError, match="No space left"):
        save_plate(tmp_path, plate(), recorded=RECORDED)
    assert list(mine.parent.iterdir()) == [mine]


def test_a_crash_while_the_description_is_written_leaves_the_old_plate(tmp_path, monkeypatch):
    folder = save_plate(tmp_path, plate(seed=1), recorded=RECORDED)
    synced, fsync = [], os.fsync

    def full_after_the_picture(descriptor):
        synced.append(descriptor)
        if len(synced) > 1:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", full_after_the_picture)
    with pytest.raises(PlateError, match="No space left"):
        save_plate(tmp_path, plate(seed=2), recorded=RECORDED, replace=True)
    assert len(synced) == 2
    assert np.array_equal(load_plate(folder).rgb, plate(seed=1).rgb)


def test_a_plate_that_is_removed_halfway_is_none(tmp_path, monkeypatch):
    save_plate(tmp_path, plate(), recorded=RECORDED)

    def busy(*_):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr("shutil.rmtree", busy)
    with pytest.raises(PlateError, match=r"desk cannot be removed: Device or resource busy"):
        remove_plate(tmp_path, "desk")
    assert list_plates(tmp_path) == []


def test_a_removed_plate_is_gone_and_a_missing_one_is_said_with_those_there_are(tmp_path):
    save_plate(tmp_path, plate("desk"), recorded=RECORDED)
    save_plate(tmp_path, plate("attic"), recorded=RECORDED)
    remove_plate(tmp_path, "desk")
    assert not (tmp_path / "desk").exists()
    with pytest.raises(PlateError, match=r'no plate "desk" \(there are attic\)'):
        find_plate(tmp_path, "desk")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", ".hidden", "none", "Auto", "x" * 65, "a\n", " a"]
)
def test_a_name_that_cannot_be_a_folder_is_refused(tmp_path, name):
    with pytest.raises(PlateError, match=r"cannot be called.*a letter or digit first and last"):
        save_plate(tmp_path, plate(name), recorded=RECORDED)
    assert list(tmp_path.iterdir()) == []


def test_names_may_have_blanks_and_letters_of_any_language(tmp_path):
    assert load_plate(save_plate(tmp_path, plate("Büro 2.Stock"), recorded=RECORDED)).name == "Büro 2.Stock"


def damage_cut_picture(folder):
    picture = next(folder.glob("view-*.png"))
    picture.write_bytes(picture.read_bytes()[:200])


def damage_no_picture(folder):
    next(folder.glob("view-*.png")).unlink()


def edit(old, new):
    def damage(folder):
        file = folder / "plate.toml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_cut_picture, "is not what was written"),
        (damage_no_picture, "cannot be read"),
        (edit("format = 1", "format = 2"), "format 2, this cleanplate reads 1: install a newer"),
        (edit("format = 1", "format = 0"), "format 0, this cleanplate reads 1: record again"),
        (edit("format = 1\n", ""), "lacks its format"),
        (edit("noise = ", "nose = "), "lacks or garbles 'noise'"),
        (edit("[[views]]", "[views]"), "damaged"),
        (edit("size = [160, 90]", "size = [90, 160]"), "another size than it says"),
        (edit("plate_from_view = [1.0,", "plate_from_view = [nan,"), "not finite"),
        (edit("plate_from_view = [1.0,", "plate_from_view = ["), "damaged"),
        (edit("plate_from_view = [1.0,", "plate_from_view = [0.0,"), "cannot be undone"),
        (edit("noise = ", "camera = 5\nnoise = "), "lacks or garbles"),
        (edit("size = [160, 90]", "size = [inf, 90]"), "lacks or garbles"),
        (edit("size = [160, 90]", "size = [0, 0]"), "no plate is 0x0"),
        (edit("noise = 0", "noise = nan #"), "noise of nan"),
        (edit('picture = "', 'picture = "../'), "not a file's name"),
        (lambda folder: (folder / "plate.toml").unlink(), "is not a plate"),
        (lambda folder: (folder / "plate.toml").write_bytes(b"\xff\xfe"), "damaged"),
    ],
)
def test_a_damaged_plate_is_answered_with_a_sentence(tmp_path, damage, words):
    folder = save_plate(tmp_path, plate(), recorded=RECORDED)
    damage(folder)
    with pytest.raises(PlateError) as caught:
        load_plate(folder)
    assert words in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(PlateError, match="cannot be written"):
        save_plate(blocked, plate(), recorded=RECORDED)
