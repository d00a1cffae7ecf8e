"""Backgrounds to choose from while the program runs: what is on offer, what is taken, what is refused."""

from __future__ import annotations

import os
import shutil
import stat

import cv2
import numpy as np
import pytest

from core.errors import MediaError, SettingsError
from core.render.backdrops import Kind, parse_background
from live import backgrounds as module
from live.backgrounds import THUMBNAIL_SIZE, Backgrounds
from tests.conftest import ROOT
from tests.live.clips import make_clip

SIZE = (64, 48)
RED = np.full((30, 40, 3), (0, 0, 200), np.uint8)  # BGR


def png(bgr=RED) -> bytes:
    return cv2.imencode(".png", bgr)[1].tobytes()


class Compositor:
    """Takes changes, or refuses them."""

    def __init__(self) -> None:
        self.background, self.backdrop, self.refusal = None, None, None

    def change(self, background, backdrop) -> None:
        if self.refusal:
            raise self.refusal
        self.background, self.backdrop = background, backdrop


@pytest.fixture
def compositor():
    made = Compositor()
    yield made
    if made.backdrop is not None:
        made.backdrop.close()


@pytest.fixture
def offered(tmp_path, compositor):
    return Backgrounds(compositor.change, parse_background("blur"), tmp_path / "backgrounds", SIZE)


def test_a_folder_that_is_not_there_offers_nothing_and_is_made_for_the_first_picture(offered):
    assert list(offered.files()) == []
    assert offered.add("Beach at 10:30 (1).PNG", png()) == "Beach at 10-30 -1.png"
    assert list(offered.files()) == ["Beach at 10-30 -1.png"]
    assert stat.S_IMODE(offered.folder.stat().st_mode) == 0o700
    assert offered.now == "blur:0.5", "to add is not to choose"


@pytest.mark.parametrize(
    ("word", "kind", "now"),
    [
        ("blur:0.8", Kind.BLUR, "blur:0.8"),
        ("blur", Kind.BLUR, "blur:0.5"),
        ("#0047BB", Kind.COLOUR, "#0047bb"),
        ("green", Kind.COLOUR, "#00b140"),
        ("red.png", Kind.PICTURE, "red.png"),
    ],
)
def test_what_is_chosen_is_handed_on_with_its_first_picture_made(offered, compositor, word, kind, now):
    offered.add("red.png", png())
    offered.choose(word)
    assert (compositor.background.kind, offered.now) == (kind, now)
    if kind is Kind.BLUR:
        assert compositor.backdrop is None
    else:
        picture = compositor.backdrop.picture(SIZE, 5)
        assert picture.shape == (SIZE[1], SIZE[0], 3)
        assert picture is compositor.backdrop.picture(SIZE, 6), "made once"


def test_a_video_plays_behind(offered, compositor, tmp_path):
    offered.folder.mkdir()
    make_clip(offered.folder / "waves.mp4", frames=5)
    offered.choose("waves.mp4")
    assert compositor.background.kind is Kind.VIDEO
    assert compositor.backdrop.picture(SIZE, 10**9).shape == (SIZE[1], SIZE[0], 3)
    assert offered.now == "waves.mp4"
    assert_jpeg(offered.thumbnail("waves.mp4"))


def test_the_file_that_the_run_began_with_stays_on_offer(compositor, tmp_path):
    (tmp_path / "office.png").write_bytes(png())
    folder = tmp_path / "backgrounds"
    offered = Backgrounds(compositor.change, parse_background(str(tmp_path / "office.png")), folder, SIZE)
    offered.add("office.png", png(255 - RED))
    offered.choose("blur")
    assert sorted(offered.files()) == ["office-2.png", "office.png"]
    offered.choose("office.png")
    assert compositor.background.path == tmp_path / "office.png"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("/etc/hostname", "is not on offer: choose blur:0.5, a colour like #00b140, or a file that lies in"),
        ("../outside.png", "is not on offer"),
        ("missing.png", "is not on offer"),
        ("blur:2", "is not a number from 0 to 1"),
        ("#12", "is no colour"),
        ("", "is not on offer"),
    ],
)
def test_nothing_else_can_be_chosen_and_no_other_file_is_read(offered, compositor, tmp_path, word, said):
    (tmp_path / "outside.png").write_bytes(png())
    with pytest.raises(SettingsError, match=said):
        offered.choose(word)
    assert compositor.background is None
    assert offered.now == "blur:0.5"


def test_a_refusal_or_a_broken_file_leaves_all_as_it_was(offered, compositor):
    offered.add("red.png", png())
    (offered.folder / "half.png").write_bytes(png()[:40])
    with pytest.raises(MediaError, match=r"half\.png"):
        offered.choose("half.png")
    compositor.refusal = SettingsError("for a whole run")
    for word in ("none", "red.png"):
        with pytest.raises(SettingsError, match="for a whole run"):
            offered.choose(word)
    assert offered.now == "blur:0.5"


def test_a_file_that_was_taken_away_is_on_offer_no_more(offered):
    offered.add("red.png", png())
    shutil.rmtree(offered.folder)
    with pytest.raises(SettingsError, match="is not on offer"):
        offered.choose("red.png")
    with pytest.raises(SettingsError, match="is not on offer"):
        offered.thumbnail("red.png")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("notes.txt", b"hello", r"notes\.txt is not a picture that can be added: \.bmp"),
        ("waves.mp4", b"hello", "is not a picture that can be added"),
        ("half.png", png()[:60], r"the picture half\.png is cut off"),
        ("empty.jpg", b"", "is empty"),
        ("lies.jpg", b"hello", "is not a picture that can be read"),
    ],
)
def test_what_is_no_whole_picture_is_not_added(offered, name, data, said):
    with pytest.raises(MediaError, match=said):
        offered.add(name, data)
    assert list(offered.files()) == []
    assert not offered.folder.exists() or not os.listdir(offered.folder)


def test_too_large_or_too_many_pictures_are_not_added(offered, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    assert [offered.add("a.png", png()), offered.add("a.png", png(255 - RED))] == ["a.png", "a-2.png"]
    with pytest.raises(MediaError, match="2 backgrounds are on offer already: remove some from"):
        offered.add("b.png", png())
    monkeypatch.setattr(module, "LARGEST_PICTURE", 100)
    with pytest.raises(MediaError, match="is larger than"):
        offered.add("c.png", b"0" * 101)
    assert sorted(os.listdir(offered.folder)) == ["a-2.png", "a.png"]


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", ".hidden.png", "…/?.png", "a" * 300 + ".png"]
)
def test_no_name_leads_out_of_the_folder_or_is_hidden(offered, name):
    kept = offered.add(name, png())
    assert [path.name for path in offered.folder.iterdir()] == [kept]
    assert list(offered.files()) == [kept]


def test_a_folder_that_cannot_be_made_is_told(offered):
    offered.folder.write_text("a file, where the folder would be")
    with pytest.raises(MediaError, match="cannot"):
        offered.add("red.png", png())


def test_the_same_picture_is_kept_once(offered):
    other = png(255 - RED)
    names = [offered.add("a.png", data) for data in (png(), other, png(), other)]
    assert names == ["a.png", "a-2.png", "a.png", "a-2.png"]
    assert len(list(offered.folder.iterdir())) == 2


def test_a_thumbnail_is_small_and_follows_its_file(offered):
    offered.add("red.png", png())
    first = offered.thumbnail("red.png")
    assert_jpeg(first)
    assert offered.thumbnail("red.png") is first
    file = offered.folder / "red.png"
    file.write_bytes(png(255 - RED))
    os.utime(file, ns=(1, 1))
    assert offered.thumbnail("red.png") != first


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert ROOT not in module.backgrounds_folder().parents


def assert_jpeg(data: bytes) -> None:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (THUMBNAIL_SIZE[1], THUMBNAIL_SIZE[0], 3)
