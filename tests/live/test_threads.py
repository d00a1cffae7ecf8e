"""Sources and sinks on threads of their own: nothing is lost unseen, nothing stays behind."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from threading import Event

import pytest

from core.errors import DeviceError, MediaError
from core.types import Frame, Picture
from live.meter import Meter
from live.threads import ThreadedSink, ThreadedSource
from tests.fakes import FRAME_NS, FakeClock, MemorySink, ScriptedSource, room_picture

GONE = DeviceError("camera /dev/video0 is gone; plug it in again")


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]


def picture(index: int) -> Picture:
    return Picture(room_picture((4, 4)), None, index * FRAME_NS, index)


def frames_until(source: ThreadedSource, index: int) -> list[Frame]:
    """Frames as they come, outages passed over, until the one of this index."""
    frames: list[Frame] = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            frame = source.read()
        except DeviceError:
            continue
        assert frame is not None
        frames.append(frame)
        if frame.index == index:
            return frames
    raise AssertionError(f"no frame {index}")


def test_a_file_hands_on_every_frame_with_its_own_index_and_time() -> None:
    scripted = ScriptedSource([0, 1, 5, 6], live=False)
    source = ThreadedSource(scripted)
    frames = list(iter(source.read, None))
    source.close()
    assert [(frame.index, frame.time_ns) for frame in frames] == [(i, i * FRAME_NS) for i in (0, 1, 5, 6)]


def test_one_thread_reads_and_closes_the_source_and_it_is_not_the_callers() -> None:
    scripted = ScriptedSource([0, 1], live=False)
    source = ThreadedSource(scripted)
    assert len(list(iter(source.read, None))) == 2
    source.close()
    assert scripted.closed == 1
    assert len(scripted.threads) == 1
    assert threading.get_ident() not in scripted.threads


def test_a_live_source_that_nobody_reads_counts_its_drops() -> None:
    meter, all_out = Meter(), Event()
    source = ThreadedSource(ScriptedSource([*range(50), all_out]), meter=meter)
    while meter.counted("dropped") < 49:
        time.sleep(0.001)
    frame = source.read()
    all_out.set()
    source.close()
    assert frame is not None
    assert frame.index == 49
    assert meter.counted("dropped") == 49


def test_an_error_in_the_middle_of_a_file_reaches_the_reader_after_the_frames_before_it() -> None:
    source = ThreadedSource(ScriptedSource([0, 1, MediaError("damaged after frame 1")], live=False))
    assert [frame.index for frame in (source.read(), source.read()) if frame] == [0, 1]
    with pytest.raises(MediaError, match="damaged"):
        source.read()
    source.close()


def test_a_camera_that_hangs_is_reported_and_used_again_when_it_wakes() -> None:
    wake, end = Event(), Event()
    source = ThreadedSource(ScriptedSource([wake, 0, end]), grace_s=0.01)
    for _ in range(2):
        with pytest.raises(DeviceError, match="gives no picture"):
            source.read()
    wake.set()
    assert [frame.index for frame in frames_until(source, 0)] == [0]
    end.set()
    source.close()


def test_an_unplugged_camera_is_opened_again_and_its_frames_are_numbered_on() -> None:
    come_back, end = Event(), Event()
    again: list[ScriptedSource | DeviceError] = [GONE, ScriptedSource([0, 1, end])]

    def reopen() -> ScriptedSource:
        come_back.wait(20)
        answer = again.pop(0)
        if isinstance(answer, DeviceError):
            raise answer
        return answer

    first, meter = ScriptedSource([0, 1, 2, GONE]), Meter()
    source = ThreadedSource(first, reopen=reopen, meter=meter, back_off_s=(0.0, 0.01))
    with pytest.raises(DeviceError, match=r"plug it in again; trying again in 0 s"):
        deque(iter(source.read, None))
    come_back.set()
    frames = frames_until(source, 4)
    end.set()
    source.close()
    assert all(frame.index >= 3 for frame in frames)
    assert first.closed == 1
    assert meter.counted("source lost") == 1
    assert meter.counted("reopen failed") == 1


def test_a_camera_that_comes_back_in_another_size_is_not_used() -> None:
    end = Event()
    again = [ScriptedSource([0], size=(32, 24)), ScriptedSource([7, end])]
    other = again[0]
    source = ThreadedSource(ScriptedSource([GONE]), reopen=lambda: again.pop(0), back_off_s=(0.0,))
    assert frames_until(source, 7)[-1].size == (64, 48)
    end.set()
    source.close()
    assert other.closed == 1


def test_a_frame_that_waited_too_long_for_its_turn_is_passed_over_and_counted() -> None:
    late, end, meter, clock = Event(), Event(), Meter(), FakeClock()
    clock.now_ns = FRAME_NS
    source = ThreadedSource(
        ScriptedSource([0, late, 10, end]), meter=meter, oldest_ns=100_000_000, clock_ns=clock
    )
    first = source.read()
    assert first is not None
    assert (first.index, meter.counted("stale")) == (0, 0)
    late.set()
    clock.now_ns = 10 * FRAME_NS + 100_000_001
    with pytest.raises(DeviceError, match=r"only pictures older than 100 ms \(100 ms\).*camera.oldest_ms"):
        source.read()
    end.set()
    source.close()
    assert meter.counted("stale") == 1


def test_after_a_suspension_the_camera_is_opened_anew_and_no_frame_from_before_is_shown() -> None:
    """The monotonic clock stands still meanwhile, so by their stamps such frames are fresh."""
    resume, end, slept = Event(), Event(), FakeClock()
    first, again = ScriptedSource([0, resume, 1, 2]), ScriptedSource([0, end])
    source = ThreadedSource(first, reopen=lambda: again, back_off_s=(0.0,), asleep_ns=slept)
    before = source.read()
    slept.pass_ms(8 * 3600 * 1000)
    resume.set()
    after = frames_until(source, 1)
    end.set()
    source.close()
    assert before is not None
    assert (before.index, [frame.index for frame in after]) == (0, [1])
    assert (first.closed, first.left) == (1, 1), "frame 1 was read and thrown away, frame 2 was not read"


def test_a_frame_that_lay_ready_when_the_system_slept_is_stale() -> None:
    end, slept, clock, meter = Event(), FakeClock(), FakeClock(), Meter()
    clock.now_ns = 0
    scripted = ScriptedSource([0, end])
    source = ThreadedSource(
        scripted, asleep_ns=slept, clock_ns=clock, oldest_ns=100_000_000, meter=meter, grace_s=0.01
    )
    while scripted.left:  # frame 0 lies in the slot once the source waits for `end`
        time.sleep(0.001)
    slept.pass_ms(200)
    with pytest.raises(DeviceError, match="older than 100 ms"):
        source.read()
    end.set()
    source.close()
    assert meter.counted("stale") == 1


def test_closing_does_not_wait_for_a_back_off() -> None:
    source = ThreadedSource(ScriptedSource([GONE]), reopen=lambda: ScriptedSource([]), back_off_s=(3600.0,))
    with pytest.raises(DeviceError):
        source.read()
    source.close()  # the fixture sees that the thread has ended


def test_a_paced_file_is_stamped_as_if_it_were_captured_now() -> None:
    before_ns = time.monotonic_ns()
    source = ThreadedSource(ScriptedSource([0, 1, 2], live=False), pace=True)
    frames = list(iter(source.read, None))
    after_ns = time.monotonic_ns()
    source.close()
    assert [frame.time_ns - frames[0].time_ns for frame in frames] == [0, FRAME_NS, 2 * FRAME_NS]
    assert before_ns <= frames[0].time_ns
    assert after_ns >= frames[-1].time_ns  # no frame comes before its time


def test_a_patient_sink_gets_every_picture_before_it_is_closed() -> None:
    memory = MemorySink()
    sink = ThreadedSink(memory, newest=False)
    for index in range(100):
        sink.push(picture(index))
    sink.close()
    assert memory.indices == list(range(100))
    assert memory.closed == 1
    assert threading.get_ident() not in memory.threads


def test_a_slow_live_sink_never_holds_up_the_loop() -> None:
    free = Event()

    class Stuck(MemorySink):
        def push(self, picture: Picture) -> None:
            super().push(picture)
            free.wait(20)

    memory, meter = Stuck(), Meter()
    sink = ThreadedSink(memory, meter=meter)
    sink.push(picture(0))
    while not memory.pictures:
        time.sleep(0.001)
    for index in range(1, 50):
        sink.push(picture(index))  # would wait for ever if it waited at all
    assert meter.counted("dropped at memory") == 48
    free.set()
    sink.close()


def test_a_failing_sink_is_told_to_the_next_push() -> None:
    memory = MemorySink(fail_at=1, error=MediaError("disk is full"))
    sink = ThreadedSink(memory, newest=False)
    with pytest.raises(MediaError, match="disk is full"):
        deque(sink.push(picture(index)) for index in range(10))
    sink.close()  # the error has been told already
    assert memory.closed == 1


def test_a_sink_that_fails_at_the_end_is_told_when_closing() -> None:
    class Unfinished(MemorySink):
        def close(self) -> None:
            raise MediaError("cannot finish the file")

    sink = ThreadedSink(Unfinished(), newest=False)
    sink.push(picture(0))
    with pytest.raises(MediaError, match="cannot finish"):
        sink.close()


def test_a_virtual_camera_that_went_is_opened_again() -> None:
    first = MemorySink(fail_at=0, error=DeviceError("virtual camera /dev/video10 takes no picture"))
    second, meter = MemorySink(), Meter()
    sink = ThreadedSink(first, reopen=lambda: second, meter=meter, back_off_s=(0.0,))
    deadline = time.monotonic() + 20
    while not second.pictures and time.monotonic() < deadline:
        sink.push(picture(1))
        time.sleep(0.001)
    sink.close()
    assert second.indices[0] == 1
    assert (first.closed, second.closed) == (1, 1)
    assert meter.counted("sink lost") == 1
