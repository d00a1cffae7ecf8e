"""Where a matte shows the room in another light: somebody's shadow, taken for a part of them.

Who walks out of the picture leaves a shadow on large pieces of floor, and the network, which sees but a leg
of whoever casts it, takes all of that for a person. But what has the room's own pattern, only darker, is it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.matte.prior import disc
from core.types import F32, U8

SHRINKS = 2  # times: noise gone, boards and books still there
GLANCE = 8  # times, for a first look: a piece of LEAST_RADIUS is three pixels wide there
SHOWN = 32  # of 255, from which a matte shows something
LEAST_RADIUS = 0.025  # of the height: a gap in hair that shows the room's pattern is narrower
WINDOW = 0.046  # of the height, in which a pattern is compared
REACH = 0.065  # of the height, as far as the light that was found beside is taken for that of a pixel
LEAST_PATTERN = 2.5  # grey levels, one sigma: less is noise and JPEG
ALIKE = 0.75  # correlation of two patterns that are one
UNLIKE = 0.3  # and below which what is there is not the room, as black hair before dark chairs
AS_STRONG = 0.5  # by which a pattern's strength may be off from the light's: half of it is half there
LIGHT = (0.5, 1.1)  # frame over room; darker still, dark hair before shelves is one with them
ROUNDS = 8  # of going on from there
OFF, OFF_SHARE = 8, 0.1  # levels, and share of the level, by which a pixel may be off the room in that light
TINT = 0.25  # share by which that light may differ between colours
LEAST_GATHERED = 0.01  # share of the pixels near by that must be sure
COARSER = 4  # times, in which light is gathered: it changes softly
SOFT_PX = 2.0  # sigma of the cut


def shaded_room(frame: U8, room: U8, coverage: U8 | None, near: U8, rough: U8) -> U8 | None:
    """255 where a matte shows the room in another light, uint8 HxW; None where nowhere, as nearly always.

    A pattern is the room's where it correlates with the plate's and is as much weaker as the light is: what
    shows through hair is weaker than that. It is looked for in pieces too large for gaps in hair; from
    there on a pixel is the room that looks like it in the light that was found near by, and around which
    not another pattern is than the room's.

    frame, room: uint8 HxWx3, the plate aligned and lit like the frame. coverage: uint8 HxW, where it is
    known; None everywhere. near: uint8, 255 where somebody is near in the segmenter's eyes, and this is not
    looked for: dark hair looks like a shadow (see prior.near_people_small). rough: the matte so far. Both of
    any size.
    """
    height, width = frame.shape[:2]
    if not _much_is_shown(rough, near, (max(1, width // GLANCE), max(1, height // GLANCE))):
        return None
    size = max(1, width // SHRINKS), max(1, height // SHRINKS)
    near = np.maximum.accumulate(near[::-1])[::-1]  # and above: of a body that is seen the head may be missed
    may_be = cv2.bitwise_not(cv2.resize(np.ascontiguousarray(near), size, interpolation=cv2.INTER_NEAREST))
    shown = cv2.inRange(cv2.resize(rough, size, interpolation=cv2.INTER_AREA), SHOWN, 255)
    if coverage is not None:
        known = cv2.resize(coverage, size, interpolation=cv2.INTER_AREA)
        may_be = cv2.bitwise_and(may_be, cv2.inRange(known, 255, 255))
    piece = disc(LEAST_RADIUS * size[1])
    large = cv2.erode(cv2.bitwise_and(shown, may_be), piece)
    if not large.any():
        return None
    where = _around(large, round((LEAST_RADIUS + WINDOW + 2 * REACH) * size[1]))
    seen = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)[where]
    behind = cv2.resize(room, size, interpolation=cv2.INTER_AREA)[where]
    same, another = _compared(_grey(seen), _grey(behind), _odd(WINDOW * size[1]))
    may_be, shown = cv2.bitwise_and(may_be[where], cv2.bitwise_not(another)), shown[where]
    sure = cv2.bitwise_and(cv2.bitwise_and(same, shown), may_be)
    sure = cv2.morphologyEx(sure, cv2.MORPH_OPEN, piece)
    if not sure.any():
        return None
    whole = np.zeros(size[::-1], np.uint8)
    whole[where] = _spread(sure, seen, behind, may_be, shown, REACH * size[1])
    return cv2.GaussianBlur(
        cv2.resize(whole, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), SOFT_PX
    )


def without_shaded(alpha: U8, shaded: U8) -> U8:
    """A matte, uint8 of any size, that shows nothing of what `shaded_room` found."""
    if shaded.shape != alpha.shape:
        shaded = cv2.resize(shaded, alpha.shape[::-1], interpolation=cv2.INTER_AREA)
    return cv2.min(alpha, cv2.bitwise_not(shaded))


def _much_is_shown(rough: U8, near: U8, size: tuple[int, int]) -> bool:
    """Whether there may be a piece large enough, at a glance: nearly always there is none."""
    shown = cv2.inRange(cv2.resize(rough, size, interpolation=cv2.INTER_AREA), SHOWN, 255)
    far = cv2.bitwise_not(cv2.resize(near, size, interpolation=cv2.INTER_NEAREST))
    return bool(cv2.erode(cv2.bitwise_and(shown, far), np.ones((3, 3), np.uint8)).any())


def _around(pieces: U8, margin: int) -> tuple[slice, slice]:
    """Rows and columns of all that is not 0, with as much around."""
    x, y, width, height = cv2.boundingRect(pieces)
    return np.s_[max(0, y - margin) : y + height + margin, max(0, x - margin) : x + width + margin]


def _odd(px: float) -> int:
    return 2 * round(px / 2) + 1


def _grey(rgb: U8) -> F32:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)


def _compared(frame: F32, room: F32, side: int) -> tuple[U8, U8]:
    """255 where the window around a pixel, side x side, has the room's pattern, darker by as much as its
    light; and where it has nothing of the pattern that the room has there. In all that a window shows, or in
    what is finer than the edges of shadows."""
    light: F32 = np.divide(_mean(frame, side), cv2.max(_mean(room, side), 1.0), dtype=np.float32)
    fine = side // 2 | 1
    whole = _correlated(frame, room, light, side)
    detail = _correlated(frame - _mean(frame, fine), room - _mean(room, fine), light, side)
    same = (whole[0] | detail[0]) & (light > LIGHT[0]) & (light < LIGHT[1])
    return _mask(same), _mask(whole[1] & detail[1])


def _correlated(frame: F32, room: F32, light: F32, side: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a window's pattern is the room's, in that light; and where the room has one and it is not."""
    level, room_level = _mean(frame, side), _mean(room, side)
    strength = _mean(frame * frame, side) - level * level  # variances
    room_strength = _mean(room * room, side) - room_level * room_level
    common = _mean(frame * room, side) - level * room_level
    likeness = common * np.abs(common)  # of the sign of the correlation, and with its square
    both = np.maximum(strength, 0) * room_strength
    expected = light * room_strength  # of `common`, were the frame the room in that light
    patterned = room_strength > LEAST_PATTERN**2
    alike = (likeness > ALIKE**2 * both) & (np.abs(common - expected) < AS_STRONG * expected)
    return np.asarray(patterned & alike), np.asarray(patterned & (likeness < UNLIKE**2 * both))


def _mask(where: NDArray[np.bool_]) -> U8:
    return where.astype(np.uint8) * np.uint8(255)


def _mean(of: F32, side: int) -> F32:
    return np.asarray(cv2.blur(of, (side, side)), np.float32)


def _spread(sure: U8, frame: U8, room: U8, may_be: U8, shown: U8, reach_px: float) -> U8:
    """What is sure, and around it what looks like the room in the light there, from there on again: a plain
    wall beside the floor. Until nothing more of what is shown is added."""
    side = _odd(2 * reach_px)
    step, before = np.ones((side, side), np.uint8), -1
    for _ in range(ROUNDS):
        count = cv2.countNonZero(cv2.bitwise_and(sure, shown))
        if count == before:
            break
        before = count
        near = cv2.bitwise_and(cv2.dilate(sure, step), may_be)
        near = cv2.bitwise_and(near, _in_the_light_of(sure, frame, room, reach_px))
        sure = cv2.max(sure, cv2.morphologyEx(near, cv2.MORPH_OPEN, disc(1)))
    return sure


def _in_the_light_of(sure: U8, frame: U8, room: U8, reach_px: float) -> U8:
    """255 where a pixel looks like the room in the light that falls on what is sure near by."""
    size = frame.shape[1::-1]
    few = max(1, size[0] // COARSER), max(1, size[1] // COARSER)
    side = _odd(reach_px / COARSER)

    def gathered(of: U8) -> F32:
        held = cv2.resize(cv2.copyTo(of, sure), few, interpolation=cv2.INTER_AREA)
        return _mean(_mean(held.astype(np.float32), side), side)

    light = gathered(frame) / np.maximum(gathered(room), np.float32(1))
    colours = cv2.split(light)
    strongest = cv2.max(cv2.max(colours[0], colours[1]), colours[2])
    weakest = cv2.min(cv2.min(colours[0], colours[1]), colours[2])
    # What eats its way into a coat has that coat's colour; and of a few pixels the sums' rounding is left.
    known = (gathered(sure) > 255 * LEAST_GATHERED) & (strongest - weakest < TINT * strongest)
    known &= weakest > LIGHT[0]
    alike = cv2.resize(known.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_NEAREST)
    for seen, behind, shade in zip(cv2.split(frame), cv2.split(room), colours, strict=True):
        shade = cv2.resize(shade, size, interpolation=cv2.INTER_LINEAR)
        lit = cv2.multiply(behind, shade, dtype=cv2.CV_8U)
        off = cv2.absdiff(seen, lit)
        alike = cv2.bitwise_and(alike, cv2.compare(off, cv2.LUT(lit, _OFF), cv2.CMP_LE))
    return np.asarray(alike, np.uint8)


_OFF = np.floor(OFF + OFF_SHARE * np.arange(256)).astype(np.uint8)
