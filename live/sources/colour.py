"""The colours of a decoded picture as RGB of BT.709, in which everything here is, whatever the film has."""

from __future__ import annotations

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter

from core.errors import MediaError
from core.types import U8

_UNSAID = (2, 0)  # unspecified and reserved, in AVColorPrimaries and AVColorTransferCharacteristic
_NO_MATRIX = (2, 3)  # likewise in AVColorSpace, where 0 is RGB
_HDR = {int(ColorTrc.ARIB_STD_B67): "HLG", int(ColorTrc.SMPTE2084): "PQ"}
_HD_LINES, _HD_COLUMNS = 720, 1280  # from here on players take a film that does not say for BT.709


class ToRgb:
    """Brings pictures to RGB. Used by one thread at a time.

    HDR and BT.2020 go through a table from which reference white, 203 cd/m², comes out as white; what is
    brighter is cut off. To make it takes seconds: keep one ToRgb for as long as a film is played.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> U8:
        """uint8 HxWx3.

        Raises:
            MediaError: the colours are stored in a way that cannot be read.
        """
        matrix = frame.colorspace
        if matrix in _NO_MATRIX and not frame.format.is_rgb:
            frame.colorspace = Colorspace.ITU709 if _is_hd(frame) else Colorspace.ITU601
        wide = hdr_of(frame) is not None or frame.color_primaries == ColorPrimaries.BT2020
        if wide and frame.color_primaries in _UNSAID:
            frame.color_primaries = ColorPrimaries.BT2020
        if wide and frame.color_trc in _UNSAID:
            frame.color_trc = ColorTrc.BT709
        try:
            rgb = self._reformatter.reformat(
                frame,
                format="rgb24",
                dst_color_trc=ColorTrc.BT709 if wide else None,
                dst_color_primaries=ColorPrimaries.BT709 if wide else None,
            )
        except (av.FFmpegError, OSError) as error:
            raise MediaError(
                f"its colours are stored in a way that cannot be read (matrix {matrix} in FFmpeg's list); "
                "convert it first, e.g. with ffmpeg -i IN -vf zscale=matrix=709 OUT"
            ) from error
        return np.asarray(rgb.to_ndarray(), np.uint8)


def hdr_of(frame: VideoFrame) -> str | None:
    """The kind of HDR that a picture is in: HLG, PQ, or None."""
    return _HDR.get(frame.color_trc)


def _is_hd(frame: VideoFrame) -> bool:
    return frame.height >= _HD_LINES or frame.width >= _HD_COLUMNS
