"""Writer of videos: ProRes 4444, VP9 with alpha, H.264; the pictures' own times, the input's sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from core.errors import MediaError
from core.types import U8, Picture
from live.media import Clip
from live.writers.content import Content
from live.writers.partial import PartialFile
from live.writers.sound import SoundTrack
from live.writers.straight import alpha_of, opaque_of, rgba_of

# A piece with an index of its own each second (us), which become one whole at the end.
_IN_PIECES = {"movflags": "hybrid_fragmented", "frag_duration": "1000000"}

_BT709 = 1  # in AVColorPrimaries, AVColorTransferCharacteristic and AVColorSpace alike


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one container is written. `odd`: pixel format for sizes that 4:2:0 cannot hold."""

    container: str
    codec: str
    options: dict[str, str]
    straight: str
    opaque: str
    odd: str
    sound: tuple[str, ...]  # codecs carried over as they are
    other_sound: str  # what all other sound becomes
    flips: bool  # holds a rotation flag
    live: dict[str, str] = field(default_factory=dict)  # without these a file that was cut off has no index


_KINDS = {
    ".mov": _Kind(
        container="mov",
        codec="prores_ks",
        options={"profile": "4444", "vendor": "apl0", "alpha_bits": "16"},
        straight="yuva444p10le",
        opaque="yuv444p10le",
        odd="yuv444p10le",
        sound=("aac", "alac", "mp3", "ac3", "pcm_s16le", "pcm_s24le"),
        other_sound="aac",
        flips=True,
        live=_IN_PIECES,
    ),
    ".webm": _Kind(
        container="webm",
        codec="libvpx-vp9",
        # auto-alt-ref off: libvpx drops the alpha of alternate reference frames
        options={
            "crf": "24",
            "b": "0",
            "deadline": "realtime",
            "cpu-used": "6",
            "row-mt": "1",
            "auto-alt-ref": "0",
        },
        straight="yuva420p",
        opaque="yuv420p",
        odd="yuv420p",
        sound=("opus", "vorbis"),
        other_sound="libopus",
        flips=False,
    ),
    ".mp4": _Kind(
        container="mp4",
        codec="libx264",
        # no B-frames: they need an edit list for the same times, which some players ignore
        options={"crf": "18", "preset": "veryfast", "bf": "0"},
        straight="",
        opaque="yuv420p",
        odd="yuv444p",
        sound=("aac", "mp3", "ac3", "alac"),
        other_sound="aac",
        flips=True,
        live=_IN_PIECES,
    ),
}


class VideoWriter:
    """A video whose frames have exactly the times of the pictures, as far as the container can.

    .mov and .mp4 keep the input's time base and rotation flag; .webm counts in milliseconds and
    has no flag, so its pictures are stored upright.
    live: what was written before a failure can be played.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], clip: Clip, content: Content, *, live: bool = False
    ) -> None:
        self.path = path
        self._kind = _KINDS[path.suffix.lower()]
        self._content = content
        self._time_base = clip.time_base
        self._duration = max(round(1 / clip.rate / clip.time_base), 1)
        self._rotation = clip.rotation if self._kind.flips else 0
        self._end_pts = None if clip.end_s is None else round(clip.end_s / clip.time_base)
        self._held: VideoFrame | None = None  # until its duration is known
        self._whole = clip.frames is None
        self._sound_end_s = float("inf")
        self._partial = PartialFile(path)
        self._sound: SoundTrack | None = None
        try:
            options = self._kind.live if live else {}
            self._container = av.open(self._partial.file, "w", self._kind.container, options)
            self._stream = self._open_stream(size, clip)
            if clip.sound is not None and content is not Content.ALPHA:
                self._sound = SoundTrack(
                    clip, self._container, path, self._kind.sound, self._kind.other_sound
                )
            self._container.start_encoding()
        except BaseException as error:
            self.discard()
            if isinstance(error, (av.FFmpegError, ValueError)):
                raise self._failed(error) from error
            raise

    def _open_stream(self, size: tuple[int, int], clip: Clip) -> av.VideoStream:
        width, height = size if self._rotation % 180 == 0 else (size[1], size[0])
        stream = self._container.add_stream(self._kind.codec, rate=clip.rate, options=self._kind.options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width, height
        odd = width % 2 or height % 2
        straight = self._content is Content.STRAIGHT
        stream.pix_fmt = self._kind.straight if straight else self._kind.odd if odd else self._kind.opaque
        context = stream.codec_context
        context.time_base = clip.time_base
        stream.time_base = clip.time_base
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = ColorRange.MPEG
        context.sample_aspect_ratio = clip.pixel_aspect
        context.thread_type = "AUTO"
        context.flags |= Flags.frame_duration  # else the last picture lasts one over the mean rate
        if self._rotation:
            stream.set_display_rotation(self._rotation)
        return stream

    def write(self, picture: Picture) -> None:
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(self._stored(picture)), format=self._pixels())
        frame = frame.reformat(
            format=self._stream.pix_fmt,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.color_primaries = frame.color_trc = _BT709  # ProRes takes them from here alone
        frame.time_base = self._time_base
        frame.pts = self._pts(picture.time_ns)
        held, self._held = self._held, frame
        if held is not None:
            self._encode(held, until_pts=frame.pts)
        if self._sound is not None:
            self._sound.until(picture.time_ns / 1e9)

    def finish(self) -> None:
        if self._held is not None:
            self._encode(self._held, until_pts=self._end_pts)
        try:
            self._container.mux(self._stream.encode(None))
            if self._sound is not None:  # says itself what goes wrong
                self._sound.finish(self._sound_end_s)
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from error
        self._close_sound()
        self._partial.publish()

    def _encode(self, frame: VideoFrame, until_pts: int | None) -> None:
        assert frame.pts is not None
        lasts = self._duration if until_pts is None else until_pts - frame.pts
        frame.duration = lasts if lasts > 0 else self._duration
        if not self._whole:
            self._sound_end_s = float((frame.pts + frame.duration) * self._time_base)
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def keep(self) -> Path | None:
        self._close_sound()
        return self._partial.keep()

    def discard(self) -> None:
        self._close_sound()
        self._partial.discard()

    def _close_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()
            self._sound = None

    def _pixels(self) -> str:
        return {Content.STRAIGHT: "rgba", Content.OPAQUE: "rgb24", Content.ALPHA: "rgb24"}[self._content]

    def _stored(self, picture: Picture) -> U8:
        """The picture as it lies in the file: a player turns it by the flag."""
        if self._content is Content.STRAIGHT:
            pixels = rgba_of(picture)
        elif self._content is Content.ALPHA:
            pixels = np.repeat(alpha_of(picture)[..., None], 3, axis=2)
        else:
            pixels = opaque_of(picture)
        return np.rot90(pixels, -self._rotation // 90)

    def _pts(self, time_ns: int) -> int:
        pts = round(Fraction(time_ns, 1_000_000_000) / self._time_base)
        if self._held is not None and self._held.pts is not None:
            pts = max(pts, self._held.pts + 1)  # muxers refuse two pictures at one time
        return pts

    def _failed(self, error: Exception) -> MediaError:
        reason = getattr(error, "strerror", None) or str(error)
        return MediaError(f"cannot write {self.path} ({self._kind.codec}): {reason}")
