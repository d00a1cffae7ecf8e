"""A camera that stands still: its homography is not touched, so that the warp does not shimmer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.align.refine import Comparison, Step, compare, in_sight, sample_places
from core.align.template import Template
from core.align.views import SmallFrame
from core.types import F32, F64, U8

# All px are of the working picture.
LEAVE_HOLD_PX = 0.15  # motion from which a held camera is taken as moving, if it lasts LEAVE_FRAMES;
LEAVE_FRAMES = 3  # a person's edge or a ghost of compression moves it as far for a frame or two
LEAVE_AT_ONCE_PX = 0.35
ANCHOR_PX = 0.08  # offset of the held H, averaged, from which it is corrected
CREEP_PX = 0.008  # of that correction, a frame: nobody sees it
SLOW_PAN_PX = 0.25  # averaged offset that is no offset any more: the camera creeps
MESH_EVERY = 20  # frames between looks after the mesh of a still camera
SURE = 4.0  # standard deviations that a motion must exceed to be one
_ANCHOR_MEMORY = 0.05  # weight of a new frame in the averaged offset
_ANCHOR_FRAMES = 24
_STILL_AGREE = 0.85  # of the cells that agreed while held; below, look closer


class Held:
    """What is known of a camera since it stands still.

    frame_from_plate: float64 3x3 at full size, which does not change. plate_light: what light is fitted on.
    agreed: the sentry's cells that did. creep: what is left of a correction.
    """

    def __init__(
        self,
        template: Template,
        H: F64,
        frame_from_plate: F64,
        plate_light: tuple[U8, U8],
        agreed: NDArray[np.bool_],
        creep: F64 | None = None,
    ) -> None:
        """H: view's to frame's working pixels."""
        self.frame_from_plate, self.plate_light, self.agreed = frame_from_plate, plate_light, agreed
        self.creep = np.zeros(8) if creep is None else creep
        self._sentry = template.sentry
        self._places = sample_places(template.sentry, H)
        self._drift = np.zeros(8)
        self._frames, self._restless = 0, 0

    def look(self, small: SmallFrame, hidden: F32 | None) -> Comparison:
        """The plate's sentry against a frame, under the held H."""
        return compare(small.blurred, in_sight(self._sentry, self._places, small.size, hidden), self._places)

    def fewer_agree(self, look: Comparison) -> bool:
        """Whether so many of the cells that had agreed do not that somebody walked in, or the camera jumped.
        What agrees now has agreed from here on."""
        known = look.judged & self.agreed
        self.agreed |= look.agrees
        return int((look.agrees & known).sum()) < _STILL_AGREE * int(known.sum())

    def left_by(self, step: Step) -> bool:
        """Whether the camera has moved, or creeps, as this frame's step and those before say. Else the held H
        may be a little off: see `creep`."""
        moved_px = float(np.linalg.norm(step.motion[:4]))
        restless = moved_px > max(LEAVE_HOLD_PX, SURE * step.error_px)
        self._restless = self._restless + 1 if restless else 0
        if moved_px > LEAVE_AT_ONCE_PX or self._restless >= LEAVE_FRAMES:
            return True
        self._frames += 1
        self._drift += max(_ANCHOR_MEMORY, 1 / self._frames) * (step.motion - self._drift)
        offset_px = float(np.linalg.norm(self._drift))
        if self._frames >= _ANCHOR_FRAMES and offset_px > max(ANCHOR_PX, step.error_px):
            if offset_px > SLOW_PAN_PX:
                return True
            self.creep, self._drift, self._frames = self._drift, np.zeros(8), 0
        return False

    @property
    def next_creep(self) -> F64 | None:
        """One invisible step of the correction; None where nothing is left of it."""
        if not self.creep.any():
            return None
        return np.asarray(self.creep * min(1.0, CREEP_PX / float(np.linalg.norm(self.creep))))

    @property
    def mesh_is_due(self) -> bool:
        return self._frames % MESH_EVERY == 0
