"""The camera's light is on while somebody looks, for the grace period, and never while paused; by fakes."""

from __future__ import annotations

from contextlib import suppress
from threading import Event

import numpy as np
import pytest

from core.errors import DeviceError
from live.idle import IdlePicture
from live.loop import run_loop
from live.meter import Meter
from live.pause import Pause
from live.sources.on_demand import AGAIN_S, PAUSED_S, OnDemandSource, PausedFilm, RestingError
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
        self.pause = Pause()
        self.waits: list[float] = []
        self.source = OnDemandSource(
            self.camera(),
            self.open,
            readers,
            grace_s,
            pause=self.pause,
            rest=self.rest,
            clock_s=lambda: self.now_s,
            wait=self.waits.append,
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
            if len(shown) == 8:
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
    assert shown[:5] == [True, True, True, False, False]
    assert shown[6:] == [True, True]  # the sixth was begun while the fifth was sent out
    assert done == len(rendered) == shown.count(False)
    assert meter.counted("fault source") == 0


def test_a_pause_closes_the_camera_though_somebody_looks_and_in_the_grace_period():
    bench = Bench(Readers(1))
    bench.source.read()
    bench.pause.turn_over()
    for _ in range(2):
        with pytest.raises(RestingError, match="paused"):
            bench.source.read()
    assert not bench.light
    assert (bench.rests, bench.tries) == (1, 0)
    assert bench.waits == [PAUSED_S, PAUSED_S]


def test_a_camera_that_nobody_needs_to_look_at_is_open_but_for_pauses_and_its_numbers_go_on():
    bench = Bench()
    seen = []
    for bench.now_s in range(0, 600, 100):
        bench.pause.on = bench.now_s in (200, 300)
        with suppress(RestingError):
            seen.append(bench.source.read().index)
    assert seen == [0, 1, 2, 3]
    assert (len(bench.cameras), bench.rests) == (2, 1)
    assert bench.light


def test_after_a_pause_an_unwatched_camera_stays_off():
    readers = Readers(0)
    bench = Bench(readers)
    bench.pause.on = True
    with pytest.raises(RestingError, match="paused"):
        bench.source.read()
    bench.pause.on = False
    with pytest.raises(RestingError, match="the camera is off"):
        bench.source.read()
    assert bench.tries == 0


def test_a_camera_taken_by_another_program_during_a_pause_is_tried_again():
    bench = Bench()
    bench.pause.on = True
    with pytest.raises(RestingError):
        bench.source.read()
    bench.pause.on, bench.refuses = False, [DeviceError("in use by zoom")]
    with pytest.raises(DeviceError, match="in use by zoom"):
        bench.source.read()
    bench.now_s = AGAIN_S
    assert bench.source.read().index == 0


def test_a_film_goes_on_unseen_while_paused():
    pause = Pause()
    film = PausedFilm(ScriptedSource([GREY] * 3), pause)
    seen = []
    for pause.on in (False, True, False):
        try:
            seen.append(film.read().index)
        except RestingError as reason:
            seen.append(str(reason))
    assert seen == [0, "paused", 2]
    assert film.read() is None


def test_the_loop_shows_paused_and_rests_the_network_for_as_long_as_it_lasts():
    stop = Event()
    bench = Bench()
    rendered, shown, idle = [], [], IdlePicture((64, 48))
    paused = idle.picture("paused", 0, 0).rgb

    class Screen:
        name = "screen"

        def push(self, picture) -> None:
            shown.append("paused" if np.array_equal(picture.rgb, paused) else "you" * (not picture.idle))
            bench.pause.on = 2 <= len(shown) < 6
            if len(shown) == 7:
                stop.set()

        def close(self) -> None: ...

    renderer = InvertingRenderer(rendered.append)
    run_loop(bench.source, FixedAligner(), renderer, [Screen()], idle=idle, meter=Meter(), stop=stop)
    assert shown[:2] == ["you", "you"]
    assert shown[3:7] == ["paused", "paused", "paused", "you"]  # the third was begun already
    assert len(rendered) == shown.count("you")
