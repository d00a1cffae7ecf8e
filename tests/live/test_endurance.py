"""Ten thousand frames through threads, mailboxes and loop: nothing grows."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from core.types import Frame, Picture
from live.idle import IdlePicture
from live.loop import run_loop
from live.meter import Meter
from live.threads import ThreadedSink, ThreadedSource
from tests.live.scripted import FixedAligner, InvertingRenderer

SIZE = (64, 48)
FRAMES, SETTLED = 10_000, 2_000
PICTURE_BYTES = SIZE[0] * SIZE[1] * 3


class EndlessCamera:
    """A new picture at each read, stamped now."""

    name, size, fps, live = "endless camera", SIZE, 30.0, True

    def __init__(self) -> None:
        self._index = 0

    def read(self) -> Frame:
        frame = Frame(np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), time.monotonic_ns(), self._index)
        self._index += 1
        return frame

    def close(self) -> None: ...


class Screen:
    name = "screen"

    def push(self, picture: Picture) -> None: ...

    def close(self) -> None: ...


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="memory and files are counted in /proc")
def test_ten_thousand_frames_leave_memory_files_and_latency_as_they_were():
    meter, stop = Meter(), Event()
    memory, files, age_ms = [], [], []
    rendered = 0

    def look(frame: Frame) -> None:
        nonlocal rendered
        rendered += 1
        if rendered in (SETTLED, FRAMES):
            while "screen" not in meter.snapshot().ages:
                time.sleep(0.001)
            memory.append(resident_bytes())
            files.append(len(os.listdir("/proc/self/fd")))
            age_ms.append(meter.snapshot().ages["screen"].p50_ms)

    source = ThreadedSource(EndlessCamera(), meter=meter, stop=stop, oldest_ns=3_600_000_000_000)
    sink = ThreadedSink(Screen(), meter=meter)
    try:
        done = run_loop(
            source,
            FixedAligner(),
            InvertingRenderer(look),
            [sink],
            idle=IdlePicture(SIZE),
            meter=meter,
            stop=stop,
            frames=FRAMES,
            strict=True,
        )
    finally:
        source.close()
        sink.close()
    assert done == FRAMES
    assert memory[1] - memory[0] < 0.25 * (FRAMES - SETTLED) * PICTURE_BYTES, "pictures are kept"
    assert files[1] == files[0]
    assert age_ms[1] < age_ms[0] + 100, "frames queue up somewhere"  # eight thousand would be seconds
