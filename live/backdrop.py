"""A video that stands behind the person, played over and over by the frames' own clock."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from types import TracebackType

import numpy as np

from core.errors import MediaError
from core.render.backdrops import cover
from core.types import U8, Frame
from live.mailbox import Mailbox
from live.sources.video import VideoSource

_PATIENCE_S = 10.0  # for one picture of a file on a slow disk
_CLOSE_S = 1.0


class VideoBackdrop:
    """Backdrop (see core.render.backdrops) of a video file; what time it shows follows the frames' times.

    A thread of its own decodes and scales one picture ahead. The same frame times give the same pictures,
    offline as live. Used by one thread.
    Raises: MediaError when the file cannot be read, at once, or in `picture` where it is broken later on.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """size: (width, height) of the pictures most likely asked for."""
        self._path, self._size = path, size
        self._box: Mailbox[Frame] = Mailbox(newest=False)
        first = VideoSource(path)
        self._thread = Thread(target=self._run, args=(first,), name=f"backdrop {path.name}", daemon=True)
        self._thread.start()
        self._start_ns: int | None = None
        self._now: U8 = np.zeros((0, 0, 3), np.uint8)
        self._next: Frame | None = None

    def picture(self, size: tuple[int, int], time_ns: int) -> U8:
        """The video's picture at this time, uint8 HxWx3 of `size`, not to be written to."""
        if self._start_ns is None:
            self._start_ns = time_ns
        while self._next is None or self._next.time_ns <= time_ns - self._start_ns:
            if self._next is not None:
                self._now = self._next.rgb
            self._next = self._take()
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

    def _take(self) -> Frame:
        try:
            frame = self._box.take(_PATIENCE_S)
        except TimeoutError as error:
            raise MediaError(f"the background {self._path} gives no picture") from error
        if frame is None:
            raise MediaError(f"the background {self._path} was closed")
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
                source = VideoSource(self._path)
        except BaseException as error:  # a thread's edge: the renderer gets it at its next picture
            self._box.end(error)
        finally:
            source.close()
