"""Colours of films: HDR and BT.2020 as they are meant, and what a film that does not say is taken for."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from core.errors import MediaError
from core.types import U8
from live.sources.colour import ToRgb
from live.sources.video import VideoSource

WHITE_CD = 203  # per m², BT.2408
PEAK_CD = 1000  # of an HLG screen
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
LINEAR_2020_FROM_709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]  # BT.2087
)
Codes = npt.NDArray[np.float64]


def hlg_of(rgb_709: tuple[int, int, int]) -> Codes:
    """HLG code values, 0..1, that a screen shows as a BT.709 colour, white at WHITE_CD. Source: BT.2100."""
    shown = LINEAR_2020_FROM_709 @ (np.array(rgb_709) / 255) ** 2.4 * WHITE_CD / PEAK_CD
    scene = shown * (LUMA_2020 @ shown) ** (1 / 1.2 - 1)
    curve = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), curve)


def ten_bit(patches: list[Codes]) -> VideoFrame:
    """Patches of 16x16 in a row: BT.2020's matrix, limited range, yuv444p10le."""
    frame = VideoFrame(16 * len(patches), 16, "yuv444p10le")
    rgb = np.repeat(np.array(patches), 16, axis=0)
    luma = rgb @ LUMA_2020
    blue, red = (rgb[:, 2] - luma) / 1.8814, (rgb[:, 0] - luma) / 1.4746
    for plane, codes in zip(frame.planes, (64 + 876 * luma, 512 + 896 * blue, 512 + 896 * red), strict=True):
        row = np.zeros(plane.line_size // 2, np.uint16)
        row[: frame.width] = np.round(codes)
        plane.update(np.tile(row, frame.height).tobytes())
    frame.colorspace, frame.color_range = Colorspace.BT2020, ColorRange.MPEG
    return frame


def test_an_hlg_film_has_its_whites_white_and_its_colours_those_of_bt709(tmp_path: Path) -> None:
    wanted = [(255, 255, 255), (128, 128, 128), (224, 172, 140), (200, 60, 40)]
    frame = ten_bit([hlg_of(rgb) for rgb in wanted])
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        context = stream.codec_context
        context.color_trc, context.color_primaries = ColorTrc.ARIB_STD_B67, ColorPrimaries.BT2020
        context.colorspace, context.color_range = Colorspace.BT2020, ColorRange.MPEG
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = VideoSource(tmp_path / "a.mkv")
    read = source.read()
    source.close()
    assert read is not None
    assert "HDR (HLG)" in source.name
    got = [read.rgb[8, 16 * index + 8] for index in range(len(wanted))]
    assert np.abs(np.array(got, int) - wanted).max() <= 5  # the table's steps; the matrix alone: 64 too dark


class Asked:
    """A reformatter that only says which conversion it was asked for: a real table takes seconds to make."""

    def __init__(self) -> None:
        self.to: list[tuple[int | None, int | None]] = []

    def reformat(
        self, frame: VideoFrame, format: str, dst_color_trc: int | None, dst_color_primaries: int | None
    ) -> VideoFrame:
        self.to.append((dst_color_trc, dst_color_primaries))
        return VideoFrame(frame.width, frame.height, format)


@pytest.mark.parametrize(
    ("trc", "primaries", "converted"),
    [
        (ColorTrc.SMPTE2084, ColorPrimaries.BT2020, True),
        (ColorTrc.ARIB_STD_B67, ColorPrimaries.UNSPECIFIED, True),
        (ColorTrc.ARIB_STD_B67, 0, True),
        (0, ColorPrimaries.BT2020, True),
        (ColorTrc.BT2020_10, ColorPrimaries.BT2020, True),
        (ColorTrc.BT709, ColorPrimaries.BT709, False),
        (ColorTrc.UNSPECIFIED, ColorPrimaries.UNSPECIFIED, False),
        (ColorTrc.SMPTE170M, ColorPrimaries.SMPTE170M, False),
    ],
)
def test_what_is_hdr_or_bt2020_is_brought_to_bt709(trc: int, primaries: int, converted: bool) -> None:
    frame = ten_bit([np.full(3, 0.5)])
    frame.color_trc, frame.color_primaries = trc, primaries
    to_rgb, asked = ToRgb(), Asked()
    to_rgb._reformatter = asked  # type: ignore[assignment]
    to_rgb(frame)
    assert asked.to == [(ColorTrc.BT709, ColorPrimaries.BT709) if converted else (None, None)]
    if converted:  # swscale refuses to convert from what is unspecified or reserved
        assert {frame.color_trc, frame.color_primaries}.isdisjoint({0, 2})


def untagged(size: tuple[int, int], matrix: Colorspace, unsaid: int) -> U8:
    """What a picture of one colour, stored with this matrix and without a word of it, is read as."""
    rgb = np.full((size[1], size[0], 3), (200, 60, 40), np.uint8)
    frame = VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG
    )
    frame.colorspace = unsaid
    return ToRgb()(frame)[size[1] // 2, size[0] // 2]


@pytest.mark.parametrize("unsaid", [2, 3])  # unspecified, reserved
@pytest.mark.parametrize(
    ("size", "matrix"),
    [
        ((64, 48), Colorspace.ITU601),
        ((640, 480), Colorspace.ITU601),
        ((720, 576), Colorspace.ITU601),
        ((1280, 720), Colorspace.ITU709),
        ((1280, 536), Colorspace.ITU709),
        ((720, 1280), Colorspace.ITU709),
    ],
)
def test_a_film_that_does_not_say_is_bt709_from_720_lines_on(
    size: tuple[int, int], matrix: Colorspace, unsaid: int
) -> None:
    assert np.abs(untagged(size, matrix, unsaid).astype(int) - (200, 60, 40)).max() <= 3


def test_colours_that_cannot_be_read_are_refused_with_a_way_out() -> None:
    frame = ten_bit([np.full(3, 0.5)])
    frame.colorspace = 14  # ICtCp
    with pytest.raises(MediaError, match=r"matrix 14 in FFmpeg's list.*zscale"):
        ToRgb()(frame)
