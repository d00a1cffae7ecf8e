"""One frame is finished while the next is begun: never more, in order, and no fault is lost."""

from collections.abc import Callable
from threading import Event

import numpy as np
import pytest

from core.types import Alignment, Begun, Frame, Picture
from live.finisher import Finisher
from live.idle import IdlePicture
from live.loop import run_loop
from live.meter import Meter
from tests.fakes import HANG_LIMIT_S, FakeAligner, MemorySink, ScriptedSource


def test_a_job_runs_while_the_next_is_prepared_and_the_one_after_waits() -> None:
    going_on, prepared = Event(), Event()
    done: list[str] = []

    def first() -> None:
        going_on.set()
        assert prepared.wait(HANG_LIMIT_S)
        done.append("first")

    with Finisher() as finisher:
        finisher.put(first)
        assert going_on.wait(HANG_LIMIT_S)
        assert not done
        prepared.set()
        finisher.put(lambda: done.append("second"))
        assert done[0] == "first"
    assert done == ["first", "second"]


def broken() -> None:
    raise RuntimeError("the disk is full")


def break_it(then: Callable[[Finisher], None]) -> None:
    with Finisher() as finisher:
        finisher.put(broken)
        then(finisher)


@pytest.mark.parametrize("ask", [lambda f: f.put(lambda: None), lambda f: f.wait(), lambda f: None])
def test_what_a_job_raises_comes_to_light_at_the_next_call(ask: Callable[[Finisher], None]) -> None:
    with pytest.raises(RuntimeError, match="disk is full"):
        break_it(ask)


def test_an_error_of_the_loop_is_not_hidden_by_one_of_the_job() -> None:
    def fail(_: Finisher) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        break_it(fail)


class Overlapping:
    """A renderer whose picture is finished only after the next one was begun."""

    def __init__(self, count: int) -> None:
        self.begun = [Event() for _ in range(count + 1)]
        self.begun[count].set()  # after the last there is none

    def expect(self, frame: Frame) -> None: ...

    def begin(self, frame: Frame, alignment: Alignment) -> Begun:
        self.begun[frame.index].set()
        next_one = self.begun[frame.index + 1]

        def finish() -> Picture:
            assert next_one.wait(HANG_LIMIT_S), "the loop waits for the picture before it begins another"
            return Picture(np.zeros_like(frame.rgb), None, frame.time_ns, frame.index)

        return Begun(None, finish)

    def close(self) -> None: ...


def test_the_loop_begins_a_frame_before_the_last_one_is_finished_and_keeps_their_order() -> None:
    sink = MemorySink()
    source = ScriptedSource(range(5), live=False)
    run_loop(
        source,
        FakeAligner(),
        Overlapping(5),
        [sink],
        idle=IdlePicture(source.size),
        meter=Meter(),
        stop=Event(),
        strict=True,
    )
    assert sink.indices == [0, 1, 2, 3, 4]


def test_a_picture_that_fails_in_the_making_is_hidden_and_the_run_goes_on() -> None:
    class Breaking(Overlapping):
        def begin(self, frame: Frame, alignment: Alignment) -> Begun:
            whole = super().begin(frame, alignment)

            def finish() -> Picture:
                picture = whole.finish()
                if frame.index == 1:
                    raise MemoryError("no memory left")
                return picture

            return Begun(None, finish)

    sink, meter = MemorySink(), Meter()
    source = ScriptedSource(range(3), live=False)
    run_loop(
        source,
        FakeAligner(),
        Breaking(3),
        [sink],
        idle=IdlePicture(source.size),
        meter=meter,
        stop=Event(),
    )
    assert [picture.idle for picture in sink.pictures] == [False, True, False]
    assert meter.counted("fault stage") == 1
