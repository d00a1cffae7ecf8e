"""Stand-ins for devices, stages and clocks: they behave, and remember, but touch nothing."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, get_ident

import numpy as np

from core.types import NO_PLATE, U8, Alignment, Begun, Frame, Picture

ROOM = (250, 5, 120)  # a colour that no idle picture and no backdrop of a test has
BACKDROP = (20, 200, 60)
FRAME_NS = 40_000_000
HANG_LIMIT_S = 30.0  # a test that fails must end


def room_picture(size: tuple[int, int]) -> U8:
    """Nothing but room."""
    return np.full((size[1], size[0], 3), ROOM, np.uint8)


def shows_room(picture: Picture) -> bool:
    """Whether any pixel could be the room's."""
    return bool((np.abs(picture.rgb.astype(int) - ROOM).max(axis=2) < 40).any())


class FakeClock:
    """Nanoseconds that pass only when told."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def pass_ms(self, ms: float) -> None:
        self.now_ns += round(ms * 1e6)


class ScriptedSource:
    """Plays a script, one entry a read: a number is a frame of that index, an exception is raised,
    an Event hangs until it is set or the source is released. Then None.

    threads: idents of those who called.
    """

    def __init__(
        self,
        script: Sequence[int | Exception | Event],
        *,
        size: tuple[int, int] = (64, 48),
        live: bool = True,
    ) -> None:
        self.name, self.size, self.fps, self.live = "scripted camera", size, 25.0, live
        self._script = list(script)
        self.closed = 0
        self.threads: set[int] = set()

    def read(self) -> Frame | None:
        self.threads.add(get_ident())
        while self._script:
            entry = self._script.pop(0)
            if isinstance(entry, Event):
                entry.wait(HANG_LIMIT_S)
            elif isinstance(entry, Exception):
                raise entry
            else:
                return Frame(room_picture(self.size), entry * FRAME_NS, entry)
        return None

    @property
    def left(self) -> int:
        """Entries that nobody has come to yet."""
        return len(self._script)

    def close(self) -> None:
        self.threads.add(get_ident())
        self.closed += 1


class MemorySink:
    """Keeps every picture. fail_at: the push, counted from 0, that raises `error`."""

    def __init__(self, *, fail_at: int | None = None, error: Exception | None = None) -> None:
        self.name = "memory"
        self.pictures: list[Picture] = []
        self.closed = 0
        self.threads: set[int] = set()
        self._pushes = 0
        self._fail_at, self._error = fail_at, error

    def push(self, picture: Picture) -> None:
        self.threads.add(get_ident())
        self._pushes += 1
        if self._error is not None and self._pushes - 1 == self._fail_at:
            raise self._error
        self.pictures.append(picture)

    def close(self) -> None:
        self.closed += 1

    @property
    def indices(self) -> list[int]:
        """Of the pictures that are not idle."""
        return [picture.index for picture in self.pictures if not picture.idle]


class FakeAligner:
    """No plate, ever. fail_at, fail_learn_at: indices of frames at which a stage raises."""

    def __init__(self, fail_at: Sequence[int] = (), fail_learn_at: Sequence[int] = ()) -> None:
        self._fail_at, self._fail_learn_at = fail_at, fail_learn_at
        self.learned: list[int] = []

    def update(self, frame: Frame) -> Alignment:
        if frame.index in self._fail_at:
            raise RuntimeError("aligner broke")
        return NO_PLATE

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
        if frame.index in self._fail_learn_at:
            raise RuntimeError("learning broke")
        self.learned.append(frame.index)

    def close(self) -> None:
        pass


class FakeRenderer:
    """A middle rectangle is the person; all else becomes the backdrop, or transparent if `straight`."""

    def __init__(
        self, *, straight: bool = False, fail_at: Sequence[int] = (), fail_expect_at: Sequence[int] = ()
    ) -> None:
        self._straight, self._fail_at, self._fail_expect_at = straight, fail_at, fail_expect_at
        self.closed = 0

    def expect(self, frame: Frame) -> None:
        if frame.index in self._fail_expect_at:
            raise RuntimeError("renderer broke early")

    def begin(self, frame: Frame, alignment: Alignment) -> Begun:
        picture = self.render(frame, alignment)
        return Begun(picture.alpha_u8, lambda: picture)

    def render(self, frame: Frame, alignment: Alignment) -> Picture:
        if frame.index in self._fail_at:
            raise RuntimeError("renderer broke")
        alpha = person_alpha(frame.size)
        if self._straight:
            return Picture(frame.rgb, alpha, frame.time_ns, frame.index, straight=True)
        rgb = np.full_like(frame.rgb, BACKDROP)
        return Picture(rgb, alpha, frame.time_ns, frame.index)

    def close(self) -> None:
        self.closed += 1


def person_alpha(size: tuple[int, int]) -> U8:
    """255 in the middle half, a column of 128 in it, 0 around."""
    width, height = size
    alpha = np.zeros((height, width), np.uint8)
    alpha[height // 4 : height - height // 4, width // 4 : width - width // 4] = 255
    alpha[height // 4 : height - height // 4, width // 2] = 128
    return alpha
