"""The plate of a live run is kept fresh, through the loop: daylight fades in, a person never does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, get_ident

import numpy as np
import pytest

from core.align import PlateAligner
from core.plate.refresh import PlateRefresh
from core.render.backdrops import parse_background
from core.render.build import build_backdrop
from core.render.renderer import Compositor
from core.types import U8, Alignment, Begun, Frame, Light, Plate, State, View
from live.assemble import build_parts
from live.idle import IdlePicture
from live.loop import run_loop
from live.meter import Meter
from live.refresh import LESSON_NS, Refreshing, RefreshingAligner
from live.settings import Model
from tests.core.plate.synthetic import drawn_room
from tests.fakes import MemorySink
from tests.live.scripted import FixedAligner, InvertingRenderer

SIZE = (128, 72)
FRAME_S = 2  # between two frames of the camera below
TEN_MINUTES = 600 // FRAME_S
BODY = (slice(20, 72), slice(46, 80))
SHADED = (slice(None), slice(None, 32))
KEYED_LEVELS = 20


class DifferenceMatter:
    """Everything that differs from the plate is the person: were one learnt, it would vanish at once."""

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        assert plate_rgb is not None
        apart = np.abs(rgb.astype(np.int16) - plate_rgb).max(2)
        return np.where(apart > KEYED_LEVELS, 255, 0).astype(np.uint8)

    def reset(self) -> None: ...


class SlowCamera:
    """A camera on a simulated clock: two seconds a frame, drawn from its index."""

    live, fps, name, size = False, 1 / FRAME_S, "slow camera", SIZE

    def __init__(self, look: Callable[[int], U8], frames: int) -> None:
        self._frames: Iterator[int] = iter(range(frames))
        self._look = look

    def read(self) -> Frame | None:
        k = next(self._frames, None)
        return None if k is None else Frame(self._look(k), k * FRAME_S * LESSON_NS, k)

    def close(self) -> None: ...


def at_once(work: Callable[[], object]) -> Future:
    """A worker that is done before anybody asks."""
    done: Future = Future()
    try:
        done.set_result(work())
    except Exception as error:
        done.set_exception(error)
    return done


def plate_of(rgb: U8) -> Plate:
    return Plate("room", SIZE, (View(rgb),))


def noisy(rgb: np.ndarray, seed: int) -> U8:
    grain = np.random.default_rng(seed).normal(0, 1.5, rgb.shape)
    return np.clip(rgb + grain, 0, 255).astype(np.uint8)


def alphas(
    room: U8, look: Callable[[int], U8], frames: int, *, refresh: bool = True, absorb_after: int | None = None
) -> list[U8]:
    """The matte of every frame of a run of the loop."""
    plate, background = plate_of(room), parse_background("green")
    follower = PlateAligner(plate, SIZE)
    renderer = Compositor(plate, DifferenceMatter(), background, build_backdrop(background))
    aligner = follower
    if refresh:
        learner = PlateRefresh(plate, absorb_after)
        aligner = RefreshingAligner(follower, learner, (follower, renderer), at_once)
    sink = MemorySink()
    run_loop(
        SlowCamera(look, frames),
        aligner,
        renderer,
        [sink],
        idle=IdlePicture(SIZE),
        meter=Meter(),
        stop=Event(),
        strict=True,
    )
    assert len(sink.pictures) == frames
    return [picture.alpha_u8 for picture in sink.pictures if picture.alpha_u8 is not None]


def somebody() -> U8:
    """A textured person, unlike the room in every pixel or nearly so."""
    return np.random.default_rng(7).integers(0, 60, (52, 34, 3)).astype(np.uint8)


@pytest.mark.parametrize("absorb_after", [None, 30])
def test_who_sits_still_for_ten_minutes_stays_in_front(absorb_after: int | None) -> None:
    room = np.maximum(drawn_room(1, SIZE), 90)
    person = somebody()

    def look(k: int) -> U8:
        frame = room.copy()
        if k >= 5:
            frame[BODY] = person
        return noisy(frame, k)

    matte = alphas(room, look, TEN_MINUTES, absorb_after=absorb_after)
    inside = [(a[BODY] > 128).mean() for a in matte[5:]]
    assert min(inside) > 0.99
    assert inside[-1] >= inside[0] - 0.005
    around = np.ones(SIZE[::-1], bool)
    around[BODY] = False
    assert max((a[around] > 128).mean() for a in matte) < 0.003


def _sunset(room: U8) -> Callable[[int], U8]:
    """A shadow with a sharp edge that deepens by forty levels in five minutes, and somebody before it."""
    person = somebody()

    def look(k: int) -> U8:
        frame = room.astype(np.float32)
        frame[SHADED] -= 40 * min(k, 150) / 150
        frame[BODY] = person
        return noisy(frame, k)

    return look


def test_daylight_fades_in_while_somebody_sits_there() -> None:
    room = np.maximum(drawn_room(1, SIZE), 110)
    matte = alphas(room, _sunset(room), 170)
    assert max((a[SHADED] > 128).mean() for a in matte) < 0.01
    assert min((a[BODY] > 128).mean() for a in matte) > 0.99


def test_without_refresh_the_same_shadow_is_taken_for_somebody() -> None:
    room = np.maximum(drawn_room(1, SIZE), 110)
    matte = alphas(room, _sunset(room), 170, refresh=False)
    assert (matte[-1][SHADED] > 128).mean() > 0.2


def test_what_the_matte_claims_never_becomes_room_however_small_and_still_it_is() -> None:
    room = np.maximum(drawn_room(1, SIZE), 90)
    cup = (slice(32, 38), slice(12, 18))

    def look(k: int) -> U8:
        frame = room.copy()
        if k >= 5:
            frame[cup] = (20, 20, 60)
        return noisy(frame, k)

    matte = alphas(room, look, 60, absorb_after=20)
    assert (matte[-1][cup] > 128).all()


def locked_frames(count: int, step_ns: int) -> list[Frame]:
    return [Frame(drawn_room(1, SIZE), k * step_ns, k) for k in range(count)]


LOCKED = Alignment(np.eye(3), Light(), State.LOCKED, 1.0, "still")


class CountingRefresh(PlateRefresh):
    def __init__(self, plate: Plate, fails: bool = False) -> None:
        super().__init__(plate)
        self.lessons, self.threads, self._fails = 0, set[int](), fails

    def learn(self, rgb: U8, alpha_u8: U8, alignment: Alignment) -> None:
        self.lessons += 1
        self.threads.add(get_ident())
        if self._fails:
            raise RuntimeError("a lesson broke")
        super().learn(rgb, alpha_u8, alignment)


def play(aligner: RefreshingAligner, frames: list[Frame]) -> None:
    for frame in frames:
        aligner.update(frame)
        aligner.learn(frame, np.zeros(SIZE[::-1], np.uint8))


def test_there_is_at_most_one_lesson_a_second() -> None:
    refresh = CountingRefresh(plate_of(drawn_room(1, SIZE)))
    play(RefreshingAligner(FixedAligner(LOCKED), refresh, (), at_once), locked_frames(90, 33_333_334))
    assert refresh.lessons == 3


@pytest.mark.parametrize("state", [State.TRACKING, State.LOST, State.NONE])
def test_a_camera_that_does_not_stand_still_teaches_nothing(state: State) -> None:
    refresh = CountingRefresh(plate_of(drawn_room(1, SIZE)))
    fixed = FixedAligner(Alignment(None, Light(), state, 0.0, ""))
    play(RefreshingAligner(fixed, refresh, (), at_once), locked_frames(5, LESSON_NS))
    assert refresh.lessons == 0


def test_a_frame_whose_plate_is_not_believed_teaches_nothing() -> None:
    refresh = CountingRefresh(plate_of(drawn_room(1, SIZE)))
    aligner = RefreshingAligner(FixedAligner(LOCKED), refresh, (), at_once)
    nobody = np.zeros(SIZE[::-1], np.uint8)
    for frame in locked_frames(5, LESSON_NS):
        aligner.update(frame)
        aligner.learn(frame, nobody, doubted=frame.index < 3)
    assert refresh.lessons == 2


def test_a_slow_lesson_is_not_joined_by_another_and_runs_on_its_own_thread() -> None:
    refresh = CountingRefresh(plate_of(drawn_room(1, SIZE)))
    may_go = Event()
    with ThreadPoolExecutor(1) as worker:
        worker.submit(may_go.wait, 30)  # the worker is busy: lessons wait
        aligner = RefreshingAligner(FixedAligner(LOCKED), refresh, (), worker.submit)
        play(aligner, locked_frames(20, LESSON_NS))
        may_go.set()
    assert refresh.lessons == 1
    assert get_ident() not in refresh.threads


def test_a_new_plate_is_taken_over_by_all_between_two_frames() -> None:
    room = drawn_room(1, SIZE)
    taken: list[tuple[str, Plate]] = []

    class User:
        def __init__(self, name: str) -> None:
            self.name = name

        def prepare(self, plate: Plate) -> Callable[[], None]:
            return lambda: taken.append((self.name, plate))

    aligner = RefreshingAligner(
        FixedAligner(LOCKED), PlateRefresh(plate_of(room)), (User("aligner"), User("renderer")), at_once
    )
    brighter = room.copy()
    brighter[SHADED] = np.clip(room[SHADED].astype(int) + 9, 0, 255)
    nobody = np.zeros(SIZE[::-1], np.uint8)
    for k in range(6):
        frame = Frame(brighter, k * LESSON_NS, k)
        before = len(taken)
        aligner.update(frame)
        assert [name for name, _ in taken[before:]] in ([], ["aligner", "renderer"])
        at_update = len(taken)
        aligner.learn(frame, nobody)
        assert len(taken) == at_update
    assert taken
    assert taken[0][1] is taken[1][1]
    assert taken[-1][1].rgb[SHADED].mean() > room[SHADED].mean() + 0.75


def test_a_lesson_that_raises_is_told_once_and_the_picture_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    refresh = CountingRefresh(plate_of(drawn_room(1, SIZE)), fails=True)
    aligner = RefreshingAligner(FixedAligner(LOCKED), refresh, (), at_once)
    with caplog.at_level(logging.ERROR):
        play(aligner, locked_frames(10, LESSON_NS))
    assert refresh.lessons == 1
    assert len(caplog.records) == 1
    assert "not kept fresh" in caplog.text


@pytest.mark.parametrize(
    ("views", "live", "refreshing", "kept_fresh"),
    [
        (1, True, Refreshing(), True),
        (1, False, Refreshing(), False),
        (1, True, None, False),
        (2, True, Refreshing(), False),
    ],
    ids=["live", "offline", "switched off", "sweep"],
)
def test_only_a_live_run_with_a_single_view_refreshes_if_asked_to(
    monkeypatch: pytest.MonkeyPatch, views: int, live: bool, refreshing: Refreshing | None, kept_fresh: bool
) -> None:
    class Renderer(InvertingRenderer):
        def begin(self, frame: Frame, alignment: Alignment) -> Begun:
            raise AssertionError("nothing is rendered here")

        def prepare(self, plate: Plate) -> Callable[[], None]:
            return lambda: None

    monkeypatch.setattr("live.assemble.build_renderer", lambda *a, **more: (Renderer(), "a scripted runtime"))
    room = Plate("desk", SIZE, (View(drawn_room(1, SIZE)),) * views)
    parts = build_parts(room, parse_background("green"), Model(), SIZE, live=live, refreshing=refreshing)
    assert isinstance(parts.aligner, RefreshingAligner) == kept_fresh
    parts.close()


@pytest.mark.parametrize(("seconds", "lessons"), [(0.0, None), (0.2, 1), (90.0, 90)])
def test_how_long_a_thing_must_lie_still_is_given_in_seconds(seconds: float, lessons: int | None) -> None:
    assert Refreshing(seconds).absorb_after == lessons
