"""Some frames of a film or a folder, as a source."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from threading import Event

from core.errors import MediaError
from core.types import Frame
from live.media import FrameRange
from live.sources.base import FileSource

log = logging.getLogger(__name__)


class Excerpt:
    """Gives the frames of a range of another source, with the numbers and times that they have there.

    Implements FileSource. All before the range are decoded and passed over: what a seek finds is, in many
    films, not the frame that was asked for.
    """

    live = False

    def __init__(
        self,
        source: FileSource,
        frames: FrameRange,
        *,
        stop: Event,
        passed: Callable[[], None] = lambda: None,
    ) -> None:
        """Passes over what comes before; `source` is closed by `close`, and where this raises.

        Args:
            stop: ends the passing over, and then nothing can be read.
            passed: told of each frame passed over.
        Raises:
            MediaError: the source ends before the range begins, or cannot be read.
        """
        self._source, self._frames = source, frames
        try:
            for number in range(frames.first):
                if stop.is_set():
                    break
                if not source.skip():
                    raise _beyond(source, frames, number)
                passed()
            self._ahead = None if stop.is_set() else source.read()
            if self._ahead is None and not stop.is_set():
                raise _beyond(source, frames, frames.first)
        except BaseException:
            source.close()
            raise
        self.name = f"{source.name}, frames {frames}"
        self.size, self.fps = source.size, source.fps
        begins_s = Fraction(self._ahead.time_ns if self._ahead else 0, 1_000_000_000)
        clip = source.clip
        end_s = clip.end_s if frames.last is None else None
        self.clip = replace(
            clip,
            starts_s=clip.starts_s + begins_s,
            end_s=None if end_s is None else end_s - begins_s,
            frames=frames,
        )
        ends = [number for number in (frames.last, source.total and source.total - 1) if number is not None]
        self.total: int | None = max(min(ends) - frames.first + 1, 1) if ends else None

    def read(self) -> Frame | None:
        frame, self._ahead = self._ahead, None
        if frame is None:
            return None
        if frame.index != self._frames.last:
            self._ahead = self._source.read()
            if self._ahead is None and self._frames.last is not None:
                log.warning("%s: the last frame there is has the number %d", self.name, frame.index)
        return frame

    def skip(self) -> bool:
        return self.read() is not None

    def close(self) -> None:
        self._ahead = None
        self._source.close()


def _beyond(source: FileSource, frames: FrameRange, count: int) -> MediaError:
    return MediaError(
        f"frames {frames} begin after the end: {source.name}, has frames 0 to {count - 1}; choose lower ones"
    )
