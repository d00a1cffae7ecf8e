"""The input's sound beside the new pictures: carried over as it is, or encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import OutputContainer

_OPUS_RATE = 48000


class SoundTrack:
    """Brings the first sound track of a file into a container that is being written.

    kept: codecs whose packets go over unchanged; all other sound becomes `other`.
    A file without sound is silent; one that cannot be opened raises av.FFmpegError.
    """

    def __init__(self, path: Path, into: OutputContainer, kept: tuple[str, ...], other: str) -> None:
        self._into = into
        self._input = av.open(str(path))
        self._packets: Iterator[av.Packet] = iter(())
        self._ahead: av.Packet | None = None
        if not self._input.streams.audio:
            return
        source = self._input.streams.audio[0]
        self._copied = source.codec_context.name in kept
        if self._copied:
            self._stream = into.add_stream_from_template(source)
        else:
            rate = _OPUS_RATE if other == "libopus" else source.codec_context.sample_rate
            self._stream = into.add_stream(other, rate=rate, layout=source.codec_context.layout.name)
        self._resampler: av.AudioResampler | None = None
        self._packets = self._input.demux(source)
        self._ahead = next(self._packets, None)

    def until(self, time_s: float) -> None:
        """Writes what sounds up to this time; all with infinity, and then also the encoder's rest."""
        while self._ahead is not None and _starts_s(self._ahead) <= time_s:
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
        self._input.close()

    def _encode(self, frame: av.AudioFrame | None) -> None:
        context = self._stream.codec_context
        assert isinstance(context, AudioCodecContext)
        if self._resampler is None:
            self._into.start_encoding()  # opens the encoder, which only then knows its frame size
            self._resampler = av.AudioResampler(
                context.format.name, context.layout.name, context.sample_rate, context.frame_size or None
            )
        for piece in self._resampler.resample(frame):
            self._into.mux(context.encode(piece))
        if frame is None:
            self._into.mux(context.encode(None))


def _starts_s(packet: av.Packet) -> float:
    """When a packet sounds; the empty packet at the end of a file comes at once."""
    at = packet.dts if packet.dts is not None else packet.pts
    return -1.0 if at is None or packet.time_base is None else float(at * packet.time_base)
