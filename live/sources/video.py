"""A video file as a source: every frame, upright, with its own time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from core.errors import MediaError
from core.types import U8, Frame
from live.media import Clip

_GUESSED_RATE = Fraction(30)
_UNREADABLE = "{} is not a video that can be read, or it is cut off: copy or export it again"
_LENGTH = re.compile(r"(\d+):(\d+):([\d.]+)")
_SHORT_S = 1.0  # a clip may end this much before the length it states; more means cut off


class VideoSource:
    """Gives every frame of a video in order. Implements FileSource.

    time_ns is the frame's own time (pts), so the rate may be fractional or vary. The rotation
    flag is applied: frames are upright, and `size` is that of upright frames.
    Raises:
        MediaError: not readable, empty, cut off, or the size changes on the way.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._packets_seen = 0
        self._next_index = 0
        self._last_pts: int | None = None
        try:
            self._container = av.open(str(path))
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
        self._frames = self._decoded()
        self._ahead = next(self._frames, None)
        if self._ahead is None:
            raise MediaError(f"{self._path} has no picture in it: it is empty or cut off")
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
            end_s=self._end_s(),
            sound=self._path if has_sound else None,
        )
        self.total = stream.frames or self._frames_by_length()
        turned = f", turned by {self._rotation} degrees" if self._rotation else ""
        self.name = f"video {self._path}, {width}x{height} at {self.fps:.6g} frames per second{turned}"

    def read(self) -> Frame | None:
        frame = self._ahead
        if frame is None:
            return None
        if (frame.width, frame.height) != self._stored_size:
            raise MediaError(
                f"{self._path} changes size at frame {self._next_index} from {_size(self._stored_size)} to "
                f"{frame.width}x{frame.height}; split it there, or bring it to one size"
            )
        rgb = _upright(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), self._rotation)
        rgb.flags.writeable = False
        taken = Frame(rgb, self._time_ns(frame), self._next_index)
        self._next_index += 1
        self._ahead = next(self._frames, None)
        if self._ahead is None:
            self._refuse_cut_off(taken.time_ns)
        return taken

    def close(self) -> None:
        self._ahead = None
        self._container.close()

    def _decoded(self) -> Iterator[VideoFrame]:
        """Pictures in the order of showing, also those the decoder holds back until the end."""
        try:
            for packet in self._container.demux(self._stream):
                self._packets_seen += packet.size > 0
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
            pts = 0 if self._last_pts is None else self._last_pts + self._step
        elif self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
        self._last_pts = pts
        return round(pts * self._time_base * 1_000_000_000)

    def _length_s(self) -> float | None:
        if self._stream.duration:
            return float(self._stream.duration * self._time_base)
        written = _LENGTH.fullmatch(self._stream.metadata.get("DURATION", ""))  # Matroska's, per stream
        if written:
            hours, minutes, seconds = (float(part) for part in written.groups())
            return hours * 3600 + minutes * 60 + seconds
        if self._container.duration and len(self._container.streams) == 1:
            return float(self._container.duration / av.time_base)
        return None

    def _end_s(self) -> Fraction | None:
        """When the last picture ends, where the container says so exactly."""
        if not self._stream.duration:
            return None
        return ((self._stream.start_time or 0) + self._stream.duration) * self._time_base

    def _frames_by_length(self) -> int | None:
        length_s = self._length_s()
        return round(length_s * self._rate) if length_s else None

    def _refuse_cut_off(self, last_ns: int) -> None:
        """A demuxer that meets the end of the file too early does not always say so."""
        if self._stream.frames and self._packets_seen < self._stream.frames:
            raise MediaError(
                f"{self._path} is cut off: it holds {self._packets_seen} of {self._stream.frames} frames; "
                "copy it again"
            )
        length_s, end_s = self._length_s(), last_ns / 1e9
        start_s = float((self._stream.start_time or 0) * self._time_base)
        if not self._stream.frames and length_s and end_s - start_s < length_s - _SHORT_S - 2 / self.fps:
            raise MediaError(
                f"{self._path} is cut off: pictures end at {end_s:.1f} s of {length_s:.1f} s; copy it again"
            )


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
