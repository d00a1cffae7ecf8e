"""How long who begins to look waits for the program itself: its threads, and a camera that takes no time."""

from __future__ import annotations

import time
from threading import Event, Thread

import numpy as np

from core.types import Frame, Picture
from live.idle import IdlePicture
from live.loop import run_loop
from live.meter import Meter
from live.pause import Pause
from live.sources.on_demand import OnDemandSource
from live.threads import ThreadedSink, ThreadedSource
from tests.live.scripted import FixedAligner, InvertingRenderer

SIZE = (64, 48)
PROMISED_S = 1.0  # with a camera's opening and its first picture
WAKES = 5
PATIENCE_S = 60.0  # against a hang


class InstantCamera:
    """A picture whenever one is asked for."""

    name, size, fps, live = "instant camera", SIZE, 30.0, True

    def __init__(self) -> None:
        self._index = 0

    def read(self) -> Frame:
        self._index += 1
        return Frame(np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), time.monotonic_ns(), self._index)

    def close(self) -> None: ...


class Reader:
    """One program that reads the virtual camera; told at once, as by the driver's event."""

    def __init__(self) -> None:
        self.reads = Event()

    def watched(self) -> bool:
        return self.reads.is_set()

    def wait(self, timeout_ms: int) -> bool:
        return self.reads.wait(timeout_ms / 1000)


class Screen:
    """Tells when a picture that is, or is not, the idle one came."""

    name = "screen"

    def __init__(self) -> None:
        self.came = {False: Event(), True: Event()}

    def push(self, picture: Picture) -> None:
        self.came[picture.idle].set()

    def close(self) -> None: ...

    def until(self, *, idle: bool) -> None:
        self.came[idle].clear()
        assert self.came[idle].wait(PATIENCE_S)


def test_the_program_itself_takes_a_small_part_of_the_second_in_which_it_must_be_awake():
    stop, reader, screen, meter = Event(), Reader(), Screen(), Meter()
    source = OnDemandSource(
        ThreadedSource(InstantCamera(), meter=meter, stop=stop),
        lambda: ThreadedSource(InstantCamera(), meter=meter, stop=stop),
        [reader],
        0.0,
        pause=Pause(),
        wait=stop.wait,
    )
    sink = ThreadedSink(screen, meter=meter)
    parts = (source, FixedAligner(), InvertingRenderer(), [sink])
    run = Thread(
        target=run_loop, args=parts, kwargs={"idle": IdlePicture(SIZE), "meter": meter, "stop": stop}
    )
    run.start()
    took_s = []
    for _ in range(WAKES):
        screen.until(idle=True)
        began = time.monotonic()
        reader.reads.set()
        screen.until(idle=False)
        took_s.append(time.monotonic() - began)
        reader.reads.clear()
    stop.set()
    run.join(PATIENCE_S)
    source.close()
    sink.close()
    print(f"awake after {', '.join(f'{1000 * seconds:.1f}' for seconds in took_s)} ms")
    assert min(took_s) < PROMISED_S / 4, took_s
