"""The camera's light is on while somebody looks, and for the grace period; by fakes of camera and readers."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest

from core.errors import DeviceError
from live.idle import IdlePicture
from live.loop import run_loop
from live.meter import Meter
from live.sources.on_demand import OnDemandSource, RestingError
from tests.live.scripted import FixedAligner, InvertingRenderer, ScriptedSource

GREY = np.full((48, 64, 3), 90, np.uint8)


class Readers:
    """A Demand that is told how many look; it never waits."""

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def watched(self) -> bool:
        return self.count > 0

    def wait(self, timeout_ms: int) -> bool:
        return self.watched()


class Bench:
    """An on-demand camera, its readers, and a clock that stands until it is moved."""

    def __init__(self, *readers: Readers, grace_s: float = 5.0) -> None:
        self.now_s = 0.0
        self.cameras: list[ScriptedSource] = []
        self.rests = 0
        self.refuses: list[DeviceError] = []
        self.tries = 0
        self.size = GREY.shape
        self.source = OnDemandSource(
            self.camera(), self.open, readers, grace_s, rest=self.rest, clock_s=lambda: self.now_s
        )

    def camera(self) -> ScriptedSource:
        self.cameras.append(ScriptedSource([np.full(self.size, 90, np.uint8)] * 100))
        return self.cameras[-1]

    def open(self) -> ScriptedSource:
        self.tries += 1
        if self.refuses:
            raise self.refuses.pop()
        return self.camera()

    def rest(self) -> None:
        self.rests += 1

    @property
    def light(self) -> bool:
        return not self.cameras[-1].closed


def test_the_camera_is_off_before_anybody_looks():
    bench = Bench(Readers())
    with pytest.raises(RestingError):
        bench.source.read()
    assert not bench.light
    assert (bench.rests, bench.cameras[0].taken) == (1, 0)
    with pytest.raises(RestingError):
        bench.source.read()
    assert bench.tries == 0


def test_the_first_read_after_somebody_came_gives_a_frame():
    readers = Readers()
    bench = Bench(readers)
    with pytest.raises(RestingError):
        bench.source.read()
    readers.count = 1
    assert bench.source.read().index == 0
    assert bench.light


def test_the_camera_stays_on_for_the_grace_period_and_not_longer():
    readers = Readers(1)
    bench = Bench(readers, grace_s=5.0)
    bench.source.read()
    readers.count = 0
    bench.now_s = 4.9
    bench.source.read()
    bench.now_s = 5.0
    with pytest.raises(RestingError):
        bench.source.read()
    assert not bench.light


def test_one_who_comes_back_in_time_does_not_notice():
    readers = Readers(1)
    bench = Bench(readers, grace_s=5.0)
    for bench.now_s, readers.count in ((0, 1), (4, 0), (4.5, 1), (9, 0)):
        bench.source.read()
    assert len(bench.cameras) == 1


def test_frame_numbers_go_on_over_a_rest():
    readers = Readers(1)
    bench = Bench(readers, grace_s=0.0)
    seen = [bench.source.read().index for _ in range(3)]
    readers.count = 0
    with pytest.raises(RestingError):
        bench.source.read()
    readers.count = 1
    seen += [bench.source.read().index for _ in range(2)]
    assert seen == [0, 1, 2, 3, 4]


def test_one_of_several_outputs_is_enough():
    bench = Bench(Readers(0), Readers(1))
    assert bench.source.read().index == 0


def test_a_camera_that_another_program_has_is_tried_twice_a_second():
    readers = Readers()
    bench = Bench(readers)
    with pytest.raises(RestingError):
        bench.source.read()
    readers.count = 1
    bench.refuses = [DeviceError("in use by zoom")]
    for bench.now_s in (0.0, 0.2, 0.4):
        with pytest.raises(DeviceError, match="in use by zoom"):
            bench.source.read()
    assert bench.tries == 1
    bench.now_s = 0.5
    assert bench.source.read().index == 0


def test_a_camera_of_another_size_is_refused_and_closed():
    readers = Readers()
    bench = Bench(readers)
    with pytest.raises(RestingError):
        bench.source.read()
    readers.count, bench.size = 1, (24, 32, 3)
    with pytest.raises(DeviceError, match="came back as 32x24, it was 64x48"):
        bench.source.read()
    assert not bench.light


def test_the_loop_shows_the_idle_picture_and_rests_the_network_while_nobody_looks():
    readers, stop = Readers(), Event()
    bench = Bench(readers, grace_s=0.0)
    rendered, shown = [], []

    class Screen:
        name = "screen"

        def push(self, picture) -> None:
            shown.append(picture.idle)
            readers.count = int(len(shown) in (3, 4))  # somebody looks at the fourth and fifth
            if len(shown) == 7:
                stop.set()

        def close(self) -> None: ...

    meter = Meter()
    done = run_loop(
        bench.source,
        FixedAligner(),
        InvertingRenderer(rendered.append),
        [Screen()],
        idle=IdlePicture((64, 48)),
        meter=meter,
        stop=stop,
    )
    assert shown == [True, True, True, False, False, True, True]
    assert (done, len(rendered)) == (2, 2)
    assert meter.counted("fault source") == 0
