"""The program as a whole but for its network, in a process of its own: an oracle mattes.

The network takes seconds a picture on an emulated processor.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from core.errors import CleanplateError
from core.types import U8, Picture
from live import assemble
from live.session import run_session
from live.settings import load
from live.sinks import virtualcam
from live.sinks.virtualcam import VirtualCameraSink
from live.sources.camera import CameraSource
from tests.kernel.stage import BLOCK, NODE, PATIENCE_S, PERSON, opens, seconds_until

FORK = multiprocessing.get_context("fork")
SMALL, SLOW_FPS = (320, 180), 5.0  # a session does everything at once, on an emulated processor


class Oracle:
    """Knows the person of `numbered`, and the number above it, by place and colour. Implements Matter."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        self._session.mattes.value += 1
        person = np.array(PERSON)
        alpha = cv2.inRange(rgb, person - 24, person + 24)
        alpha[:BLOCK] = 255
        return np.asarray(alpha, np.uint8)

    def reset(self) -> None: ...


class Session:
    """`cleanplate run` in a process of its own.

    mattes: how often the oracle was asked. openings: of the camera. first_picture_s: what the last of them
    waited for the camera's first picture.
    after_push: called there with each picture that the virtual camera has taken, idle ones left out.
    """

    def __init__(self, after_push: Callable[[Picture], None] | None = None, **flags: object) -> None:
        self.mattes, self.openings = FORK.Value("q", 0), FORK.Value("q", 0)
        self.first_picture_s = FORK.Value("d", 0.0)
        self._after_push = after_push
        usual = {"background.spec": "#00b140", "camera.size": list(SMALL), "camera.fps": SLOW_FPS}
        usual["camera.oldest_ms"] = 60000.0  # an emulated processor is no place to insist on fresh frames
        self._settings = load(flags=usual | {name.replace("__", "."): value for name, value in flags.items()})
        self._reading, self._writing = FORK.Pipe(False)
        self.process = FORK.Process(target=self._run, daemon=True)
        self.process.start()
        self._writing.close()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def end(self) -> str:
        """Waits until it has ended by itself; what it said."""
        self.process.join(PATIENCE_S)
        return self.said()

    def said(self) -> str:
        lines = []
        while self._reading.poll(0):
            try:
                lines.append(self._reading.recv())
            except EOFError:
                break
        return "\n".join(lines)

    def _run(self) -> None:
        assemble._matter = lambda model, **more: (Oracle(self), "an oracle", None)
        virtualcam.TIMEOUT_MS = 20_000  # else the driver shows the idle picture between two slow ones
        self._look_at_camera()
        if self._after_push is not None:
            self._look_at_pictures(self._after_push)
        try:
            run_session(self._settings, self._writing.send)
        except CleanplateError as error:
            self._writing.send(str(error))
            os._exit(1)

    def _look_at_camera(self) -> None:
        first_picture = CameraSource._first_picture

        def timed(camera: CameraSource) -> tuple[U8, int]:
            began = time.monotonic()
            picture = first_picture(camera)
            self.openings.value, self.first_picture_s.value = (
                self.openings.value + 1,
                time.monotonic() - began,
            )
            return picture

        CameraSource._first_picture = timed  # type: ignore[method-assign]

    @staticmethod
    def _look_at_pictures(after_push: Callable[[Picture], None]) -> None:
        push = VirtualCameraSink.push

        def watched(sink: VirtualCameraSink, picture: Picture) -> None:
            push(sink, picture)
            if not picture.idle:
                after_push(picture)

        VirtualCameraSink.push = watched  # type: ignore[method-assign]


@contextmanager
def running(after_push: Callable[[Picture], None] | None = None, **flags: object) -> Iterator[Session]:
    """A session whose first node can be read; ended by SIGTERM, which must end it in good order."""
    session = Session(after_push, **flags)
    try:
        seconds_until(lambda: not session.process.is_alive() or opens(NODE))
        assert session.process.is_alive(), session.said()
        yield session
        os.kill(session.pid, signal.SIGTERM)
        session.process.join(PATIENCE_S)
        assert session.process.exitcode == 0, f"exit code {session.process.exitcode}: {session.said()}"
    finally:
        if session.process.is_alive():
            session.process.kill()
