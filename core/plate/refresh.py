"""Keeps a plate fresh: slow drift of the room goes in, a person never does, however still.

What is learned is only what already looks like the plate. A moved cup is taken over after a while
only when that is asked for, and only far from anybody, where the matte never had doubts.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from core.align.light import apply_light
from core.types import F32, U8, Alignment, Plate, State, View

DRIFT_LEVELS = 10.0  # difference up to which a pixel is still the plate's: fading daylight, not cloth
LEARN_SHARE = 0.05  # of the difference, a lesson: at one a second, daylight fades in within half a minute
KEEP_OFF_PX = 24  # at the working width: shadows and soft edges around a person
STEADY_LEVELS = 6.0  # a new thing's pixels vary by no more while it lies there
SMALL_THING = 0.03  # of the picture: a larger new thing is not a cup
_CLAIMED = 8  # of 255: alpha from which a pixel is somebody's


class PlateRefresh:
    """One view's slow memory. One thread; a lesson a second is enough, and costs as much as a frame.

    Args:
        plate: with a single view; a sweep is returned as it is.
        absorb_after: lessons for which a new small thing must lie still, unclaimed by the matte and far
            from anybody, before it becomes room; None (the default) never takes anything over.
    """

    def __init__(self, plate: Plate, absorb_after: int | None = None) -> None:
        self._plate = plate
        self._absorb_after = absorb_after
        self._room = plate.rgb.astype(np.float32)
        self._thing: F32 | None = None
        self._age = np.zeros(plate.rgb.shape[:2], np.int32)

    def learn(self, rgb: U8, alpha_u8: U8, alignment: Alignment) -> None:
        """One lesson: takes a frame in. Only a locked camera teaches: a moving one would blur the plate.

        rgb: uint8 HxWx3. alpha_u8: uint8 of the same frame, any size.
        """
        plate = self._plate
        if len(plate.views) != 1 or alignment.state is not State.LOCKED or alignment.H is None:
            return
        back = np.linalg.inv(alignment.H)
        size = plate.size
        seen = cv2.warpPerspective(rgb, back, size, flags=cv2.INTER_LINEAR)
        inside = cv2.warpPerspective(np.full(rgb.shape[:2], 255, np.uint8), back, size) == 255
        alpha = cv2.resize(alpha_u8, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
        person = cv2.warpPerspective(alpha, back, size, flags=cv2.INTER_LINEAR) > _CLAIMED
        margin = max(3, KEEP_OFF_PX * size[0] // 640) | 1
        near_person = cv2.dilate(person.astype(np.uint8), np.ones((margin, margin), np.uint8)) > 0
        unlit = self._unlit(np.asarray(seen, np.uint8), alignment)
        apart = np.abs(unlit - self._room).max(2)
        room = inside & ~near_person & (apart < DRIFT_LEVELS)
        self._room[room] += np.float32(LEARN_SHARE) * (unlit[room] - self._room[room])
        if self._absorb_after is not None:
            self._watch(unlit, inside & ~near_person & (apart >= DRIFT_LEVELS), person)

    def plate(self) -> Plate:
        """The plate as it looks by now; the recorded one is not touched."""
        if len(self._plate.views) != 1:
            return self._plate
        view = self._plate.views[0]
        fresh = np.clip(self._room + 0.5, 0, 255).astype(np.uint8)
        return replace(self._plate, views=(View(fresh, view.coverage, view.plate_from_view),))

    def _unlit(self, seen: U8, alignment: Alignment) -> F32:
        """The frame in the plate's own light: the difference to the relit plate, added to the plate."""
        light = alignment.light
        base = np.clip(self._room + 0.5, 0, 255).astype(np.uint8)
        relit = apply_light(base, light).astype(np.float32)
        return np.asarray(base + (seen.astype(np.float32) - relit) / light.gain, np.float32)

    def _watch(self, unlit: F32, new: np.ndarray, person: np.ndarray) -> None:
        """Ages what is new and still; what is old enough, small and nobody's becomes room."""
        assert self._absorb_after is not None
        if self._thing is None:
            self._thing = unlit.copy()
        steady = new & (np.abs(unlit - self._thing).max(2) < STEADY_LEVELS)
        self._thing[~steady] = unlit[~steady]
        # A pixel that was ever the person's starts again: who sits down there is not furniture.
        self._age = np.where(steady & ~person, self._age + 1, 0)
        _, labels, stats, _ = cv2.connectedComponentsWithStats((self._age > 0).astype(np.uint8))
        for label in np.unique(labels[self._age >= self._absorb_after]):
            thing = labels == label
            small = stats[label, cv2.CC_STAT_AREA] < SMALL_THING * labels.size
            if label and small and int(self._age[thing].min()) >= self._absorb_after:
                self._room[thing] = self._thing[thing]
                self._age[thing] = 0
