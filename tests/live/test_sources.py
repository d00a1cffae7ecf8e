"""Files and the demo as sources: every frame, its time, its size, its right way up; and bad input."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from core.errors import CleanplateError, DeviceError, MediaError
from core.types import Frame
from live.sources import open_source
from live.sources.base import Source
from live.sources.demo import NOISE, DemoSource
from live.sources.registry import open_file
from tests.core.test_pictures import write
from tests.live.clips import NTSC, add_tone, make_clip, scene


def all_of(source: Source) -> list[Frame]:
    frames = list(iter(source.read, None))
    source.close()
    return frames


def test_a_video_gives_every_frame_with_its_exact_time(tmp_path: Path) -> None:
    source = open_file(make_clip(tmp_path / "a.mp4"))
    frames = all_of(source)
    assert source.total == 8
    assert source.clip.rate == NTSC
    assert not source.live
    assert [frame.index for frame in frames] == list(range(8))
    assert [frame.time_ns for frame in frames] == [round(i / NTSC * 1_000_000_000) for i in range(8)]
    for frame in frames:
        assert np.abs(frame.rgb.astype(int) - scene((64, 48), frame.index)).mean() < 6  # 4:2:0 and crf 23
        assert not frame.rgb.flags.writeable


def test_a_varying_rate_is_kept(tmp_path: Path) -> None:
    pts = [0, 20, 45, 100, 101, 160, 200, 460]
    frames = all_of(open_file(make_clip(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 600))))
    assert [frame.time_ns for frame in frames] == [round(Fraction(p, 600) * 1_000_000_000) for p in pts]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_of_a_turned_phone_are_upright(tmp_path: Path, rotation: int) -> None:
    """The flag turns the stored picture anticlockwise; so does np.rot90."""
    source = open_file(make_clip(tmp_path / "a.mp4", rotation=rotation, frames=2))
    upright = np.rot90(scene((64, 48), 0), rotation // 90)
    frame = all_of(source)[0]
    assert source.size == frame.size == (upright.shape[1], upright.shape[0])
    assert np.abs(frame.rgb.astype(int) - upright).mean() < 6


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (48, 64)])
def test_odd_sizes_single_pixels_and_portraits_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    source = open_file(make_clip(tmp_path / "a.mp4", size=size, pix_fmt="yuv444p", frames=2))
    assert [frame.size for frame in all_of(source)] == [size, size]


@pytest.mark.parametrize("keep", [0.35, 0.7])
def test_a_cut_off_video_is_refused(tmp_path: Path, keep: float) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=60, options={"g": "5", "qp": "5"}, sound="aac")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(MediaError, match=r"a\.mp4 (is cut off|is damaged)"):
        all_of(open_file(path))


@pytest.mark.parametrize("sound", [None, "libopus"])
def test_a_cut_off_webm_is_refused(tmp_path: Path, sound: str | None) -> None:
    path = make_clip(
        tmp_path / "a.webm", frames=90, codec="libvpx-vp9", options={"crf": "5", "b": "0"}, sound=sound
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"a\.webm (is cut off|is damaged)"):
        all_of(open_file(path))


def avi_with_gaps(path: Path, **more: Any) -> Path:
    """At 30 a second; the muxer fills the 13 times at which no picture comes with empty chunks."""
    times = [0, 1, 2, 6, 7, 15, 16, 20]
    rate = Fraction(30)
    return make_clip(
        path, codec="mpeg4", rate=rate, time_base=1 / rate, pts=times, options={"bf": "0"}, **more
    )


@pytest.mark.parametrize("sound", [None, "libmp3lame"])
def test_an_avi_with_times_at_which_no_picture_comes_is_whole(tmp_path: Path, sound: str | None) -> None:
    assert len(all_of(open_file(avi_with_gaps(tmp_path / "a.avi", sound=sound)))) == 8


@pytest.mark.parametrize("keep", [0.4, 0.9])
def test_a_cut_off_avi_is_refused(tmp_path: Path, keep: float) -> None:
    path = make_clip(tmp_path / "a.avi", codec="mpeg4", frames=60, options={"qmin": "2", "qmax": "2"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(MediaError, match=r"a\.avi (is cut off|is damaged)"):
        all_of(open_file(path))


def trimmed(path: Path) -> Path:
    """A clip of 60 frames at 30 a second of which an edit list plays the first half."""
    make_clip(path, frames=60, rate=Fraction(30), options={"g": "10", "qp": "5"})
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    data[at : at + 4] = struct.pack(">I", struct.unpack(">I", data[at : at + 4])[0] // 2)
    path.write_bytes(data)
    return path


def test_a_video_shortened_by_an_edit_list_is_whole(tmp_path: Path) -> None:
    source = open_file(trimmed(tmp_path / "a.mp4"))
    assert source.total == len(all_of(source)) == 30


def test_a_shortened_video_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = trimmed(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.3)])
    with pytest.raises(MediaError, match=r"a\.mp4 (is cut off|is damaged)"):
        all_of(open_file(path))


def late(path: Path, codec: str, frames: int, first: int = 150) -> Path:
    rate = Fraction(30)
    pts = [first + index for index in range(frames)]
    return make_clip(path, codec=codec, frames=frames, rate=rate, time_base=1 / rate, pts=pts)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")])
def test_a_matroska_film_that_begins_late_is_whole(tmp_path: Path, name: str, codec: str) -> None:
    source = open_file(late(tmp_path / name, codec, 20))
    frames = all_of(source)
    assert source.total == len(frames) == 20
    assert frames[0].time_ns == 5_000_000_000


def test_a_film_that_begins_an_hour_late_begins_at_0(tmp_path: Path) -> None:
    source = open_file(late(tmp_path / "a.mkv", "libx264", 20, first=30 * 3600))
    times = [frame.time_ns for frame in all_of(source)]
    assert [round(time / 1e9, 2) for time in times[:4]] == [0, 0.03, 0.07, 0.1]
    assert len(times) == source.total == 20
    assert source.clip.starts_s == 3600


def test_a_matroska_film_that_begins_late_and_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = late(tmp_path / "a.mkv", "libx264", 90)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"a\.mkv (is cut off|is damaged)"):
        all_of(open_file(path))


def test_a_video_cut_off_in_its_head_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(MediaError, match=r"not a video that can be read|cut off"):
        open_file(path)


def test_a_text_named_like_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video, whatever the name says\n" * 50)
    with pytest.raises(MediaError, match="not a video that can be read"):
        open_file(tmp_path / "a.mp4")


def test_an_empty_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(MediaError, match="is empty"):
        open_file(tmp_path / "a.mp4")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="stereo")
        assert isinstance(track, AudioStream)
        add_tone(container, track, 0.1)
    with pytest.raises(MediaError, match="no moving pictures"):
        open_file(tmp_path / "a.mp4")


def test_a_video_that_changes_its_size_is_refused_where_it_does(tmp_path: Path) -> None:
    parts = [make_clip(tmp_path / f"{w}.ts", size=(w, 48), frames=5, rate=Fraction(25)) for w in (64, 80)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MediaError, match=r"changes size at frame \d+ from 64x48 to 80x48"):
        all_of(open_file(path))


def test_a_folder_is_played_in_name_order_at_the_rate_asked_for(tmp_path: Path) -> None:
    for index, name in enumerate(("b", "c", "a")):
        write(tmp_path / f"{name}.png", np.full((4, 6, 3), index * 10, np.uint8))
    source = open_source(str(tmp_path), fps=25)
    frames = all_of(source)
    assert [int(frame.rgb[0, 0, 0]) for frame in frames] == [20, 0, 10]
    assert [frame.time_ns for frame in frames] == [0, 40_000_000, 80_000_000]
    assert (source.size, source.fps) == ((6, 4), 25)


def test_a_folder_of_different_sizes_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.png", np.zeros((4, 6, 3), np.uint8))
    write(tmp_path / "b.png", np.zeros((4, 7, 3), np.uint8))
    with pytest.raises(MediaError, match=r"b\.png is 7x4, the pictures before it are 6x4"):
        all_of(open_source(str(tmp_path)))


def test_a_single_picture_is_one_frame(tmp_path: Path) -> None:
    source = open_source(str(write(tmp_path / "a.png", np.zeros((4, 6, 3), np.uint8))))
    assert [frame.index for frame in all_of(source)] == [0]


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("no/such/file.mp4", MediaError, "there is no file or folder of this name"),
        ("/dev/video987", DeviceError, "no camera /dev/video987"),
        ("987", DeviceError, "no camera /dev/video987"),
        ("/dev/null", DeviceError, "/dev/null cannot be opened"),
    ],
)
def test_a_source_that_is_not_there_is_named(spec: str, kind: type[CleanplateError], words: str) -> None:
    with pytest.raises(kind, match=words):
        open_source(spec)


def test_where_cameras_have_numbers_alone_no_other_name_is_offered(monkeypatch) -> None:
    monkeypatch.setattr("live.sources.registry.lists_cameras", lambda: False)
    with pytest.raises(MediaError, match=r"a camera is named by its index, 0; the built-in scene is 'demo'"):
        open_source("FaceTime HD Camera")


def test_where_a_file_is_asked_for_no_camera_is_offered() -> None:
    with pytest.raises(
        MediaError, match="no file or folder '0': give a video, a picture or a folder"
    ) as told:
        open_file(Path("0"))
    assert "camera" not in str(told.value)


@pytest.mark.parametrize("size", [(320, 180), (240, 320), (161, 121)])
def test_the_demo_has_the_size_asked_for(size: tuple[int, int]) -> None:
    demo = DemoSource(size, 1000)
    frame = demo.read()
    assert frame.size == demo.size == size
    assert demo.plate().rgb.shape == frame.rgb.shape


def test_the_demo_shows_its_plate_with_fresh_noise_and_a_moving_person_in_front() -> None:
    demo = DemoSource((640, 360))
    plate = demo.plate()
    first, second, later = demo.picture(0.0), demo.picture(0.0), demo.picture(1.6)
    corner = np.s_[:60, -60:]  # nobody gets there
    assert 0.5 * NOISE < (first[corner].astype(int) - second[corner]).std() < 3 * NOISE
    assert np.abs(first[corner].astype(int) - plate.rgb[corner]).mean() < 3 * NOISE
    middle = np.s_[120:, 200:440]
    assert np.abs(first[middle].astype(int) - plate.rgb[middle]).mean() > 20
    assert np.abs(first[middle].astype(int) - later[middle]).mean() > 8
    assert plate.noise == NOISE


def test_demo_frames_are_stamped_a_period_apart_or_more() -> None:
    demo = DemoSource((160, 90), 500)
    frames = [demo.read() for _ in range(5)]
    assert all(b.time_ns - a.time_ns >= 2_000_000 for a, b in pairwise(frames))
    assert [frame.index for frame in frames] == list(range(5))
