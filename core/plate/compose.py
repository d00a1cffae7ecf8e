"""The plate as one frame sees it: the parts of the views that cover the frame, warped and blended."""

from __future__ import annotations

import cv2
import numpy as np

from core.align.geometry import oriented
from core.plate.seams import Part, parts_of
from core.types import F64, U8, Plate

_LEAST_SHARE = 64  # of 255, all views together; less is the edge of what was seen


def compose_views(plate: Plate, H: F64, frame_size: tuple[int, int]) -> tuple[U8, U8]:
    """The empty room in a frame's pixels and where it is known.

    The frame may be a reduced one: what is warped is reduced first.
    Args:
        plate: one view or many.
        H: float64 3x3, plate to frame pixels.
        frame_size: (width, height).
    Returns:
        uint8 HxWx3, black where unknown; uint8 HxW coverage, 255 known, 0 unknown.
    """
    first = plate.views[0]
    if (
        len(plate.views) == 1
        and first.rgb.shape[1::-1] == frame_size
        and np.allclose(H, np.eye(3), atol=1e-9)
    ):
        known = np.full(first.rgb.shape[:2], 255, np.uint8) if first.coverage is None else first.coverage
        return first.rgb, np.asarray(cv2.threshold(known, 254, 255, cv2.THRESH_BINARY)[1], np.uint8)
    width, height = frame_size
    picture, total = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    for part in parts_of(plate):
        box = _box_in_frame(part, H, frame_size)
        if box is not None:
            _lay_over(picture, total, part, H, box)
    return picture, np.asarray(cv2.threshold(total, _LEAST_SHARE - 1, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _box_in_frame(part: Part, H: F64, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The part's bounds in the frame, x0 y0 x1 y1; None where it is not in the frame."""
    height, width = part.packed.shape[:2]
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [width - 1, height - 1, 1], [0, height - 1, 1.0]])
    x, y, depth = oriented(H @ part.plate_from_part) @ corners.T
    if depth.mean() <= 1e-6:  # that of its middle: a part behind the camera would be seen mirrored
        return None
    if (depth <= 1e-6).any():  # it reaches behind the camera: anywhere in the frame
        return 0, 0, *size
    x0, x1 = np.clip([np.floor((x / depth).min()), np.ceil((x / depth).max()) + 1], 0, size[0]).astype(int)
    y0, y1 = np.clip([np.floor((y / depth).min()), np.ceil((y / depth).max()) + 1], 0, size[1]).astype(int)
    return (int(x0), int(y0), int(x1), int(y1)) if x0 < x1 and y0 < y1 else None


def _lay_over(picture: U8, total: U8, part: Part, H: F64, box: tuple[int, int, int, int]) -> None:
    """Adds a part: alone where nothing lies yet, mixed by the shares where something does.

    picture: uint8 HxWx3 and total: uint8 HxW, the shares so far; both are written to inside box.
    """
    x0, y0, x1, y1 = box
    scale = float(np.sqrt(abs(np.linalg.det((H @ part.plate_from_part)[:2, :2] / H[2, 2]))))
    packed, plate_from_this = part.at_scale(scale)
    to_box = np.array([[1.0, 0, -x0], [0, 1, -y0], [0, 0, 1]])
    warped = cv2.warpPerspective(
        packed, to_box @ H @ plate_from_this, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR
    )
    rgb, share = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), cv2.extractChannel(warped, 3)
    here, taken = picture[y0:y1, x0:x1], total[y0:y1, x0:x1]
    bx, by, bw, bh = cv2.boundingRect(cv2.min(share, taken))
    mixed = None
    band = np.s_[by : by + bh, bx : bx + bw]
    if bw:
        mixed = cv2.blendLinear(
            here[band], rgb[band], taken[band].astype(np.float32), share[band].astype(np.float32)
        )
    cv2.copyTo(rgb, share, here)
    if mixed is not None:
        here[band] = mixed
    cv2.add(taken, share, dst=taken)
