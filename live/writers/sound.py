"""The input's sound beside the new pictures: carried over as it is, or encoded anew."""

from __future__ import annotations

from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

_OPUS_RATE = 48000  # the only one libopus takes besides its fractions


class SoundTrack:
    """Brings the first sound track of a file, which must have one, into a container being written.

    kept: codecs whose packets go over unchanged; all other sound becomes `other`.
    Raises:
        av.FFmpegError: from any method: not readable, or the container does not take it.
    """

    def __init__(self, path: Path, into: OutputContainer, kept: tuple[str, ...], other: str) -> None:
        self._into = into
        self._input = av.open(str(path))
        source = self._input.streams.audio[0]
        self._copied = source.codec_context.codec.canonical_name in kept
        if self._copied:
            self._stream = into.add_stream_from_template(source)
        else:
            rate = _OPUS_RATE if other == "libopus" else source.codec_context.sample_rate
            stream = into.add_stream(other, rate=rate)
            assert isinstance(stream, AudioStream)
            stream.layout = source.codec_context.layout.name
            self._stream = stream
        self._resampler: av.AudioResampler | None = None
        self._packets = self._input.demux(source)
        self._ahead = next(self._packets, None)

    def until(self, time_s: float) -> None:
        """Writes what sounds up to this time; all with infinity, and then also the encoder's rest."""
        while self._ahead is not None and self._ahead_s() <= time_s:
            packet, self._ahead = self._ahead, next(self._packets, None)
            if not self._copied:
                for frame in packet.decode():
                    self._encode(frame)
            elif packet.dts is not None:  # not the empty packet that ends a file
                packet.stream = self._stream
                self._into.mux(packet)
        if time_s == float("inf") and self._resampler is not None:
            self._encode(None)

    def close(self) -> None:
        """Safe to call twice."""
        self._input.close()

    def _ahead_s(self) -> float:
        """When the next packet sounds; the empty one at the end of a file comes at once."""
        packet = self._ahead
        if packet is None or packet.dts is None or packet.time_base is None:
            return float("-inf")
        return float(packet.dts * packet.time_base)

    def _encode(self, frame: AudioFrame | None) -> None:
        if self._resampler is None:  # the encoder knows its frame size only now that it is open
            wanted = self._stream.codec_context
            self._resampler = av.AudioResampler(
                wanted.format.name, wanted.layout.name, wanted.sample_rate, wanted.frame_size or None
            )
        for piece in self._resampler.resample(frame):
            self._into.mux(self._stream.encode(piece))
        if frame is None:
            self._into.mux(self._stream.encode(None))
