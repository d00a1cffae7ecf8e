"""The input's sound beside the new pictures: carried over as it is, or encoded anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.codec.codec import Codec
from av.container import OutputContainer
from av.packet import Packet

from core.errors import MediaError
from live.media import Clip

log = logging.getLogger(__name__)

_LAYOUTS = {  # by the count of channels; libopus takes no other than these
    "libopus": ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"),
    "aac": ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1", "2.1", "quad"),
}
_MOST_CHANNELS = 8
_OPUS_RATE = 48000  # the only one libopus takes besides its fractions


class SoundTrack:
    """Brings the first sound track of a clip's file, which must have one, into a container being written.

    kept: codecs whose packets go over unchanged; all other sound becomes `other`, without the packets
    that cannot be decoded: `finish` says how many. Of an excerpt no packet that begins before it is written.
    Raises:
        MediaError: from any method: not readable, or the container does not take it.
    """

    def __init__(
        self, clip: Clip, into: OutputContainer, result: Path, kept: tuple[str, ...], other: str
    ) -> None:
        assert clip.sound is not None
        self._path, self._into, self._result = clip.sound, into, result
        self._starts_s = clip.starts_s
        self._whole = clip.frames is None
        self._codec = other
        self._skipped = 0
        self._resampler: av.AudioResampler | None = None
        with self._told():
            self._input = av.open(str(self._path.absolute()))  # FFmpeg takes "10:30.mp4" for a protocol
        try:
            with self._told():
                self._open_stream(kept)
        except BaseException:
            self._input.close()
            raise

    def _open_stream(self, kept: tuple[str, ...]) -> None:
        source = self._input.streams.audio[0]
        if source.codec_context is None:
            raise MediaError(
                f"the sound of {self._path} is of a kind that cannot be read; take it out first, e.g. with "
                f"ffmpeg -i {self._path.name} -c copy -an silent{self._path.suffix}"
            )
        codec = source.codec_context.codec.canonical_name
        self._copied = codec in kept
        if self._copied:
            self._codec = codec
            self._stream = self._into.add_stream_from_template(source)
        else:
            rate = _rate(self._codec, source.codec_context.sample_rate)
            stream = self._into.add_stream(self._codec, rate=rate)
            assert isinstance(stream, AudioStream)
            stream.layout = _layout(self._codec, source.codec_context.layout)
            stream.codec_context.open()  # here and not with the pictures' codec, so that the error is its own
            self._stream = stream
        self._packets = self._input.demux(source)
        self._ahead = self._next()

    def until(self, time_s: float) -> None:
        """Writes what begins to sound before this time."""
        with self._told():
            while self._ahead is not None and self._ahead_s() < time_s:
                packet, self._ahead = self._ahead, self._next()
                if not self._copied:
                    for frame in self._decoded(packet):
                        self._encode(frame)
                elif packet.dts is not None:  # not the empty packet that ends a file
                    packet.stream = self._stream
                    self._into.mux(packet)

    def finish(self, end_s: float = float("inf")) -> None:
        """Writes what begins before this time, and the encoder's rest."""
        self.until(end_s)
        with self._told():
            if self._resampler is not None:
                self._encode(None)
        if self._skipped:
            log.warning(
                "the sound of %s has damaged packets, %d, that cannot be read; %s goes on without them",
                self._path,
                self._skipped,
                self._result,
            )

    def close(self) -> None:
        """Safe to call twice."""
        self._input.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Says of a failure that it is the sound's: the same sentence about pictures misleads."""
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:  # ValueError: its kind changes on the way
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(
                f"cannot write {self._result}: the sound of {self._path} ({self._codec}): {reason}"
            ) from error

    def _next(self) -> Packet[AudioStream] | None:
        """The next packet, with its times counted like the pictures'."""
        for packet in self._packets:
            if packet.time_base is not None:
                shift = round(self._starts_s / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
            if self._whole or packet.dts is None or packet.dts >= 0:
                return packet
        return None

    def _ahead_s(self) -> float:
        """When the next packet sounds; the empty one at the end of a file comes at once."""
        packet = self._ahead
        if packet is None or packet.dts is None or packet.time_base is None:
            return float("-inf")
        return float(packet.dts * packet.time_base)

    def _decoded(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        """Nothing for a damaged packet: a film is worth more than 20 ms of its sound."""
        try:
            return packet.decode()
        except av.FFmpegError:
            self._skipped += 1
            return []

    def _encode(self, frame: AudioFrame | None) -> None:
        if self._resampler is None:
            wanted = self._stream.codec_context
            self._resampler = av.AudioResampler(
                wanted.format.name, wanted.layout.name, wanted.sample_rate, wanted.frame_size or None
            )
        for piece in self._resampler.resample(frame):
            self._into.mux(self._stream.encode(piece))
        if frame is None:
            self._into.mux(self._stream.encode(None))


def _rate(codec: str, rate: int) -> int:
    """The rate to encode at: the input's, or the next below it that the encoder takes."""
    if codec == "libopus":
        return _OPUS_RATE
    allowed = Codec(codec, "w").audio_rates or [rate]
    return max((one for one in allowed if one <= rate), default=min(allowed))


def _layout(codec: str, layout: AudioLayout) -> str:
    """The layout to encode in: as many channels, else stereo. 5.1(side), as in DVDs, becomes 5.1."""
    layouts = _LAYOUTS[codec]
    if layout.name in layouts:
        return layout.name
    return layouts[layout.nb_channels - 1] if layout.nb_channels <= _MOST_CHANNELS else "stereo"
