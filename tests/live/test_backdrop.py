"""A video behind the person: by the frames' clock, over and over, and never the room when it breaks."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest

from core.errors import MediaError
from live.backdrop import VideoBackdrop
from live.sources.video import VideoSource
from tests.fakes import HANG_LIMIT_S
from tests.live.test_sources import avi_with_gaps

FPS, COUNT, SIZE = 10, 8, (64, 48)
FRAME_NS = 1_000_000_000 // FPS
START_NS = 123_456_789
BEHIND_S = (
    HANG_LIMIT_S  # that long a live frame waits here: what is shown must not hang on the machine's speed
)


@pytest.fixture
def video(tmp_path) -> Path:
    """Eight grey pictures, 20 to 160, lossless, at ten a second."""
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "gray"
        for number in range(COUNT):
            grey = np.full(SIZE[::-1], 20 + 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray")))
        container.mux(stream.encode())
    return path


def shown(backdrop: VideoBackdrop, at_frame: float) -> int:
    return int(backdrop.picture(SIZE, START_NS + round(at_frame * FRAME_NS))[0, 0, 0])


@pytest.fixture(params=[True, False], ids=["live", "offline"])
def backdrop(request, video):
    with VideoBackdrop(video, SIZE, live=request.param, wait_s=BEHIND_S) as playing:
        yield playing


def test_the_picture_follows_the_frames_clock(backdrop):
    assert [shown(backdrop, at) for at in (0, 0.5, 1, 1.9, 4, 7)] == [20, 20, 40, 40, 100, 160]


def test_it_begins_again_at_its_end(backdrop):
    assert [shown(backdrop, at) for at in (0, 7, 8, 9, 16, 17.5)] == [20, 160, 20, 40, 20, 40]


def test_a_clock_that_stands_still_holds_the_picture(backdrop):
    assert [shown(backdrop, at) for at in (0, 3, 3, 3)] == [20, 80, 80, 80]


@pytest.mark.parametrize("gap", [10.5, 3 * COUNT + 5, 3_001, -7])
def test_live_the_film_goes_on_where_it_stood_after_a_pause(video, gap):
    """A frame after the pause would else wait until all that was not shown is decoded."""
    with VideoBackdrop(video, SIZE, live=True, wait_s=BEHIND_S) as backdrop:
        assert [shown(backdrop, at) for at in (0, 2)] == [20, 60]
        assert [shown(backdrop, 2 + gap + at) for at in (0, 1, 2)] == [60, 80, 100]
        assert backdrop._next.index <= 6, "pictures decoded so far"


def test_offline_a_gap_of_many_plays_shows_what_playing_them_would(video):
    with VideoBackdrop(video, SIZE, live=False) as backdrop:
        assert [shown(backdrop, at) for at in (0, 2)] == [20, 60]
        assert [shown(backdrop, 100 * COUNT + at) for at in (5, 6, 8)] == [120, 140, 20]
        assert [shown(backdrop, 300 * COUNT + at) for at in (3, 4)] == [80, 100]
        assert backdrop._next.index <= 5 * COUNT, "pictures decoded so far"


def test_live_no_frame_waits_for_a_film_that_is_slower_than_it_plays(video, monkeypatch):
    slow = Event()

    class SlowFilm(VideoSource):
        def read(self):
            if self._next_index == 3:
                assert slow.wait(HANG_LIMIT_S)
            return super().read()

    monkeypatch.setattr("live.backdrop.VideoSource", SlowFilm)
    with VideoBackdrop(video, SIZE, live=True, wait_s=0.01) as backdrop:
        assert shown(backdrop, 0) == 20
        held = [shown(backdrop, at) for at in range(1, 6)]
        assert held == sorted(held)
        assert max(held) <= 60, "no more than three pictures are there"
        slow.set()
        assert shown(backdrop, 6) <= 80, "it is behind, and does not hurry after what was missed"


def test_live_a_film_that_has_come_to_a_halt_is_told(video, monkeypatch):
    halted = Event()

    class HaltingFilm(VideoSource):
        def read(self):
            if self._next_index == 2:
                assert halted.wait(HANG_LIMIT_S)
            return super().read()

    monkeypatch.setattr("live.backdrop.VideoSource", HaltingFilm)
    with VideoBackdrop(video, SIZE, live=True, wait_s=0.001) as backdrop:
        shown(backdrop, 0)
        monkeypatch.setattr("live.backdrop._PATIENCE_S", 0.02)
        with pytest.raises(MediaError, match="gives no picture"):
            [shown(backdrop, at) for at in range(1000)]
        halted.set()


def test_an_avi_with_times_at_which_no_picture_comes_begins_again(tmp_path):
    with VideoBackdrop(avi_with_gaps(tmp_path / "a.avi"), SIZE, live=False) as backdrop:
        for at in (0, 5, 12):  # in pictures' times of FPS; the film lasts 0.7 s
            assert shown(backdrop, at) in range(5, 40)  # 20 in the corner of every picture


def test_another_size_is_covered(video):
    with VideoBackdrop(video, SIZE, live=False) as backdrop:
        assert backdrop.picture((30, 50), START_NS).shape == (50, 30, 3)


def test_a_broken_file_is_said_at_once(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError):
        VideoBackdrop(tmp_path / "clip.mp4", SIZE, live=False)


def test_a_file_that_is_replaced_while_it_plays_raises_instead_of_showing_nothing(video):
    with VideoBackdrop(video, SIZE, live=False) as backdrop:
        assert shown(backdrop, 0) == 20
        video.unlink()
        video.write_bytes(b"no longer a video")
        with pytest.raises(MediaError):
            [shown(backdrop, at) for at in range(3 * COUNT)]


def test_closing_twice_is_allowed_and_leaves_no_thread(video):
    backdrop = VideoBackdrop(video, SIZE, live=False)
    backdrop.picture(SIZE, 0)
    backdrop.close()
    backdrop.close()
    assert not backdrop._thread.is_alive()
