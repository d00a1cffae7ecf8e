"""Small videos made for tests, and what can be read back from a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from core.types import U8

SOUND_RATE = 48000
NTSC = Fraction(30000, 1001)


def scene(size: tuple[int, int], index: int) -> U8:
    """A picture whose corners and brightness tell which way is up and which frame it is."""
    width, height = size
    rgb = np.full((height, width, 3), (200, 40, 30), np.uint8)
    rgb[: height // 4, : width // 4] = (20, 30, 220)
    rgb[height - height // 4 :, :] = 40 + 15 * (index % 14)
    return rgb


def make_clip(
    path: Path,
    *,
    size: tuple[int, int] = (64, 48),
    frames: int = 8,
    rate: Fraction = NTSC,
    time_base: Fraction | None = None,
    pts: Sequence[int] | None = None,
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    sound: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a clip; pts count in time_base (default 1/rate). Moov first, so that it can be cut off."""
    time_base = time_base or 1 / rate
    faststart = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=faststart) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = time_base
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(rotation)
        track = container.add_stream(sound, rate=SOUND_RATE, layout="stereo") if sound else None
        assert track is None or isinstance(track, AudioStream)
        for index in range(frames):
            frame = VideoFrame.from_ndarray(scene(size, index), format="rgb24")
            frame.pts, frame.time_base = (pts[index] if pts else index), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            add_tone(container, track, float(frames / rate))
    return path


def add_tone(container: av.container.OutputContainer, track: AudioStream, seconds: float) -> None:
    context = track.codec_context
    wave = np.sin(np.arange(round(seconds * SOUND_RATE)) * (2 * np.pi * 440 / SOUND_RATE))
    samples = np.repeat((wave * 8000).astype(np.int16), 2)[None]
    whole = AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
    whole.sample_rate, whole.pts = SOUND_RATE, 0
    resampler = av.AudioResampler(context.format.name, "stereo", SOUND_RATE, context.frame_size or None)
    for piece in [*resampler.resample(whole), *resampler.resample(None)]:
        container.mux(track.encode(piece))
    container.mux(track.encode(None))


@dataclass(frozen=True)
class Read:
    """What a decoder says of a clip. pictures: as stored, not turned. times: exact, s."""

    times: list[Fraction]
    pictures: list[U8]
    alphas: list[U8]
    rotation: int
    average_rate: Fraction | None
    sound: str | None
    sound_s: float


def read_back(path: Path) -> Read:
    """Decodes a clip whole. VP9 goes through libvpx, the decoder that knows of its alpha."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        vp9 = stream.codec_context.name.endswith("vp9")
        decoder = av.CodecContext.create("libvpx-vp9", "r") if vp9 else stream.codec_context
        frames: list[VideoFrame] = []
        for packet in container.demux(stream):
            frames += [
                f for f in decoder.decode(packet if packet.size else None) if isinstance(f, VideoFrame)
            ]
        assert stream.time_base is not None
        times = [(frame.pts or 0) * stream.time_base for frame in frames]
        rgba = [np.asarray(frame.to_ndarray(format="rgba"), np.uint8) for frame in frames]
        rate, rotation = stream.average_rate, frames[0].rotation % 360
    sound, sound_s = _sound_of(path)
    return Read(times, [p[..., :3] for p in rgba], [p[..., 3] for p in rgba], rotation, rate, sound, sound_s)


def _sound_of(path: Path) -> tuple[str | None, float]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None, 0.0
        track = container.streams.audio[0]
        name = track.codec_context.codec.canonical_name
        samples = sum(f.samples for f in container.decode(track) if isinstance(f, AudioFrame))
        return name, samples / track.codec_context.sample_rate
