"""The input's sound in a result: made fit for the encoder, past damaged packets, and named when it fails."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from core.errors import MediaError
from live.media import Clip
from tests.live.clips import NTSC, make_clip, read_back
from tests.live.test_writers import SIZE, pictures, steady, store

LENGTH_S = 0.5


def tone(path: Path, codec: str, layout: str, rate: int) -> Path:
    """Half a second at 440 Hz in the first channel, silence in the others."""
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(track, AudioStream)
        context = track.codec_context
        channels = context.layout.nb_channels
        samples = np.zeros((round(LENGTH_S * rate), channels), np.float32)
        samples[:, 0] = 0.3 * np.sin(np.arange(len(samples)) * (2 * np.pi * 440 / rate))
        whole = AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
        whole.sample_rate, whole.pts = rate, 0
        resampler = av.AudioResampler(context.format.name, layout, rate, context.frame_size or None)
        for piece in [*resampler.resample(whole), *resampler.resample(None)]:
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    return path


def with_sound(path: Path, sound: Path, frames: int = 15) -> None:
    store(path, pictures(SIZE, steady(frames), straight=False), Clip(NTSC, 1 / NTSC, sound=sound))


def heard(path: Path) -> list[AudioFrame]:
    with av.open(str(path)) as container:
        return [frame for frame in container.decode(audio=0) if isinstance(frame, AudioFrame)]


@pytest.mark.parametrize(
    ("sound", "codec", "layout", "rate", "result", "becomes"),
    [
        ("s.mkv", "ac3", "5.1(side)", 48000, "r.webm", ("5.1", 48000)),
        ("s.wav", "pcm_s16le", "octagonal", 48000, "r.webm", ("7.1", 48000)),
        ("s.wav", "pcm_s16le", "2.1", 44100, "r.mp4", ("2.1", 44100)),
        ("s.wav", "pcm_s24le", "stereo", 192000, "r.mp4", ("stereo", 96000)),
        ("s.wav", "pcm_s24le", "mono", 50000, "r.mp4", ("mono", 48000)),
        ("s.wav", "pcm_s24le", "stereo", 192000, "r.webm", ("stereo", 48000)),
    ],
)
def test_layout_and_rate_become_what_the_encoder_takes(
    tmp_path: Path, sound: str, codec: str, layout: str, rate: int, result: str, becomes: tuple[str, int]
) -> None:
    with_sound(tmp_path / result, tone(tmp_path / sound, codec, layout, rate))
    frames = heard(tmp_path / result)
    assert (frames[0].layout.name, frames[0].sample_rate) == becomes
    assert sum(frame.samples for frame in frames) / frames[0].sample_rate == pytest.approx(LENGTH_S, abs=0.06)
    packed = av.AudioResampler("flt").resample(frames[len(frames) // 2])[0]
    assert np.abs(packed.to_ndarray()).max() > 0.1  # the tone is still in it


def damaged(path: Path, packets: range) -> Path:
    """A clip of a second whose AAC packets of these numbers are filled with ones."""
    make_clip(path, frames=30, sound="aac")
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number in packets:
        at, size = places[number]
        assert at is not None
        data[at : at + size] = b"\xff" * size
    path.write_bytes(data)
    return path


def test_damaged_packets_are_left_out_and_told_and_what_follows_keeps_its_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = damaged(tmp_path / "s.mp4", range(20, 24))
    with caplog.at_level(logging.WARNING):
        with_sound(tmp_path / "r.webm", sound, frames=30)
    told = [record.getMessage() for record in caplog.records if record.name == "live.writers.sound"]
    assert len(told) == 1
    assert told[0].startswith(f"the sound of {sound} has damaged packets, 4, that cannot be read")
    assert len(read_back(tmp_path / "r.webm").times) == 30
    last = heard(tmp_path / "r.webm")[-1]
    assert last.time is not None
    assert last.time + last.samples / last.sample_rate == pytest.approx(30 / float(NTSC), abs=0.06)


def test_a_failure_of_the_sound_is_not_laid_on_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = tone(tmp_path / "s.wav", "pcm_s16le", "stereo", 192000)
    monkeypatch.setattr("live.writers.sound._rate", lambda codec, rate: rate)
    with pytest.raises(MediaError, match=r"cannot write .*r\.mp4: the sound of .*s\.wav \(aac\)"):
        with_sound(tmp_path / "r.mp4", sound)
    assert [path.name for path in tmp_path.iterdir()] == ["s.wav"]


def test_sound_of_an_unknown_kind_is_refused_before_the_work(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "s.mp4", sound="aac")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"mp4a", b"apac").replace(b"esds", b"free"))
    with pytest.raises(MediaError, match=r"the sound of .*s\.mp4 is of a kind that cannot be read"):
        with_sound(tmp_path / "r.mp4", path)
    assert [path.name for path in tmp_path.iterdir()] == ["s.mp4"]
