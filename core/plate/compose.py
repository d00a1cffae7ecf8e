"""The plate as one frame sees it: the views that cover the frame, warped and blended without seams."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from core.types import F64, U8, Plate, View

MAX_VIEWS = 3  # a frame of a sweep lies on two views, at a corner of four on three worth taking
FEATHER = 0.10  # of a view's width: how far from its border a view fades
_DISAGREE_LEVELS = 8.0  # at which a fade becomes half as wide: a step is better than a ghost
_STEEP = 3.0  # the fade takes a third of the feather, so that where both know equally the nearer one shows
_POOR = 100  # say below which another view is asked
_SLIVER = 0.004  # of the frame


def compose_views(plate: Plate, H: F64, frame_size: tuple[int, int]) -> tuple[U8, U8]:
    """The empty room in a frame's pixels and where it is known.

    Args:
        plate: one view or many.
        H: float64 3x3, plate to frame pixels.
        frame_size: (width, height).
    Returns:
        uint8 HxWx3, black where unknown; uint8 HxW coverage, 255 known, 0 unknown.
    """
    nearest, *others = _nearest_views(plate, H, frame_size)
    picture, say = _warped(nearest, H, frame_size)
    taken = 1
    for view in others:
        if taken == MAX_VIEWS or not _adds(view, H, say):
            continue
        other, other_say = _warped(view, H, frame_size)
        picture = _blended(picture, say, other, other_say)
        say = np.asarray(cv2.max(say, other_say), np.uint8)
        taken += 1
    return picture, np.asarray(cv2.threshold(say, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _adds(view: View, H: F64, say: U8) -> bool:
    """Whether a view knows better than what is taken already, in more than a sliver of the frame."""
    eighth = np.diag([0.125, 0.125, 1.0])
    size = (max(1, say.shape[1] // 8), max(1, say.shape[0] // 8))
    small = cv2.resize(_say(view), None, fx=0.125, fy=0.125, interpolation=cv2.INTER_NEAREST)
    there = cv2.warpPerspective(small, eighth @ H @ view.plate_from_view @ np.linalg.inv(eighth), size)
    here = cv2.resize(say, size, interpolation=cv2.INTER_NEAREST)
    better = (there > here) & (here < _POOR)
    return float(better.mean()) > _SLIVER


def _nearest_views(plate: Plate, H: F64, frame_size: tuple[int, int]) -> list[View]:
    """The views, the one whose middle is nearest to the frame's first."""
    if len(plate.views) == 1:
        return list(plate.views)
    centre = np.array([(frame_size[0] - 1) / 2, (frame_size[1] - 1) / 2, 1.0])

    def off_centre(view: View) -> float:
        x, y, depth = np.linalg.inv(H @ view.plate_from_view) @ centre
        height, width = view.rgb.shape[:2]
        return float(np.hypot(x / depth - width / 2, y / depth - height / 2)) if depth > 1e-9 else np.inf

    return sorted(plate.views, key=off_centre)


def _warped(view: View, H: F64, size: tuple[int, int]) -> tuple[U8, U8]:
    """A view in the frame, and its say there: uint8 HxW, 0 unknown, 255 away from its borders."""
    frame_from_view = H @ view.plate_from_view
    frame_from_view = frame_from_view / frame_from_view[2, 2]
    if view.rgb.shape[1::-1] == size and np.allclose(frame_from_view, np.eye(3), atol=1e-9):
        return view.rgb, _say(view)
    picture = cv2.warpPerspective(view.rgb, frame_from_view, size, flags=cv2.INTER_LINEAR)
    say = cv2.warpPerspective(_say(view), frame_from_view, size, flags=cv2.INTER_LINEAR)
    return np.asarray(picture, np.uint8), np.asarray(say, np.uint8)


@lru_cache(maxsize=64)
def _say(view: View) -> U8:
    """0 where the view knows nothing, rising from its borders to 255."""
    height, width = view.rgb.shape[:2]
    known = np.full((height, width), 255, np.uint8) if view.coverage is None else view.coverage
    _, known = cv2.threshold(known, 254, 255, cv2.THRESH_BINARY)
    framed = cv2.copyMakeBorder(known, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    risen = np.clip((depth - 0.5) * (254.0 / (FEATHER * width)), 0, 254)
    # From 1 up inside: a warped pixel that rounds to 0 touched the unknown.
    return np.where(known > 0, 1 + risen, 0).astype(np.uint8)


def _blended(near: U8, near_say: U8, far: U8, far_say: U8) -> U8:
    """Near where it has its full say, far where near has none, a fade between; narrow where they differ.

    The fade is worked out at a quarter of the size: it is smooth, and this is done for every frame.
    """
    height, width = near_say.shape
    quarter = (max(1, width // 4), max(1, height // 4))
    small_near = cv2.resize(near, quarter, interpolation=cv2.INTER_NEAREST)
    small_far = cv2.resize(far, quarter, interpolation=cv2.INTER_NEAREST)
    apart = cv2.blur(cv2.cvtColor(cv2.absdiff(small_near, small_far), cv2.COLOR_RGB2GRAY), (7, 7))
    a = cv2.resize(near_say, quarter, interpolation=cv2.INTER_NEAREST).astype(np.float32)
    b = cv2.resize(far_say, quarter, interpolation=cv2.INTER_NEAREST) * (1 - a / 255)
    steep = _STEEP * (1 + apart / np.float32(_DISAGREE_LEVELS))
    share = (a / (a + b + 1e-3) - 0.5) * steep + 0.5
    share_u8 = np.clip(share * 255, 0, 255).astype(np.uint8)
    share_u8 = np.asarray(cv2.resize(share_u8, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    share_u8[far_say == 0] = 255  # the coarse fade spills over a view's border by a pixel or two
    share_u8[near_say == 0] = 0
    mixed = near.copy()
    cv2.copyTo(far, cv2.compare(share_u8, 0, cv2.CMP_EQ), mixed)
    fading = np.flatnonzero((share_u8 > 0) & (share_u8 < 255))
    weight = share_u8.ravel()[fading, None] * np.float32(1 / 255)
    from_near, from_far = near.reshape(-1, 3)[fading], far.reshape(-1, 3)[fading]
    mixed.reshape(-1, 3)[fading] = from_far + weight * (from_near.astype(np.float32) - from_far) + 0.5
    return mixed
