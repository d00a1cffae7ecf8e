"""A video file as a source: every frame, upright, with its own time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from core.errors import MediaError
from core.types import U8, Frame
from live.media import Clip
from live.sources.colour import ToRgb, hdr_of
from live.sources.extent import Extent

_GUESSED_RATE = Fraction(30)
_UNREADABLE = "{} is not a video that can be read, or it is cut off: copy or export it again"


class VideoSource:
    """Gives every frame of a video in order. Implements FileSource.

    time_ns is the frame's own time (pts), so the rate may be fractional or vary; a broadcast's clock
    is set to 0 where the film begins. The rotation
    flag is applied: frames are upright, and `size` is that of upright frames. HDR becomes BT.709.
    Raises:
        MediaError: not readable, empty, cut off, or the size changes on the way.
    """

    live = False

    def __init__(self, path: Path, to_rgb: ToRgb | None = None) -> None:
        """to_rgb: that of an earlier opening, which has its tables made."""
        self._path = path
        self.to_rgb = to_rgb or ToRgb()
        self._next_index = 0
        self._last_pts: int | None = None
        try:
            self._container = av.open(str(path.absolute()))  # FFmpeg takes "10:30.mp4" for a protocol
        except (av.FFmpegError, OSError) as error:
            raise MediaError(_unopened(path, error)) from error
        try:
            self._open_stream()
        except BaseException:
            self._container.close()
            raise

    def _open_stream(self) -> None:
        pictures = [s for s in self._container.streams.video if not s.disposition & _COVER]
        if not pictures and not self._container.streams.audio:
            raise MediaError(_UNREADABLE.format(self._path))
        if not pictures:
            raise MediaError(f"{self._path} has no moving pictures, only sound")
        stream = self._stream = pictures[0]
        stream.thread_type = "AUTO"
        self._rate = stream.average_rate or stream.guessed_rate or _GUESSED_RATE
        self._time_base = stream.time_base or 1 / self._rate
        self._step = max(round(1 / self._rate / self._time_base), 1)
        self._extent = Extent(self._container, stream, self._rate)
        self._frames = self._decoded()
        self._ahead = next(self._frames, None)
        if self._ahead is None:
            raise MediaError(f"{self._path} has no picture in it: it is empty or cut off")
        self._rgb(self._ahead)  # what cannot be read, and tables that take seconds, not in mid-run
        self._stored_size = (self._ahead.width, self._ahead.height)
        self._rotation = self._ahead.rotation % 360
        width, height = self._stored_size if self._rotation % 180 == 0 else self._stored_size[::-1]
        self.size = (width, height)
        self.fps = float(self._rate)
        has_sound = bool(self._container.streams.audio)
        self.clip = Clip(
            rate=self._rate,
            time_base=self._time_base,
            rotation=self._rotation,
            pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
            starts_s=self._extent.origin * self._time_base,
            end_s=self._extent.end_s,
            sound=self._path if has_sound else None,
        )
        self.total = self._extent.total
        turned = f", turned by {self._rotation} degrees" if self._rotation else ""
        hdr = hdr_of(self._ahead)
        bright = f", HDR ({hdr}) brought to BT.709" if hdr else ""
        self.name = (
            f"video {self._path}, {width}x{height} at {self.fps:.6g} frames per second{turned}{bright}"
        )

    def read(self) -> Frame | None:
        passed = self._pass()
        if passed is None:
            return None
        frame, time_ns = passed
        rgb = _upright(self._rgb(frame), self._rotation)
        rgb.flags.writeable = False
        return Frame(rgb, time_ns, self._next_index - 1)

    def skip(self) -> bool:
        return self._pass() is not None

    def _pass(self) -> tuple[VideoFrame, int] | None:
        """Goes on to the next frame; gives this one and its time, ns."""
        frame = self._ahead
        if frame is None:
            return None
        if (frame.width, frame.height) != self._stored_size:
            raise MediaError(
                f"{self._path} changes size at frame {self._next_index} from {_size(self._stored_size)} to "
                f"{frame.width}x{frame.height}; split it there, or bring it to one size"
            )
        time_ns = self._time_ns(frame)
        self._next_index += 1
        self._ahead = next(self._frames, None)
        if self._ahead is None:
            missing = self._extent.missing(time_ns / 1e9)
            if missing:
                raise MediaError(f"{self._path} is cut off: {missing}; copy it again")
        return frame, time_ns

    def _rgb(self, frame: VideoFrame) -> U8:
        try:
            return self.to_rgb(frame)
        except MediaError as error:
            raise MediaError(f"{self._path}: {error}") from error

    def close(self) -> None:
        self._ahead = None
        self._container.close()

    def _decoded(self) -> Iterator[VideoFrame]:
        """Pictures in the order of showing, also those the decoder holds back until the end."""
        try:
            for packet in self._container.demux(self._stream):
                self._extent.count(packet)
                for frame in packet.decode():
                    assert isinstance(frame, VideoFrame)
                    yield frame
        except (av.FFmpegError, OSError) as error:
            raise MediaError(
                f"{self._path} is damaged after frame {self._next_index}: {error.strerror or error}"
            ) from error

    def _time_ns(self, frame: VideoFrame) -> int:
        """The frame's own time; one without, or not after the one before, comes a step after it."""
        pts = frame.pts
        if pts is None:
            pts = self._extent.origin if self._last_pts is None else self._last_pts + self._step
        elif self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        self._last_pts = pts
        return round((pts - self._extent.origin) * self._time_base * 1_000_000_000)


_COVER = av.stream.Disposition.attached_pic


def _upright(rgb: U8, rotation: int) -> U8:
    """Turns by the flag, which counts degrees anticlockwise."""
    return np.ascontiguousarray(np.rot90(rgb, rotation // 90))


def _unopened(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return f"the video {path} is empty (0 bytes)"
    if isinstance(error, av.InvalidDataError):
        return _UNREADABLE.format(path)
    return f"cannot read the video {path}: {getattr(error, 'strerror', None) or error}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
