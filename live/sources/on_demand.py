"""A camera that is on only while somebody looks: closed, its light off, until a program reads the output."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from core.errors import CleanplateError, DeviceError
from core.types import Frame
from live.sources.base import Source

log = logging.getLogger(__name__)

REST_MS = 200  # how long a read waits for somebody to come, all outputs together
AGAIN_S = 0.5  # between tries to open a camera that another program has


class RestingError(CleanplateError):
    """From `read`: nobody looks, so there is no frame and nothing is wrong; read again."""


class Watch(Protocol):
    """Whether somebody reads an output; see live.sinks.demand."""

    def watched(self) -> bool: ...

    def wait(self, timeout_ms: int) -> bool: ...


class OnDemandSource:
    """Opens the camera when somebody looks, closes it when nobody has for a while. One thread calls it.

    now: the camera, open already; it is closed at the first read unless somebody looks.
    open_again: opens the same camera. rest: called once it is closed.
    outputs: what may be looked at; one of them is enough. grace_s: how long nobody must have looked.
    """

    def __init__(
        self,
        now: Source,
        open_again: Callable[[], Source],
        outputs: Sequence[Watch],
        grace_s: float,
        *,
        rest: Callable[[], None] = lambda: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.size, self.fps, self.live = now.name, now.size, now.fps, now.live
        self._camera: Source | None = now
        self._open_again, self._outputs, self._grace_s = open_again, outputs, grace_s
        self._rest, self._clock_s = rest, clock_s
        self._seen_s = float("-inf")
        self._try_s = float("-inf")
        self._refused = ""
        self._first_index = self._next_index = 0

    def read(self) -> Frame | None:
        """The next frame; their numbers go on over a rest.

        Raises: RestingError after a short wait when nobody looks; DeviceError when the camera cannot be
            opened.
        """
        if self._camera is None:
            if not any([output.wait(REST_MS // len(self._outputs)) for output in self._outputs]):
                raise RestingError("nobody looks")
            self._camera = self._opened()
            self._seen_s = self._clock_s()
        elif any([output.watched() for output in self._outputs]):
            self._seen_s = self._clock_s()
        elif self._clock_s() - self._seen_s >= self._grace_s:
            self.close()
            raise RestingError("nobody looks any more")
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
        log.info("somebody looks: %s is open", self.name)
        return camera
