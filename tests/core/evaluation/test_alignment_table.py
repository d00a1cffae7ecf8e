"""The alignment table is made of what is there, and what is missing is said before anything is measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from core.errors import MediaError
from core.evaluation import alignment, captures, scenes
from core.evaluation.clips import Clip
from core.evaluation.finding import behind_somebody_row, room_offsets_px
from core.evaluation.tracks import LARGE_MIN_WIDTH, Table, has_held_out_places, require_for_scenes
from live.cli.app import app

SIZE = (320, 240)


def texture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 255, (SIZE[1] // 6, SIZE[0] // 6, 3), np.uint8)
    return cv2.resize(fine, SIZE, interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The least that scenes are drawn from, with nothing to see in it."""
    places, people = tmp_path / "data" / "panoramas", tmp_path / "data" / "people_rendered"
    places.mkdir(parents=True)
    people.mkdir()
    cv2.imwrite(str(places / "wide.jpg"), np.zeros((8, LARGE_MIN_WIDTH, 3), np.uint8))
    cv2.imwrite(str(places / "other.jpg"), np.zeros((8, 16, 3), np.uint8))
    cv2.imwrite(str(people / "000.webp"), np.zeros((8, 8, 4), np.uint8))
    return tmp_path


def test_what_a_folder_lacks_is_named(folder: Path, tmp_path: Path):
    require_for_scenes(folder)
    (folder / "data" / "panoramas" / "wide.jpg").unlink()
    with pytest.raises(MediaError, match=r"it lacks two JPEG panoramas .*; one of them 3840 px") as refused:
        require_for_scenes(folder)
    assert "people" not in str(refused.value)
    shown = CliRunner().invoke(app, ["evaluate", "alignment", "--shared", str(tmp_path)])
    assert isinstance(shown.exception, MediaError)


def test_a_picture_that_cannot_be_read_is_named(folder: Path):
    broken = folder / "data" / "panoramas" / "wide.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(MediaError, match=f"no readable panorama at {broken}"):
        require_for_scenes(folder)
    with pytest.raises(MediaError, match="no readable person"):
        scenes.Person.load(broken, 0.3, 0)


def test_rows_without_pictures_are_left_out_and_that_is_said(folder: Path, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(alignment, "_PARTS", {"nothing": lambda *arguments: None})
    table = alignment.run(folder, tell=told.append)
    assert told == ["nothing ...", "real pictures ..."]
    assert table.rows == []
    assert any("true alpha" in note for note in table.notes)
    assert any("which all other rows may show, too" in note for note in table.notes)
    for words in ("handheld pictures", "desk-sequence", "red-kitchen"):
        assert any(note.startswith(f"no row of {words}: ") for note in table.notes)


def test_places_never_tuned_on_are_known_by_their_names(folder: Path):
    assert not has_held_out_places(folder)
    cv2.imwrite(str(folder / "data" / "panoramas" / "house_1.jpg"), np.zeros((8, 16, 3), np.uint8))
    assert has_held_out_places(folder)


def test_a_fit_counts_as_a_return_where_shared_features_lie_as_it_says():
    plate = texture(0)
    turned = np.array([[0.9, -0.2, 40], [0.2, 0.9, -20], [0, 0, 1.0]])
    seen = np.asarray(cv2.warpPerspective(plate, turned, SIZE), np.uint8)
    assert captures.came_back(plate, seen, turned)
    assert not captures.came_back(plate, seen, np.eye(3))
    assert not captures.came_back(plate, seen, None)
    assert not captures.came_back(plate, texture(1), turned)
    assert not captures.came_back(plate, np.zeros_like(plate), turned)


def clip_before(plate: np.ndarray, said: np.ndarray) -> Clip:
    """Two frames of the texture 0 with nobody there; `said` is where its plate is said to lie."""
    alphas = [np.zeros((SIZE[1], SIZE[0]), np.float32)] * 2
    return Clip("handheld", "made", [texture(0)] * 2, alphas, plate, [said] * 2)


def test_how_far_a_room_is_off_is_measured_where_it_is_seen():
    right = room_offsets_px(clip_before(texture(0), np.eye(3)))
    assert len(right) == 2
    assert all(px is not None and px < 0.1 for px in right)
    beside = np.array([[1, 0, 3.0], [0, 1, 4], [0, 0, 1]])
    assert room_offsets_px(clip_before(texture(0), beside)) == pytest.approx([5, 5], abs=0.1)
    clip = clip_before(texture(0), np.diag([1.5, 1, 1]))  # ever more to the right, where somebody stands
    everything = room_offsets_px(clip)[0]
    clip.alphas[:] = [np.repeat(np.float32([[0] * 80 + [1] * 240]), SIZE[1], axis=0)] * 2
    seen = room_offsets_px(clip)[0]
    assert seen is not None
    assert everything is not None
    assert seen < 0.5 * everything


def test_a_room_that_is_not_found_has_no_offset():
    assert room_offsets_px(clip_before(texture(1), np.eye(3))) == [None, None]


def test_without_people_to_stand_before_a_room_there_is_no_row_and_that_is_said(folder: Path):
    table = Table()
    behind_somebody_row(table, folder, seed=0, quick=True)
    assert table.rows == []
    assert table.notes[0].startswith("no row of a room behind somebody: ")
    assert "people in motion" in table.notes[0]
