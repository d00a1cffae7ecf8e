"""A range of a film's frames: the pictures and numbers that they have in the whole, and the sound to fit."""

from __future__ import annotations

import json
import logging
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from core.errors import MediaError
from core.types import Aligner, Alignment, Frame, Picture, Renderer
from live.media import FrameRange
from live.offline import process
from live.sources.excerpt import Excerpt
from live.sources.registry import open_file
from tests.core.test_pictures import write
from tests.fakes import FakeAligner, FakeRenderer
from tests.live.clips import NTSC, SOUND_RATE, make_clip, read_back, scene
from tests.live.test_offline import left_in, parts
from tests.live.test_writers import png


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("300-499", 300, 499), ("300-", 300, None), ("300", 300, 300), ("0", 0, 0), (" 7 - 7 ", 7, 7)],
)
def test_a_range_is_read(text: str, first: int, last: int | None) -> None:
    frames = FrameRange.parse(text)
    assert frames == FrameRange(first, last)
    assert first in frames
    assert first - 1 not in frames
    assert (first + 1000 in frames) == (last is None)


@pytest.mark.parametrize("text", ["", "-5", "9-3", "5-0", "1:00-2:00", "a", "1-2-3", "1.5", "٣"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(MediaError, match=r"is no range of frames: give .*300-499"):
        FrameRange.parse(text)


def seen(source: Path, wanted: str) -> list[Frame]:
    excerpt = Excerpt(open_file(source), FrameRange.parse(wanted), stop=Event())
    try:
        return list(iter(excerpt.read, None))
    finally:
        excerpt.close()


@pytest.mark.parametrize("wanted", ["3-6", "0-2", "5-", "7"])
def test_frames_have_the_pixels_numbers_and_times_of_the_whole(tmp_path: Path, wanted: str) -> None:
    # B-frames and few key frames, so that a seek would find others
    source = make_clip(tmp_path / "in.mp4", frames=12, options={"bf": "2", "g": "12"})
    whole = seen(source, "0-")
    assert len(whole) == 12
    there = [frame for frame in whole if frame.index in FrameRange.parse(wanted)]
    given = seen(source, wanted)
    assert [(f.index, f.time_ns) for f in given] == [(f.index, f.time_ns) for f in there]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(given, there, strict=True))


def test_a_range_in_a_folder_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for index in range(6):
        write(tmp_path / f"in/{index}.png", np.full((4, 6, 3), index + 50, np.uint8))
    given = seen(tmp_path / "in", "2-3")
    assert [(f.index, int(f.rgb[0, 0, 0])) for f in given] == [(2, 52), (3, 53)]


@pytest.mark.parametrize("result", ["out.mov", "out.mp4", "out.webm"])
def test_a_film_of_a_range_begins_at_0_and_its_sound_is_that_of_its_pictures(
    tmp_path: Path, result: str
) -> None:
    """The sound is a click a picture: it must come with the picture that it belonged to."""
    source = clicking(tmp_path / "in.mkv", frames=40)
    wanted = FrameRange(15, 29)
    process(
        source, tmp_path / result, parts(straight=False), transparent=False, frames=wanted, progress=False
    )
    after = read_back(tmp_path / result)
    assert [round(float(time * NTSC)) for time in after.times] == list(range(15))
    assert after.sound_s == pytest.approx(15 / NTSC, abs=0.08)  # whole packets, and what an encoder pads
    heard_s = first_click(tmp_path / result)
    assert heard_s == pytest.approx(float(3 / NTSC), abs=0.003)  # frame 18's


def clicking(path: Path, frames: int) -> Path:
    """A film whose sound is silent but for a click with frame 18."""
    pictures = make_clip(path.with_suffix(".mp4"), frames=frames)
    with av.open(str(pictures)) as silent, av.open(str(path), "w") as container:
        copy = container.add_stream_from_template(silent.streams.video[0])
        track = container.add_stream("pcm_s16le", rate=SOUND_RATE, layout="mono")
        for packet in silent.demux(silent.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)
        samples = np.zeros(round(frames / NTSC * SOUND_RATE), np.int16)
        at = round(18 / NTSC * SOUND_RATE)
        samples[at : at + 100] = 20000
        for begin in range(0, len(samples), 480):
            piece = AudioFrame.from_ndarray(samples[None, begin : begin + 480], "s16", "mono")
            piece.sample_rate, piece.pts = SOUND_RATE, begin
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    pictures.unlink()
    return path


def first_click(path: Path) -> float:
    """When the sound first is loud, s from the beginning of the pictures."""
    with av.open(str(path)) as container:
        pictures_s = float(
            (container.streams.video[0].start_time or 0) * container.streams.video[0].time_base
        )
        for frame in container.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            samples = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            loud = np.flatnonzero(samples > (0.2 if frame.format.name.startswith(("flt", "dbl")) else 6000))
            if len(loud):
                return float(frame.time) + loud[0] / frame.sample_rate - pictures_s
    raise AssertionError(f"no click in {path}")


def test_pieces_of_a_sequence_come_together_under_their_numbers(tmp_path: Path) -> None:
    class Telling(FakeRenderer):
        def render(self, frame: Frame, alignment: Alignment) -> Picture:
            alpha = np.full(frame.rgb.shape[:2], 10 * frame.index, np.uint8)
            return Picture(frame.rgb, alpha, frame.time_ns, frame.index, straight=True)

    source = make_clip(tmp_path / "in.mp4", frames=9)
    for number, wanted in enumerate(("6-", "0-2", "3-5")):
        process(
            source,
            tmp_path / "out",
            lambda _: (FakeAligner(), Telling()),
            alpha=True,
            report=tmp_path / f"{number}.jsonl",
            frames=FrameRange.parse(wanted),
            progress=False,
        )
    names = [f"{index:06d}.png" for index in range(9)]
    assert left_in(tmp_path / "out") == sorted([*names, "alpha", *(f"alpha/{name}" for name in names)])
    assert [int(png(tmp_path / "out" / name)[0, 0, 3]) for name in names] == [10 * n for n in range(9)]
    assert [int(png(tmp_path / "out/alpha" / name)[0, 0]) for name in names] == [10 * n for n in range(9)]
    lines = [json.loads(line) for line in (tmp_path / "0.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == [6, 7, 8]
    assert lines[0]["time_ns"] == round(6 / NTSC * 1_000_000_000)


def test_what_is_there_of_a_range_is_refused_and_all_else_is_left_alone(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=9)
    process(source, tmp_path / "out", parts(), frames=FrameRange(0, 5), progress=False)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    with pytest.raises(MediaError, match=r"has results already \(000005\.png …\)"):
        process(source, tmp_path / "out", parts(), frames=FrameRange(5, 7), progress=False)
    process(source, tmp_path / "out", parts(), frames=FrameRange(2, 3), force=True, progress=False)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert sorted(after) == sorted(before)
    assert {name for name in after if after[name] != before[name]} == {"000002.png", "000003.png"}


def test_two_ranges_at_once_do_not_touch_each_other(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=8)

    class Interrupted(FakeRenderer):
        """While the first range is at work, the second is done from beginning to end."""

        def render(self, frame: Frame, alignment: Alignment) -> Picture:
            if frame.index == 2:
                process(source, tmp_path / "out", parts(), frames=FrameRange(4, 7), progress=False)
            return super().render(frame, alignment)

    process(
        source,
        tmp_path / "out",
        lambda _: (FakeAligner(), Interrupted(straight=True)),
        frames=FrameRange(0, 3),
        progress=False,
    )
    assert left_in(tmp_path / "out") == [f"{index:06d}.png" for index in range(8)]
    assert left_in(tmp_path) == ["in.mp4", "out", *(f"out/{index:06d}.png" for index in range(8))]


@pytest.mark.parametrize("name", ["in.mp4", "in"])
def test_a_range_beyond_the_end_says_how_many_there_are_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / "in.mp4", frames=5)
    (tmp_path / "in").mkdir()
    for index in range(5):
        write(tmp_path / f"in/{index}.png", scene((64, 48), index))
    before = left_in(tmp_path)
    for wanted in ("5-9", "90-"):
        with pytest.raises(MediaError, match=f"frames {wanted} begin after the end: .*frames 0 to 4;"):
            process(tmp_path / name, tmp_path / "o", parts(), frames=FrameRange.parse(wanted), progress=False)
    assert left_in(tmp_path) == before


def test_a_range_that_ends_after_the_film_says_where_that_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=5)
    with caplog.at_level(logging.WARNING):
        result = process(source, tmp_path / "out", parts(), frames=FrameRange(3, 90), progress=False)
    assert result.frames == 2
    assert "the last frame there is has the number 4" in caplog.text


def test_the_bar_counts_what_is_passed_over_and_what_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=9)
    process(source, tmp_path / "out", parts(), frames=FrameRange(4, 6), progress=True)
    told = capsys.readouterr().err
    assert "passing over" in told
    assert "4/4" in told
    assert "3/3" in told


def test_a_stop_while_frames_are_passed_over_leaves_nothing(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    source = make_clip(tmp_path / "in.mp4", frames=9)

    def build(size: tuple[int, int]) -> tuple[Aligner, Renderer]:
        raise AssertionError("the network takes seconds to load")

    with pytest.raises(MediaError, match=r"stopped before frame 4; .*out was not written"):
        process(source, tmp_path / "out", build, frames=FrameRange(4, 6), stop=stop, progress=False)
    assert left_in(tmp_path) == ["in.mp4"]


def test_a_film_cut_off_before_the_range_is_told_so(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=60, options={"g": "5", "qp": "5"})
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"in\.mp4 (is cut off|is damaged)"):
        process(source, tmp_path / "out", parts(), frames=FrameRange(55, 58), progress=False)
    assert left_in(tmp_path) == ["in.mp4"]


def test_a_late_start_and_a_varying_rate_are_kept_from_the_first_frame_on(tmp_path: Path) -> None:
    pts = [30, 50, 75, 130, 131, 190, 230, 490]
    source = make_clip(tmp_path / "in.mp4", pts=pts, time_base=Fraction(1, 600), options={"bf": "0"})
    process(
        source,
        tmp_path / "out.mp4",
        parts(straight=False),
        transparent=False,
        frames=FrameRange(3, 6),
        progress=False,
    )
    assert read_back(tmp_path / "out.mp4").times == [Fraction(pts - 130, 600) for pts in (130, 131, 190, 230)]
