"""The loop from a scripted camera to a sink that remembers: order, stamps, faults, the end."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Semaphore

import numpy as np
import pytest

from core.errors import DeviceError, MediaError
from core.types import U8, Aligner, Alignment, Begun, Frame, Light, Picture, Renderer, State
from live.doubts import DOUBTED, TOLD_AFTER
from live.idle import IdlePicture
from live.loop import interrupted_by_signals, run_loop, stopped_by_signals
from live.meter import Meter
from live.pace import Pace
from live.report import Report
from live.sinks.base import Sink
from live.sources.base import Source
from live.threads import ThreadedSink, ThreadedSource
from tests.fakes import FRAME_NS, FakeAligner, FakeRenderer, MemorySink, ScriptedSource, shows_room

GONE = DeviceError("camera /dev/video0 is gone")


def run(
    source: Source,
    sinks: Sequence[Sink],
    *,
    aligner: Aligner | None = None,
    renderer: Renderer | None = None,
    meter: Meter | None = None,
    stop: Event | None = None,
    report: Report | None = None,
    frames: int | None = None,
    strict: bool = False,
    pace: Pace | None = None,
) -> int:
    return run_loop(
        source,
        aligner or FakeAligner(),
        renderer or FakeRenderer(),
        sinks,
        idle=IdlePicture(source.size),
        meter=meter or Meter(),
        stop=stop or Event(),
        report=report,
        frames=frames,
        strict=strict,
        pace=pace,
    )


def test_index_and_time_of_a_frame_reach_the_sink_unchanged_also_after_a_skip() -> None:
    sink = MemorySink()
    assert run(ScriptedSource([0, 1, 4, 5], live=False), [sink]) == 4
    assert [(p.index, p.time_ns) for p in sink.pictures] == [(i, i * FRAME_NS) for i in (0, 1, 4, 5)]


def test_the_stamps_survive_the_threads_too() -> None:
    sink = MemorySink()
    source = ThreadedSource(ScriptedSource([*range(20), *range(25, 40)], live=False))
    outbox = ThreadedSink(sink, newest=False)
    run(source, [outbox])
    source.close()
    outbox.close()
    assert [(p.index, p.time_ns) for p in sink.pictures] == [
        (i, i * FRAME_NS) for i in (*range(20), *range(25, 40))
    ]


def test_a_live_run_starts_with_the_idle_picture_so_that_a_virtual_camera_is_seen() -> None:
    sink = MemorySink()
    run(ScriptedSource([0]), [sink])
    assert [picture.idle for picture in sink.pictures] == [True, False]


@pytest.mark.parametrize("live", [True, False])
def test_a_frame_that_the_system_slept_over_is_not_shown_live(monkeypatch, live: bool) -> None:
    slept_ns = [0]
    monkeypatch.setattr("live.loop.asleep_ns", lambda: slept_ns[0])

    class Sleeping(FakeRenderer):
        def begin(self, frame: Frame, alignment: Alignment) -> Begun:
            if frame.index == 3:
                slept_ns[0] += 3_600_000_000_000
            return super().begin(frame, alignment)

    sink, meter = MemorySink(), Meter()
    run(ScriptedSource([*range(6)], live=live), [sink], renderer=Sleeping(), meter=meter)
    hidden = {picture.index: picture.idle for picture in sink.pictures[1 if live else 0 :]}
    del hidden[2]  # its picture may be under way at that moment, or done
    assert hidden == {0: False, 1: False, 3: live, 4: False, 5: False}
    assert (meter.counted("stale") > 0) == live


def test_the_renderer_is_told_of_a_frame_before_it_is_aligned() -> None:
    told: list[tuple[str, int]] = []

    class Telling(FakeRenderer, FakeAligner):
        def __init__(self) -> None:
            FakeRenderer.__init__(self)
            FakeAligner.__init__(self)

        def expect(self, frame: Frame) -> None:
            told.append(("expect", frame.index))

        def update(self, frame: Frame) -> Alignment:
            told.append(("align", frame.index))
            return FakeAligner.update(self, frame)

        def begin(self, frame: Frame, alignment: Alignment) -> Begun:
            told.append(("begin", frame.index))
            return FakeRenderer.begin(self, frame, alignment)

    both = Telling()
    run(ScriptedSource([0, 1], live=False), [], aligner=both, renderer=both)
    assert told == [(what, index) for index in (0, 1) for what in ("expect", "align", "begin")]


def test_the_matte_of_each_frame_goes_back_to_the_aligner() -> None:
    aligner = FakeAligner()
    run(ScriptedSource([0, 1, 2], live=False), [], aligner=aligner)
    assert aligner.learned == [0, 1, 2]


def test_a_plate_that_is_found_once_the_matte_is_known_is_used_for_that_very_frame(tmp_path: Path) -> None:
    lost = Alignment(None, Light(), State.LOST, 0.4, "somebody hides it")
    found = Alignment(np.eye(3), Light(), State.TRACKING, 1.0, "found")
    begun: list[tuple[int, State]] = []

    class Hidden(FakeAligner):
        def update(self, frame: Frame) -> Alignment:
            return found if self.learned else lost

    class Watching(FakeRenderer):
        def begin(self, frame: Frame, alignment: Alignment) -> Begun:
            begun.append((frame.index, alignment.state))
            return super().begin(frame, alignment)

    aligner, sink, report = Hidden(), MemorySink(), Report(tmp_path / "report.jsonl")
    run(ScriptedSource([0, 1], live=False), [sink], aligner=aligner, renderer=Watching(), report=report)
    report.close()
    assert begun == [(0, State.LOST), (0, State.TRACKING), (1, State.TRACKING)]
    assert aligner.learned == [0, 0, 1], "the better matte is learnt from, too"
    assert [picture.index for picture in sink.pictures] == [0, 1]
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [line["state"] for line in lines] == ["tracking", "tracking"]


@pytest.mark.parametrize(
    ("aligner", "renderer"),
    [
        (FakeAligner(fail_at=(2, 3)), FakeRenderer()),
        (FakeAligner(fail_learn_at=(2, 3)), FakeRenderer()),
        (FakeAligner(), FakeRenderer(fail_at=(2, 3))),
        (FakeAligner(), FakeRenderer(fail_expect_at=(2, 3))),
    ],
    ids=["align", "learn", "render", "expect"],
)
def test_a_raising_stage_shows_the_idle_picture_and_the_run_goes_on(
    aligner: FakeAligner, renderer: FakeRenderer, caplog: pytest.LogCaptureFixture
) -> None:
    sink, meter = MemorySink(), Meter()
    with caplog.at_level(logging.ERROR):
        run(ScriptedSource(range(6), live=False), [sink], aligner=aligner, renderer=renderer, meter=meter)
    assert [picture.idle for picture in sink.pictures] == [False, False, True, True, False, False]
    assert [picture.index for picture in sink.pictures] == list(range(6))
    assert not any(shows_room(picture) for picture in sink.pictures)
    assert meter.counted("fault stage") == 2
    assert len(caplog.records) == 1  # a fault that lasts is told once


def test_strict_runs_end_at_a_raising_stage() -> None:
    with pytest.raises(RuntimeError, match="renderer broke"):
        run(ScriptedSource([0, 1], live=False), [], renderer=FakeRenderer(fail_at=(1,)), strict=True)


def test_no_fault_of_a_camera_lets_the_room_out_and_the_sinks_stay_fed() -> None:
    stop, end, meter = Event(), Event(), Meter()
    again = [ScriptedSource([0, 1, GONE]), ScriptedSource([0, 1, end])]

    class Watching(MemorySink):
        """Ends the run at frame 5; counts idle pictures for the camera that waits for them."""

        def push(self, picture: Picture) -> None:
            super().push(picture)
            if picture.idle:
                idle_seen.release()
            if picture.index == 5:
                stop.set()

    def reopen() -> ScriptedSource:
        for _ in range(3):
            idle_seen.acquire(timeout=20)
        return again.pop(0)

    idle_seen, sink = Semaphore(0), Watching()
    source = ThreadedSource(
        ScriptedSource([0, 1, GONE]), reopen=reopen, meter=meter, back_off_s=(0.0,), grace_s=5
    )
    run(source, [sink], meter=meter, stop=stop, renderer=FakeRenderer(fail_at=(5,)))
    end.set()
    source.close()
    assert sum(picture.idle for picture in sink.pictures) >= 1 + 3 + 3 - 1
    assert sink.pictures[-1].idle
    assert not any(shows_room(picture) for picture in sink.pictures)
    assert meter.counted("source lost") == 2


def test_each_outage_of_a_camera_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run(ScriptedSource([0, GONE, GONE, 1, 2, GONE, 3]), [MemorySink()])
    gone, back = f"source: {GONE}; the idle picture is shown", "source works again"
    assert [record.getMessage() for record in caplog.records] == [gone, back, gone, back]


def test_the_last_picture_before_an_outage_comes_before_the_idle_one() -> None:
    at_the_idle_one = Event()

    class Slow(FakeRenderer):
        def begin(self, frame: Frame, alignment: Alignment) -> Begun:
            begun = FakeRenderer.begin(self, frame, alignment)

            def finish() -> Picture:
                at_the_idle_one.wait(0.2)  # which must not come while this goes on
                return begun.finish()

            return Begun(begun.alpha_u8, finish)

    class Telling(MemorySink):
        def push(self, picture: Picture) -> None:
            super().push(picture)
            if picture.idle and picture.index == 7:
                at_the_idle_one.set()

    sink = Telling()
    run(ScriptedSource([7, GONE]), [sink], renderer=Slow())
    assert [picture.idle for picture in sink.pictures] == [True, False, True]


def test_idle_pictures_flow_while_a_camera_hangs() -> None:
    stop, hang = Event(), Event()

    class Counting(MemorySink):
        def push(self, picture: Picture) -> None:
            super().push(picture)
            if len(self.pictures) == 5:
                stop.set()

    sink = Counting()
    source = ThreadedSource(ScriptedSource([hang]), stop=stop, grace_s=0.01)
    assert run(source, [sink], stop=stop) == 0
    hang.set()
    source.close()
    assert [picture.idle for picture in sink.pictures] == [True] * 5


def test_the_number_of_frames_can_be_limited() -> None:
    sink = MemorySink()
    assert run(ScriptedSource(range(10), live=False), [sink], frames=3) == 3
    assert sink.indices == [0, 1, 2]


@pytest.mark.parametrize("error", [DeviceError("the window was closed"), MemoryError(), ValueError("a bug")])
def test_one_broken_sink_of_two_is_left_out(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    good = MemorySink()
    bad = MemorySink(fail_at=1, error=error)
    run(ScriptedSource(range(4), live=False), [bad, good])
    assert good.indices == [0, 1, 2, 3]
    assert bad.indices == [0]
    assert "left out" in caplog.text
    assert ("Traceback" in caplog.text) != isinstance(error, DeviceError), "a bug shows where it is"


def test_the_run_ends_with_the_error_of_the_last_sink() -> None:
    with pytest.raises(MediaError, match="disk is full"):
        run(ScriptedSource(range(4), live=False), [MemorySink(fail_at=1, error=MediaError("disk is full"))])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_that_waits_for_its_camera(number: int) -> None:
    stop, hang = Event(), Event()
    source = ThreadedSource(ScriptedSource([0, hang]), stop=stop, grace_s=3600)

    class Killing(MemorySink):
        def push(self, picture: Picture) -> None:
            super().push(picture)
            if not picture.idle:
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with stopped_by_signals(stop):
        assert run(source, [Killing()], stop=stop) == 1
    hang.set()
    source.close()
    assert signal.getsignal(number) is before
    assert not [t for t in threading.enumerate() if t.name.startswith("source")]


class Heard:
    """Who handles signals outside of the block: keeps their numbers instead of ending the tests."""

    def __init__(self, *numbers: int) -> None:
        self.numbers: list[int] = []
        self._before = {number: signal.signal(number, self._hear) for number in numbers}

    def _hear(self, number: int, _: object) -> None:
        self.numbers.append(number)

    def close(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@pytest.fixture
def outside() -> Iterator[Heard]:
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("this system has no SIGHUP")
    heard = Heard(signal.SIGHUP, signal.SIGTERM)
    yield heard
    heard.close()


def test_a_terminal_that_is_closed_stops_it_though_it_says_so_twice_and_sigterm_follows(
    outside: Heard,
) -> None:
    stop = Event()
    with stopped_by_signals(stop):
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert stop.wait(20)
        assert outside.numbers == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert outside.numbers == [signal.SIGTERM], "who insists gets it"
        os.kill(os.getpid(), signal.SIGHUP)
        assert outside.numbers == [signal.SIGTERM]
    os.kill(os.getpid(), signal.SIGHUP)
    assert outside.numbers == [signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_what_waits_without_an_event_is_interrupted_once_and_closed_undisturbed(
    outside: Heard, number: str
) -> None:
    closed: list[str] = []

    def wait() -> None:
        with interrupted_by_signals():
            try:
                os.kill(os.getpid(), getattr(signal, number))
            finally:
                os.kill(os.getpid(), signal.SIGHUP)
                os.kill(os.getpid(), signal.SIGTERM)
                closed.append("camera")

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert closed == ["camera"]
    assert outside.numbers == []
    os.kill(os.getpid(), signal.SIGTERM)
    assert outside.numbers == [signal.SIGTERM]


def test_a_hangup_that_is_ignored_stays_so_as_nohup_wants(outside: Heard) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = Event()
    for block in (stopped_by_signals(stop), interrupted_by_signals()):
        with block:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert not stop.is_set()


def test_the_report_has_a_line_for_each_frame(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    report, meter = Report(path), Meter()
    meter.count("dropped", 3)
    run(
        ScriptedSource([0, 2], live=False),
        [],
        renderer=FakeRenderer(fail_at=(2,)),
        aligner=FakeAligner(fail_at=(2,)),
        report=report,
        meter=meter,
    )
    report.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["index"] for line in lines] == [0, 2]
    assert lines[0]["time_ns"] == 0
    assert lines[0]["H"] is None
    assert [line["state"] for line in lines] == ["none", "lost"]
    assert lines[0]["light"] == {"gain": [1, 1, 1], "offset": [0, 0, 0], "grid": None, "tone": None}
    assert set(lines[0]["stage_ms"]) >= {"source", "align", "render", "learn", "push"}
    assert lines[0]["dropped"] == 3


def test_frames_whose_plate_is_doubted_are_counted_reported_lost_and_told_when_they_do_not_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doubted_at: list[int] = []

    class Locked(FakeAligner):
        def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
            if doubted:
                doubted_at.append(frame.index)

        def update(self, frame: Frame) -> Alignment:
            return Alignment(np.eye(3), Light(), State.LOCKED, 1.0, "stands still")

    class Doubting(FakeRenderer):
        def begin(self, frame: Frame, alignment: Alignment) -> Begun:
            return replace(
                super().begin(frame, alignment), doubt="" if frame.index == 1 else "a door is open"
            )

    report, meter = Report(tmp_path / "report.jsonl"), Meter()
    frames = TOLD_AFTER + 5
    source = ScriptedSource(range(frames), live=False)
    run(source, [], aligner=Locked(), renderer=Doubting(), report=report, meter=meter)
    report.close()
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [(line["state"], line["reason"]) for line in lines[:3]] == [
        ("lost", "a door is open"),
        ("locked", "stands still"),
        ("lost", "a door is open"),
    ]
    assert lines[0]["H"] is None
    assert doubted_at == [0, *range(2, frames)], "nothing may be learnt of the room there"
    assert meter.counted(DOUBTED) == frames - 1
    assert [record.levelname for record in caplog.records] == ["WARNING"], "one frame is nothing to tell"
    assert "a door is open" in caplog.text


@pytest.fixture
def full_report() -> Iterator[Report]:
    path = Path("/dev/full")
    if not path.exists():
        pytest.skip("this system has no /dev/full")
    report = Report(path)
    yield report
    report.close()  # what could not be written is not told again


def test_a_report_on_a_full_disk_is_told_once_and_the_run_goes_on(
    full_report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    sink, meter = MemorySink(), Meter()
    assert run(ScriptedSource(range(4), live=False), [sink], report=full_report, meter=meter) == 4
    assert sink.indices == [0, 1, 2, 3]
    assert full_report.lost
    assert meter.counted("report lost") == 1
    assert [record.getMessage() for record in caplog.records] == [
        "report /dev/full is left out from here on: cannot write the report /dev/full: "
        "No space left on device"
    ]


def test_a_strict_run_ends_with_its_report(full_report: Report) -> None:
    with pytest.raises(MediaError, match="cannot write the report"):
        run(ScriptedSource(range(4), live=False), [], report=full_report, strict=True)


class Stopwatch:
    """A clock that only stages that take their time move on."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class SlowAligner(FakeAligner):
    def __init__(self, clock: Stopwatch, ms: int) -> None:
        super().__init__()
        self._clock, self._ms = clock, ms

    def update(self, frame: Frame) -> Alignment:
        self._clock.now_ns += self._ms * 1_000_000
        return super().update(frame)


def test_the_pace_is_told_what_each_frame_took_on_either_thread() -> None:
    told: list[tuple[float, float]] = []

    class Told(Pace):
        def __init__(self) -> None:
            pass

        def note(self, begin_ms: float, finish_ms: float) -> None:
            told.append((begin_ms, finish_ms))

    clock = Stopwatch()
    source = ScriptedSource([0, 1, 2], live=False)
    run(source, [MemorySink()], aligner=SlowAligner(clock, 20), meter=Meter(clock), pace=Told())
    assert told[0] == (20.0, 0.0), "nothing was finished yet"
    assert len(told) == 3
    assert all(begin_ms == 20.0 for begin_ms, _ in told)
