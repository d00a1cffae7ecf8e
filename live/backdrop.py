"""A video that stands behind the person, played over and over by the frames' own clock."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread
from types import TracebackType

import numpy as np

from core.errors import MediaError
from core.render.backdrops import Backdrop, Background, Kind, cover
from core.render.build import build_backdrop
from core.types import U8, Frame
from live.mailbox import Mailbox
from live.sources.video import VideoSource

_PATIENCE_S = 10.0  # for one picture of a file on a slow disk; then it is broken
_CLOSE_S = 1.0
_GAP_NS = 1_000_000_000  # longer than any camera takes for a frame: a pause, a rest, a camera that was away
_WAIT_S = 0.02  # two thirds of a usual camera's frame: enough for a film of twice its rate


def open_backdrop(background: Background, size: tuple[int, int], *, live: bool) -> Backdrop | None:
    """The pictures of a background, for frames of this size; None for those that need none of their own.

    live: see VideoBackdrop. Raises: MediaError when a file is broken.
    """
    if background.kind is Kind.VIDEO:
        assert background.path is not None
        return VideoBackdrop(background.path, size, live=live)
    return build_backdrop(background)


class VideoBackdrop:
    """Backdrop (see core.render.backdrops) of a video file; what time it shows follows the frames' times.

    A thread of its own decodes and scales one picture ahead. Offline the same frame times give the same
    pictures, whatever lies between them. Used by one thread.
    live: no frame waits for long. After a gap in the frames' times, or where they go back, the film goes
        on where it stood; one that cannot be decoded as fast as it plays falls behind.
    wait_s: how long a live frame may wait for the film, once there is a picture of it.
    Raises: MediaError when the file cannot be read, at once, or in `picture` where it is broken later on.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        *,
        live: bool,
        wait_s: float = _WAIT_S,
    ) -> None:
        """size: (width, height) of the pictures most likely asked for."""
        self._path, self._size, self._live, self._wait_s = path, size, live, wait_s
        self._box: Mailbox[Frame] = Mailbox(newest=False)
        first = VideoSource(path)
        self._thread = Thread(target=self._run, args=(first,), name=f"backdrop {path.name}", daemon=True)
        self._thread.start()
        self._start_ns: int | None = None  # the frames' time at which the film began
        self._asked_ns = 0
        self._taken_s = time.monotonic()
        self._period_ns = 0  # until the film begins again; 0 before it has been decoded once
        self._now: U8 = np.zeros((0, 0, 3), np.uint8)
        self._next: Frame | None = None

    def picture(self, size: tuple[int, int], time_ns: int) -> U8:
        """The video's picture at this time, uint8 HxWx3 of `size`, not to be written to."""
        due_ns = self._due_ns(time_ns)
        until_s = time.monotonic() + self._wait_s
        while self._next is None or self._next.time_ns <= due_ns:
            if self._next is not None:
                self._now = self._next.rgb
            taken = self._take(until_s)
            if taken is None:
                assert self._next is not None
                self._shift(due_ns - self._next.time_ns)
                break
            self._next = taken
            due_ns -= self._skip(due_ns - self._next.time_ns)
        if self._now.size == 0:
            self._now = self._next.rgb
        if (self._now.shape[1], self._now.shape[0]) != size:
            return cover(self._now, size)
        return self._now

    def close(self) -> None:
        """Safe to call twice."""
        self._box.close()
        self._thread.join(_CLOSE_S)

    def __enter__(self) -> VideoBackdrop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _due_ns(self, time_ns: int) -> int:
        """The film's time at this time of a frame, counted on over its plays."""
        if self._start_ns is None:
            self._start_ns = self._asked_ns = time_ns
        if self._live and not 0 <= time_ns - self._asked_ns <= _GAP_NS:
            self._shift(time_ns - self._asked_ns)
        self._asked_ns = time_ns
        return time_ns - self._start_ns

    def _shift(self, by_ns: int) -> None:
        """The film is so much behind from here on."""
        assert self._start_ns is not None
        self._start_ns += by_ns

    def _skip(self, behind_ns: int) -> int:
        """Leaves out the plays that would only be decoded to be passed over; how long these are.

        Every play is like the first one, so the pictures stay what they would be.
        """
        whole_ns = behind_ns // self._period_ns * self._period_ns if self._period_ns else 0
        if whole_ns <= 0:
            return 0
        self._shift(whole_ns)
        return whole_ns

    def _take(self, until_s: float) -> Frame | None:
        """The next picture; None where a live frame cannot wait for it any longer."""
        hurried = self._live and self._next is not None
        try:
            frame = self._box.take(max(until_s - time.monotonic(), 0.0) if hurried else _PATIENCE_S)
        except TimeoutError as error:
            if hurried and time.monotonic() - self._taken_s < _PATIENCE_S:
                return None
            raise MediaError(f"the background {self._path} gives no picture") from error
        if frame is None:
            raise MediaError(f"the background {self._path} was closed")
        self._taken_s = time.monotonic()
        return frame

    def _run(self, source: VideoSource) -> None:
        """Decodes from beginning to end, again and again, with times that go on."""
        begin_ns, index = 0, 0
        try:
            while True:
                first_ns: int | None = None
                last_ns = 0
                while (frame := source.read()) is not None:
                    first_ns = frame.time_ns if first_ns is None else first_ns
                    last_ns = begin_ns + frame.time_ns - first_ns
                    if not self._box.put(Frame(cover(frame.rgb, self._size), last_ns, index)):
                        return
                    index += 1
                source.close()
                begin_ns = last_ns + round(1e9 / source.fps)
                self._period_ns = self._period_ns or begin_ns
                source = VideoSource(self._path, source.to_rgb)
        except BaseException as error:  # a thread's edge: the renderer gets it at its next picture
            self._box.end(error)
        finally:
            source.close()
