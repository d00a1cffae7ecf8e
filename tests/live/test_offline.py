"""From a file on disk to a file on disk: every frame, in order, or nothing at all."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
import pytest

from core.errors import MediaError, PlateError
from core.types import Aligner, Alignment, Frame, Picture, Renderer
from live.media import FrameRange
from live.offline import Build, process
from tests.core.test_pictures import write
from tests.fakes import BACKDROP, FakeAligner, FakeRenderer, person_alpha
from tests.live.clips import NTSC, make_clip, read_back, scene
from tests.live.test_writers import png


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(1)  # the progress bar's own thread is told to stop, not waited for
    assert set(threading.enumerate()) <= before


def parts(*, straight: bool = True, fail_at: tuple[int, ...] = ()) -> Build:
    def build(size: tuple[int, int]) -> tuple[Aligner, Renderer]:
        return FakeAligner(), FakeRenderer(straight=straight, fail_at=fail_at)

    return build


def left_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_video_becomes_one_of_the_same_count_times_rate_rotation_and_sound(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=20, rotation=90, sound="aac")
    result = process(source, tmp_path / "out.mov", parts(), progress=False)
    before, after = read_back(source), read_back(tmp_path / "out.mov")
    assert result.frames == 20
    assert result.outputs == (tmp_path / "out.mov",)
    assert after.times == before.times
    assert after.average_rate == before.average_rate == NTSC
    assert after.rotation == before.rotation == 90
    assert after.pictures[0].shape == before.pictures[0].shape
    assert after.sound == before.sound == "aac"
    upright = np.rot90(after.alphas[0])
    assert np.abs(upright.astype(int) - person_alpha((48, 64))).max() <= 1


@pytest.mark.parametrize("result", ["out.mov", "out.mp4"])
def test_a_varying_rate_and_a_late_start_are_kept_to_the_end(tmp_path: Path, result: str) -> None:
    pts = [30, 50, 75, 130, 131, 190, 230, 490]
    # without B-frames, whose order of decoding is what a demuxer takes for the rate
    source = make_clip(tmp_path / "in.mp4", pts=pts, time_base=Fraction(1, 600), options={"bf": "0"})
    process(source, tmp_path / result, parts(straight=False), transparent=False, progress=False)
    before, after = read_back(source), read_back(tmp_path / result)
    assert after.times == before.times
    assert after.average_rate == before.average_rate


def test_frame_n_of_the_matte_belongs_to_frame_n_of_the_picture(tmp_path: Path) -> None:
    """The matte here is made of the frame's own brightness, which differs from frame to frame."""

    class Telling(FakeRenderer):
        def render(self, frame: Frame, alignment: Alignment) -> Picture:
            alpha = np.full(frame.rgb.shape[:2], frame.rgb[0, 0, 0], np.uint8)
            return Picture(frame.rgb, alpha, frame.time_ns, frame.index, straight=True)

    (tmp_path / "in").mkdir()
    for index in range(30):
        write(tmp_path / f"in/{index:03d}.png", np.full((6, 8, 3), index + 50, np.uint8))
    process(
        tmp_path / "in", tmp_path / "out", lambda _: (FakeAligner(), Telling()), alpha=True, progress=False
    )
    for index in range(30):
        assert (png(tmp_path / f"out/{index:06d}.png") == index + 50).all()
        assert (png(tmp_path / f"out/alpha/{index:06d}.png") == index + 50).all()


def test_a_picture_becomes_a_picture_with_alpha(tmp_path: Path) -> None:
    source = write(tmp_path / "in.png", scene((64, 48), 0))
    process(source, tmp_path / "out.png", parts(), progress=False)
    assert (png(tmp_path / "out.png")[..., 3] == person_alpha((64, 48))).all()


def test_a_picture_of_one_pixel_goes_through(tmp_path: Path) -> None:
    source = write(tmp_path / "in.png", np.full((1, 1, 3), 9, np.uint8))
    process(source, tmp_path / "out", parts(straight=False), transparent=False, progress=False)
    assert (png(tmp_path / "out/000000.png") == BACKDROP).all()


def test_the_report_has_a_line_a_frame(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=5)
    process(source, tmp_path / "out", parts(), report=tmp_path / "report.jsonl", progress=False)
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(5))
    assert [line["time_ns"] for line in lines] == [round(i / NTSC * 1_000_000_000) for i in range(5)]
    assert {line["dropped"] for line in lines} == {0}


def test_a_progress_bar_names_the_result_and_all_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process(make_clip(tmp_path / "in.mp4", frames=5), tmp_path / "out", parts(), progress=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert "out" in told.err
    assert "5/5" in told.err


@pytest.mark.parametrize("name", ["out", "out.mov", "out.webm"])
def test_a_damaged_video_leaves_nothing_half_written(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=60, options={"g": "5", "qp": "5"})
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"in\.mp4 (is cut off|is damaged)"):
        process(source, tmp_path / name, parts(), alpha=True, report=tmp_path / "r.jsonl", progress=False)
    assert left_in(tmp_path) == ["in.mp4"]


def test_a_stage_that_raises_leaves_nothing_and_shows_its_error(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=5)
    with pytest.raises(RuntimeError, match="renderer broke"):
        process(source, tmp_path / "out.mov", parts(fail_at=(3,)), progress=False)
    assert left_in(tmp_path) == ["in.mp4"]


def test_a_plate_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    def build(size: tuple[int, int]) -> tuple[Aligner, Renderer]:
        raise PlateError(f"plate is 1x1, camera gives {size[0]}x{size[1]}")

    with pytest.raises(PlateError, match="64x48"):
        process(make_clip(tmp_path / "in.mp4"), tmp_path / "out", build, progress=False)
    assert left_in(tmp_path) == ["in.mp4"]


def stopped(source: Path, output: Path, at: int, **options: Any) -> str:
    """What is said when it is stopped while that frame is worked on."""
    stop = Event()

    class Stopping(FakeRenderer):
        def render(self, frame: Frame, alignment: Alignment) -> Picture:
            if frame.index == at:
                stop.set()
            return super().render(frame, alignment)

    with pytest.raises(MediaError) as told:
        process(
            source,
            output,
            lambda _: (FakeAligner(), Stopping(straight=True)),
            stop=stop,
            progress=False,
            **options,
        )
    return str(told.value)


def test_a_stop_from_outside_leaves_nothing_of_a_film(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=8)
    assert re.fullmatch(
        r"stopped after [345] frames; .*o\.mov was not written", stopped(source, tmp_path / "o.mov", 2)
    )
    assert left_in(tmp_path) == ["in.mp4"]


@pytest.mark.parametrize("made_before", [False, True])
def test_pictures_made_until_a_stop_stay_and_the_command_for_the_rest_is_told(
    tmp_path: Path, made_before: bool
) -> None:
    source, output = make_clip(tmp_path / "in.mp4", frames=12), tmp_path / "out"
    if made_before:
        output.mkdir()
    said = stopped(source, output, 2, alpha=True)
    told = re.fullmatch(r"stopped after (\d) frames, which are in .*out; the rest .* --frames (\d)-", said)
    assert told is not None
    assert told[1] == told[2]
    names = [f"{number:06d}.png" for number in range(12)]
    for folder in (output, output / "alpha"):
        assert sorted(file.name for file in folder.glob("*.png")) == names[: int(told[1])]

    process(source, output, parts(), alpha=True, frames=FrameRange.parse(f"{told[2]}-"), progress=False)
    process(source, tmp_path / "whole", parts(), alpha=True, progress=False)
    for name in names:
        for folder in ("", "alpha/"):
            assert (output / folder / name).read_bytes() == (tmp_path / "whole" / folder / name).read_bytes()


def test_of_a_range_the_rest_ends_where_it_did(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=16)
    said = stopped(source, tmp_path / "out", 5, frames=FrameRange(4, 14))
    told = re.search(r"stopped after (\d) frames,.*--frames (\d+)-14$", said)
    assert told is not None
    assert int(told[2]) == 4 + int(told[1])


def test_a_stop_leaves_an_earlier_result_as_it_was(tmp_path: Path) -> None:
    source, output = make_clip(tmp_path / "in.mp4", frames=12), tmp_path / "out"
    process(source, output, parts(), progress=False)
    before = {file.name: file.read_bytes() for file in output.iterdir()}
    assert "was not written" in stopped(source, output, 2, force=True)
    assert {file.name: file.read_bytes() for file in output.iterdir()} == before


def test_an_existing_result_or_report_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=2)
    for name in ("out.mov", "report.jsonl"):
        (tmp_path / name).write_text("precious")

    def build(size: tuple[int, int]) -> tuple[Aligner, Renderer]:
        raise AssertionError("must not be called")

    with pytest.raises(MediaError, match=r"out\.mov is there already"):
        process(source, tmp_path / "out.mov", build, progress=False)
    with pytest.raises(MediaError, match=r"report\.jsonl is there already"):
        process(source, tmp_path / "new.mov", build, report=tmp_path / "report.jsonl", progress=False)
    assert left_in(tmp_path) == ["in.mp4", "out.mov", "report.jsonl"]
    process(
        source, tmp_path / "out.mov", parts(), report=tmp_path / "report.jsonl", force=True, progress=False
    )
    assert len(read_back(tmp_path / "out.mov").times) == 2


@pytest.mark.parametrize("result", ["out.mov", "out.mp4"])
def test_a_broadcasts_clock_is_set_to_0_and_pictures_and_sound_stay_together(
    tmp_path: Path, result: str
) -> None:
    source = broadcast(tmp_path / "in.ts")
    process(source, tmp_path / result, parts(straight=False), transparent=False, progress=False)
    before, after = begins(source), begins(tmp_path / result)
    assert min(before) == pytest.approx(3600, abs=0.1)
    assert min(after) == pytest.approx(0, abs=0.001)
    assert after[0] - after[1] == pytest.approx(before[0] - before[1], abs=0.002)
    pictures = read_back(source).times, read_back(tmp_path / result).times
    assert [time - pictures[0][0] for time in pictures[0]] == [time - pictures[1][0] for time in pictures[1]]


def broadcast(path: Path) -> Path:
    """Half a second of pictures and sound, at one hour of its clock."""
    clip = make_clip(path.with_suffix(".mkv"), frames=15, sound="mp2", options={"bf": "0"})
    with av.open(str(clip)) as plain, av.open(str(path), "w", options={"output_ts_offset": "3600"}) as late:
        copies = {stream.index: late.add_stream_from_template(stream) for stream in plain.streams}
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                late.mux(packet)
    return path


def begins(path: Path) -> list[float]:
    """When the pictures and when the sound begin, s."""
    with av.open(str(path)) as container:
        return [float((s.start_time or 0) * (s.time_base or 0)) for s in container.streams]


def test_a_name_with_a_colon_is_a_file_also_where_it_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "in.mp4", frames=5, sound="aac").rename(tmp_path / "2024-05-01T10:30:12.mp4")
    monkeypatch.chdir(tmp_path)
    process(Path("2024-05-01T10:30:12.mp4"), Path("out:1.mov"), parts(), progress=False)
    process(Path("2024-05-01T10:30:12.mp4"), Path("out:1.webm"), parts(), progress=False)
    assert left_in(tmp_path) == ["2024-05-01T10:30:12.mp4", "out:1.mov", "out:1.webm"]
    assert read_back(tmp_path / "out:1.mov").sound == "aac"
    assert read_back(tmp_path / "out:1.webm").sound == "opus"


@pytest.mark.parametrize("name", ["in.mp4", "folder"])
def test_the_source_itself_is_never_replaced(tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / "in.mp4", frames=2)
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder/000000.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(MediaError, match="is the source itself"):
        process(tmp_path / name, tmp_path / name, parts(), force=True, progress=False)


def test_the_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=2, pixel_aspect=Fraction(4, 3))
    process(source, tmp_path / "out.mov", parts(), progress=False)
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_parts_are_closed_at_the_end(tmp_path: Path) -> None:
    renderer = FakeRenderer()
    process(
        make_clip(tmp_path / "in.mp4"),
        tmp_path / "out",
        lambda _: (FakeAligner(), renderer),
        transparent=False,
        progress=False,
    )
    assert renderer.closed == 1
