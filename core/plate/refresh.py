"""Keeps a plate fresh: slow drift of the room goes in, a person never does, however still.

What is learned is only what already looks like the plate, and only what is no change of the whole
room's light: that is the aligner's, which knows it also for what lies hidden behind somebody. What
is hidden fades by as much as what is seen around it.
A moved cup is taken over after a while only when that is asked for, and only far from anybody, where
the matte never had doubts.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from core.align.geometry import inverse
from core.align.light import apply_light
from core.types import F32, F64, U8, Alignment, Plate, State, View

DRIFT_LEVELS = 10.0  # difference up to which a pixel is still the plate's: fading daylight, not cloth
LEARN_SHARE = 0.05  # of the difference, a lesson: at one a second, daylight fades in within half a minute
KEEP_OFF_PX = 24  # at the working width: shadows and soft edges around a person
STEADY_LEVELS = 6.0  # a new thing's pixels vary by no more while it lies there
SMALL_THING = 0.03  # of the picture: a larger new thing is not a cup
NEWS_LEVELS = 0.75  # mean change of a part of the picture that is worth a new plate

_CLAIMED = 8  # of 255: alpha from which a pixel is somebody's
_PARTS = (32, 18)  # columns, rows in which change is looked for
_SPREAD = 4.0  # of these parts: how far around somebody light is taken to be alike
_LEAST_LIGHT = 1e-3  # levels in the blurred parts: where hardly anything is seen nothing is said
_FADE_LEAST = 0.002  # a share of a pixel that nobody sees
_COARSE = 4  # px to one, for what lies near a person
_COMMON_SAMPLES = 6_000
_COMMON_ROUNDS = 8
_COMMON_LEAST = 0.05  # levels: less is not worth a pass over all pixels
_COMMON_FLOOR = 0.5  # levels: a smaller residual counts as none
_COMMON_BEND = 1e-4  # ties slope and bend to nothing where the room has too few tones to tell them


class PlateRefresh:
    """One view's slow memory. One thread at a time; a lesson a second is enough, and costs as much as
    a frame.

    Args:
        plate: with a single view; of a sweep nothing is learnt.
        absorb_after: lessons for which a new small thing must lie still, unclaimed by the matte and far
            from anybody, before it becomes room; None (the default) never takes anything over.
    """

    def __init__(self, plate: Plate, absorb_after: int | None = None) -> None:
        self._plate = plate
        self._absorb_after = absorb_after
        self._recorded = self._handed_out = self._base = plate.rgb
        self._room = plate.rgb.astype(np.float32)
        self._owed = np.zeros((_PARTS[1], _PARTS[0], 3), np.float32)  # share by which the hidden is to fade
        self._thing: F32 | None = None
        self._age = np.zeros(plate.rgb.shape[:2], np.int32)

    def learn(self, rgb: U8, alpha_u8: U8, alignment: Alignment) -> None:
        """One lesson: takes a frame in. Only a locked camera teaches, and only one that sees what the
        plate saw: others would blur it.

        rgb: uint8 HxWx3. alpha_u8: uint8 of the same frame, any size.
        """
        if len(self._plate.views) != 1 or alignment.state is not State.LOCKED or alignment.H is None:
            return
        if alignment.mesh is not None:
            return  # the camera has stepped aside: what it sees is not the plate's picture
        H, size, plate_size = alignment.H, (rgb.shape[1], rgb.shape[0]), self._plate.size
        gain = alignment.light.gain
        apart = self._apart(self._base, rgb, alignment)
        inside = _warped(np.full(rgb.shape[:2], 255, np.uint8), inverse(H), plate_size) == 255
        person, near_person = self._person(alpha_u8, inverse(H), size)
        limit = DRIFT_LEVELS * float(gain.mean())
        alike = _most(apart) < limit
        # What looks as it was recorded is room too: else a patch of sun that was learnt while it grew would
        # stay when a cloud takes it away at once.
        if float(cv2.norm(self._base, self._recorded, cv2.NORM_INF)) > DRIFT_LEVELS / 2:
            alike |= _most(self._apart(self._recorded, rgb, alignment)) < limit
        room = inside & ~near_person & alike
        before = self._room[::_COARSE, ::_COARSE].copy()
        change = apart * (np.float32(LEARN_SHARE) / gain)
        cv2.add(self._room, change, dst=self._room, mask=room.view(np.uint8))
        # What is seen must not share with the light what only the light can do for what is hidden: the two
        # would pass it to and fro until the room behind somebody is of another hour than that around.
        common = _common_change(self._recorded, self._room, room)
        if float(np.abs(common).max()) > _COMMON_LEAST:
            change = cv2.LUT(self._recorded, common)
            cv2.subtract(self._room, change, dst=self._room, mask=room.view(np.uint8))
        self._fade_the_hidden(before, room, inside & near_person)
        if self._absorb_after is not None:
            unlit = np.asarray(self._room + apart / gain, np.float32)
            self._watch(unlit, inside & ~near_person & ~alike, person)
        self._base = np.asarray(cv2.convertScaleAbs(self._room), np.uint8)

    def plate(self) -> Plate:
        """The plate as it looks by now; the recorded one is not touched."""
        if len(self._plate.views) != 1:
            return self._plate
        view = self._plate.views[0]
        return replace(self._plate, views=(View(self._base, view.coverage, view.plate_from_view),))

    def news(self) -> Plate | None:
        """The plate when some part of it has changed visibly since the last news; else None."""
        new, old = (
            cv2.resize(rgb, _PARTS, interpolation=cv2.INTER_AREA) for rgb in (self._base, self._handed_out)
        )
        if float(np.abs(new.astype(np.float32) - old).max()) <= NEWS_LEVELS:
            return None
        self._handed_out = self._base
        return self.plate()

    def _fade_the_hidden(self, before: F32, seen: np.ndarray, hidden: np.ndarray) -> None:
        """Lets the room near somebody fade by the share that was just learnt around it: else whoever sat
        beside a window all afternoon would, on getting up, bare a wall of noon.

        before: float32, every _COARSE-th pixel of the room before this lesson. seen, hidden: bool HxW.
        """
        known = seen[::_COARSE, ::_COARSE, None].astype(np.float32)
        learnt, light = (
            cv2.GaussianBlur(cv2.resize(part * known, _PARTS, interpolation=cv2.INTER_AREA), (0, 0), _SPREAD)
            for part in (self._room[::_COARSE, ::_COARSE] - before, before)
        )
        self._owed += learnt / np.maximum(light, _LEAST_LIGHT)
        if float(np.abs(self._owed).max()) < _FADE_LEAST:
            return
        faded = cv2.multiply(self._room, cv2.resize(1 + self._owed, self._plate.size))
        cv2.copyTo(faded, hidden.view(np.uint8), self._room)
        self._owed[:] = 0

    def _apart(self, room: U8, rgb: U8, alignment: Alignment) -> NDArray[np.int16]:
        """By how much the frame differs from this picture of the room, seen from there: int16 HxWx3, as the
        plate lies."""
        H = alignment.H
        assert H is not None
        # Compared as the viewer sees it, in the frame: what resampling blurs is then blurred in both.
        shown = apply_light(_warped(room, H, (rgb.shape[1], rgb.shape[0])), alignment.light)
        apart = _warped(cv2.subtract(rgb, shown, dtype=cv2.CV_16S), inverse(H), self._plate.size)
        return np.asarray(apart, np.int16)

    def _person(self, alpha_u8: U8, plate_from_frame: F64, size: tuple[int, int]) -> tuple[U8, U8]:
        """Where somebody is, and that with a margin: two bool arrays of the plate's size."""
        width, height = self._plate.size
        claimed = cv2.threshold(alpha_u8, _CLAIMED, 255, cv2.THRESH_BINARY)[1]
        claimed = cv2.resize(claimed, size, interpolation=cv2.INTER_LINEAR)
        person = _warped(claimed, plate_from_frame, (width, height))
        coarse = (max(1, width // _COARSE), max(1, height // _COARSE))
        small = np.asarray(cv2.resize(person, coarse, interpolation=cv2.INTER_AREA) > 0, np.uint8)
        reach = max(1, round(KEEP_OFF_PX * width / 640 / _COARSE))
        near = cv2.dilate(small, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        near = cv2.resize(near, (width, height), interpolation=cv2.INTER_NEAREST)
        return np.asarray(person > 0), np.asarray(near > 0)

    def _watch(self, unlit: F32, new: np.ndarray, person: np.ndarray) -> None:
        """Ages what is new and still; what is old enough, small and nobody's becomes room."""
        assert self._absorb_after is not None
        if self._thing is None:
            self._thing = unlit.copy()
        steady = new & (np.abs(unlit - self._thing).max(2) < STEADY_LEVELS)
        self._thing[~steady] = unlit[~steady]
        # A pixel that was ever the person's starts again: who sits down there is not furniture.
        self._age = np.where(steady & ~person, self._age + 1, 0)
        if int(self._age.max()) < self._absorb_after:
            return
        _, labels, stats, _ = cv2.connectedComponentsWithStats((self._age > 0).astype(np.uint8))
        for label in np.unique(labels[self._age >= self._absorb_after]):
            thing = labels == label
            small = stats[label, cv2.CC_STAT_AREA] < SMALL_THING * labels.size
            if label and small and int(self._age[thing].min()) >= self._absorb_after:
                self._room[thing] = self._thing[thing]
                self._age[thing] = 0


def _common_change(recorded: U8, room: F32, where: np.ndarray) -> F32:
    """How each channel's tones have changed from recorded to room, in levels: float32 1x256x3, a table.

    where: bool HxW, the pixels to judge by. A change of less than half of them moves it hardly (least
    absolute residuals, by reweighting).
    """
    step = max(1, round((where.size / _COMMON_SAMPLES) ** 0.5))
    seen = where[::step, ::step]
    levels = _tones(np.arange(256))
    table = np.zeros((1, 256, 3), np.float32)
    for channel in range(3):
        before = recorded[::step, ::step, channel][seen]
        change = room[::step, ::step, channel][seen] - before
        tones, weight = levels[before], np.ones(len(before), np.float32)
        curve = np.zeros(3)
        for _ in range(_COMMON_ROUNDS if len(before) else 0):
            weighted = tones * (weight / weight.sum())[:, None]
            system = weighted.T @ tones + np.diag([1e-6, _COMMON_BEND, _COMMON_BEND])
            curve = np.linalg.solve(system, weighted.T @ change)
            weight = 1 / np.maximum(np.abs(change - tones @ curve), np.float32(_COMMON_FLOOR))
        table[0, :, channel] = levels @ curve
    return table


def _tones(levels: np.ndarray) -> F32:
    """Offset, slope and bend of a curve at these levels: float32 Nx3."""
    t = levels.astype(np.float32) / 127.5 - 1
    return np.stack([np.ones_like(t), t, t * t], 1)


def _most(apart: NDArray[np.int16]) -> NDArray[np.int16]:
    """The largest difference of the three channels, HxW."""
    off = np.abs(apart)
    return np.asarray(cv2.max(cv2.max(off[..., 0], off[..., 1]), off[..., 2]), np.int16)


def _warped(picture: np.ndarray, H: F64, size: tuple[int, int]) -> np.ndarray:
    """The picture through H, bilinear; itself where that changes nothing."""
    if picture.shape[1::-1] == size and np.allclose(H, np.eye(3), atol=1e-9):
        return picture
    return cv2.warpPerspective(picture, H, size, flags=cv2.INTER_LINEAR)
