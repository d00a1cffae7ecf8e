"""A video behind the person: by the frames' clock, over and over, and never the room when it breaks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from core.errors import MediaError
from live.backdrop import VideoBackdrop

FPS, COUNT, SIZE = 10, 8, (64, 48)
FRAME_NS = 1_000_000_000 // FPS
START_NS = 123_456_789


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


def test_the_picture_follows_the_frames_clock(video):
    with VideoBackdrop(video, SIZE) as backdrop:
        assert [shown(backdrop, at) for at in (0, 0.5, 1, 1.9, 4, 7)] == [20, 20, 40, 40, 100, 160]


def test_it_begins_again_at_its_end(video):
    with VideoBackdrop(video, SIZE) as backdrop:
        assert [shown(backdrop, at) for at in (0, 7, 8, 9, 16, 17.5)] == [20, 160, 20, 40, 20, 40]


def test_a_clock_that_stands_still_holds_the_picture(video):
    with VideoBackdrop(video, SIZE) as backdrop:
        assert [shown(backdrop, at) for at in (0, 3, 3, 3)] == [20, 80, 80, 80]


def test_another_size_is_covered(video):
    with VideoBackdrop(video, SIZE) as backdrop:
        assert backdrop.picture((30, 50), START_NS).shape == (50, 30, 3)


def test_a_broken_file_is_said_at_once(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError):
        VideoBackdrop(tmp_path / "clip.mp4", SIZE)


def test_a_file_that_is_replaced_while_it_plays_raises_instead_of_showing_nothing(video):
    with VideoBackdrop(video, SIZE) as backdrop:
        assert shown(backdrop, 0) == 20
        video.unlink()
        video.write_bytes(b"no longer a video")
        with pytest.raises(MediaError):
            [shown(backdrop, at) for at in range(3 * COUNT)]


def test_closing_twice_is_allowed_and_leaves_no_thread(video):
    backdrop = VideoBackdrop(video, SIZE)
    backdrop.picture(SIZE, 0)
    backdrop.close()
    backdrop.close()
    assert not backdrop._thread.is_alive()
