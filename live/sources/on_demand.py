"""A camera that is on only while it is wanted: closed, its light off, while paused or nobody looks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from core.errors import CleanplateError, DeviceError
from core.types import Frame
from live.pause import Pause
from live.sources.base import Source

log = logging.getLogger(__name__)

REST_MS = 200  # how long a read waits for somebody to come, all outputs together
AGAIN_S = 0.5  # between tries to open a camera that another program has
PAUSED_S = 1 / 15  # how long a read waits while paused: enough pictures to keep a virtual camera alive


class RestingError(CleanplateError):
    """From `read`, after a short wait: no frame is wanted, and nothing is wrong; read again.

    Its words are for the idle picture.
    """


class Watch(Protocol):
    """Whether somebody reads an output; see live.sinks.demand."""

    def watched(self) -> bool: ...

    def wait(self, timeout_ms: int) -> bool: ...


class OnDemandSource:
    """Opens the camera when it is wanted, closes it when it is not. One thread calls it.

    now: the camera, open already; it is closed at the first read unless it is wanted.
    open_again: opens the same camera. rest: called once it is closed.
    outputs: what may be looked at; one of them is enough, and with none it is as if somebody always looked.
    grace_s: how long nobody must have looked.
    pause: while it is on the camera is closed whoever looks. wait: waits so many seconds.
    """

    def __init__(
        self,
        now: Source,
        open_again: Callable[[], Source],
        outputs: Sequence[Watch],
        grace_s: float,
        *,
        pause: Pause,
        rest: Callable[[], None] = lambda: None,
        clock_s: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.name, self.size, self.fps, self.live = now.name, now.size, now.fps, now.live
        self._camera: Source | None = now
        self._open_again, self._outputs, self._grace_s = open_again, outputs, grace_s
        self._pause, self._rest, self._clock_s, self._wait = pause, rest, clock_s, wait
        self._seen_s = float("-inf")
        self._try_s = float("-inf")
        self._refused = ""
        self._first_index = self._next_index = 0

    def read(self) -> Frame | None:
        """The next frame; their numbers go on over a rest.

        Raises: RestingError while it is not wanted; DeviceError when the camera cannot be opened.
        """
        if self._pause.on:
            self.close()
            self._wait(PAUSED_S)
            raise RestingError("paused")
        if self._camera is None:
            if self._outputs and not self._somebody_comes():
                raise RestingError("the camera is off")
            self._camera = self._opened()
            self._seen_s = self._clock_s()
        elif self._outputs and any([output.watched() for output in self._outputs]):
            self._seen_s = self._clock_s()
        elif self._outputs and self._clock_s() - self._seen_s >= self._grace_s:
            self.close()
            raise RestingError("the camera is off")
        frame = self._camera.read()
        if frame is None:
            return None
        frame = replace(frame, index=frame.index + self._first_index)
        self._next_index = frame.index + 1
        return frame

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
            self._rest()
            log.info("%s is closed", self.name)

    def _somebody_comes(self) -> bool:
        return any([output.wait(REST_MS // len(self._outputs)) for output in self._outputs])

    def _opened(self) -> Source:
        if self._clock_s() < self._try_s:
            raise DeviceError(self._refused)
        try:
            camera = self._open_again()
            if camera.size != self.size:
                camera.close()
                raise DeviceError(
                    f"{camera.name} came back as {'x'.join(map(str, camera.size))}, "
                    f"it was {'x'.join(map(str, self.size))}"
                )
        except DeviceError as error:
            self._try_s, self._refused = self._clock_s() + AGAIN_S, str(error)
            raise
        self._first_index = self._next_index
        log.info("%s is open", self.name)
        return camera


class PausedFilm:
    """A film that goes on unseen while paused. One thread calls it."""

    def __init__(self, film: Source, pause: Pause) -> None:
        self.name, self.size, self.fps, self.live = film.name, film.size, film.fps, film.live
        self._film, self._pause = film, pause

    def read(self) -> Frame | None:
        """The next frame. RestingError, in the film's own time: paused."""
        frame = self._film.read()
        if frame is not None and self._pause.on:
            raise RestingError("paused")
        return frame

    def close(self) -> None:
        self._film.close()
