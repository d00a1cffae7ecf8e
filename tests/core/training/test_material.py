"""Who and what is kept for judging: the same of the shared data ever since, and never all of one's own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import MediaError
from core.training.footage import add_people, add_room
from core.training.material import (
    held_out_by_name,
    load,
    nobody_held_out,
    people_files,
    require_people,
)
from tests.core.training.drawn import drawn_person

KEPT = ("recording", "take", "tom")  # names that the rule keeps for judging


def table(folder: Path, columns: str, *rows: str) -> Path:
    """A SOURCES.tsv, given with blanks between the cells, and an empty file for each row."""
    folder.mkdir(parents=True)
    (folder / "SOURCES.tsv").write_text("\n".join([columns, *rows, ""]).replace(" ", "\t"))
    for row in rows:
        (folder / row.split()[0]).touch()
    return folder


def names(files: list[Path]) -> list[str]:
    return [path.name for path in files]


def own_people(folder: Path, identities: list[str]) -> Path:
    for seed, identity in enumerate(identities):
        picture = folder.parent / f"{identity}.png"
        cv2.imwrite(str(picture), drawn_person(seed))
        add_people(picture, folder)
    return folder


def own_rooms(folder: Path, rooms: list[str]) -> Path:
    for level, room in enumerate(rooms):
        cv2.imwrite(str(folder.parent / f"{room}.jpg"), np.full((40, 60, 3), 10 * level, np.uint8))
        add_room(folder.parent / f"{room}.jpg", folder)
    return folder


def others(count: int) -> list[str]:
    """Names that the rule leaves to be trained on."""
    return [name for name in (f"p{k}" for k in range(99)) if not held_out_by_name(name)][:count]


def test_material_needs_nothing_of_opencv_that_windows_has_for_its_own_alphabet_alone(
    tmp_path: Path, monkeypatch
):
    folder = tmp_path / "Zoë 写真"
    folder.mkdir()
    cv2.imwrite(str(folder / "me.png"), drawn_person(1))
    cv2.imwrite(str(folder / "room.jpg"), np.full((40, 60, 3), 90, np.uint8))
    for name in ("imread", "imwrite"):
        monkeypatch.setattr(cv2, name, lambda *given: pytest.fail(f"asked OpenCV for {given[0]}"))
    add_people(folder / "me.png", folder / "mine")
    add_room(folder / "room.jpg", folder / "mine")
    material = load(tmp_path / "none", more=(folder / "mine",))
    assert (len(material.people), len(material.rooms)) == (1, 1)


def test_of_the_shared_data_the_same_are_held_out_as_ever(tmp_path: Path):
    data = tmp_path / "data"
    (data / "people_rendered").mkdir(parents=True)
    rendered = [*(f"{k:03}.webp" for k in range(20)), "r-011-0.webp", "r-011-1.webp", "r-012-0.webp"]
    for name in rendered:
        (data / "people_rendered" / name).touch()
    table(data / "people", "file free", "recording.webp yes", "b.webp unknown", "c.webp no")
    held = ["003.webp", "011.webp", "019.webp", "r-011-0.webp", "r-011-1.webp"]
    assert names(people_files((data,), held_out=True)) == held
    trained = sorted(set(rendered) - set(held))
    assert names(people_files((data,))) == [*trained, "recording.webp"]
    assert names(people_files((data,), unknown_licences=True)) == [*trained, "b.webp", "recording.webp"]


def test_few_of_ones_own_are_judged_by_the_people_of_another_folder(tmp_path: Path):
    data = tmp_path / "data"
    (data / "people_rendered").mkdir(parents=True)
    (data / "people_rendered" / "003.webp").touch()
    mine = own_people(tmp_path / "mine", list(KEPT))
    assert names(people_files((data, mine), held_out=True)) == ["003.webp"]
    assert len(people_files((data, mine))) == 3
    assert not nobody_held_out((data, mine))


def test_what_the_table_says_of_an_identity_is_done(tmp_path: Path):
    rows = ("a.webp a yes yes", "b.webp recording yes no", "c.webp c yes no")
    table(tmp_path / "people", "file identity free held_out", *rows)
    assert names(people_files((tmp_path,), held_out=True)) == ["a.webp"]
    assert names(people_files((tmp_path,))) == ["b.webp", "c.webp"]


def test_few_of_ones_own_are_all_trained_on_and_of_more_some_are_held_out(tmp_path: Path):
    few = own_people(tmp_path / "few", [*KEPT, *others(6)])
    assert names(people_files((few,), held_out=True)) == []
    assert len(people_files((few,))) == 9
    assert nobody_held_out((few,))
    more = own_people(tmp_path / "more", others(7)[6:])
    held = names(people_files((few, more), held_out=True))
    assert held == [f"{name}-0001.webp" for name in KEPT], "folders of a run count together"
    assert len(people_files((few, more))) == 7
    assert not nobody_held_out((few, more))


def test_where_all_are_held_out_the_sentence_says_so(tmp_path: Path):
    table(tmp_path / "people", "file identity free held_out", "a.webp a yes yes")
    with pytest.raises(MediaError, match=r"everybody in .* is held out .*write `no`"):
        require_people((tmp_path,))
    assert not nobody_held_out((tmp_path,))


def test_the_only_room_is_trained_on_whatever_its_name(tmp_path: Path):
    for number, name in enumerate((*KEPT, "backdrop_hall")):
        mine = own_rooms(tmp_path / str(number), [name])
        assert len(load(mine).rooms) == len(load(mine, held_out=True).rooms) == 1


def test_of_many_rooms_some_are_held_out(tmp_path: Path):
    mine = own_rooms(tmp_path / "mine", [*KEPT, *others(7)])
    assert len(load(mine).rooms) == 7
    assert len(load(mine, held_out=True).rooms) == 3


def test_the_shared_datas_backdrops_are_no_rooms(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((40, 60, 3), np.uint8))
    rooms = table(tmp_path / "rooms", "file free", "a.jpg yes", "backdrop_lake.jpg yes")
    (tmp_path / "a.jpg").replace(rooms / "a.jpg")
    assert len(load(tmp_path).rooms) == 1


def test_a_rendered_picture_without_a_number_is_named(tmp_path: Path):
    (tmp_path / "people_rendered").mkdir()
    (tmp_path / "people_rendered" / "anna.webp").touch()
    with pytest.raises(MediaError, match=r"anna\.webp is not named by .* 012\.webp .*train people"):
        people_files((tmp_path,))


def test_a_table_may_have_been_saved_by_an_editor_of_windows(tmp_path: Path):
    people = own_people(tmp_path / "mine", ["me"]) / "people"
    text = (people / "SOURCES.tsv").read_text("utf-8").replace("\r\n", "\n")
    (people / "SOURCES.tsv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert names(people_files((tmp_path / "mine",))) == ["me-0001.webp"]
    own_people(tmp_path / "mine", ["me", "you"])
    assert names(people_files((tmp_path / "mine",))) == ["me-0001.webp", "you-0001.webp"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("file\tfree\nme.webp\tyes\n".encode("utf-16"), "no text in UTF-8"),
        (b"file,free\nme.webp,yes\n", "no column named file"),
    ],
)
def test_a_table_that_was_saved_as_something_else_is_refused(tmp_path: Path, data: bytes, words: str):
    people = table(tmp_path / "mine" / "people", "file free", "me.webp yes")
    (people / "SOURCES.tsv").write_bytes(data)
    with pytest.raises(MediaError, match=words):
        people_files((tmp_path / "mine",))
    with pytest.raises(MediaError, match=words):
        own_people(tmp_path / "mine", ["me"])
