"""Synthetic training pairs: frame, plate, coverage, prior, and the true alpha.

A person (or two, or none) is placed before a view of a room; the plate is the same view seen at
another moment: other light, a small shift, its own noise. The troubles are those of real webcams:
spatially correlated noise, JPEG, exposure and white-balance drift, vignetting, shadows of the
person on the room, misalignment, defocus and motion blur, furniture that was moved or removed,
screens that change, colours close to the room's, clothes of any colour and pattern, hair in the wind,
exposure that clips both, missing plate.

Arrays are RGB float32 0..1, HxWx3, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from core.align.light import apply_light, fit_light
from core.training.camera import Camera, motion_kernel
from core.training.cast import Cast
from core.training.material import Material
from core.training.rooms import MARGIN, Rng, Rooms
from core.types import F32, F64, U8

Segmenter = Callable[[U8], F32]  # RGB uint8 HxWx3 -> mask 0..1 HxW

UNKNOWN_U8 = 128  # a prior that is not there
LIGHT_SIZE = (160, 90)  # where the program fits light
MENDED = 0.6  # share of the samples in whose plate hardly any light is left to mend, as in the program
MENDED_DRIFT = 0.35  # of the usual drift, there
HELD = 0.04  # share of a thing that covers who holds it, at least


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training pair, all uint8: frame, plate HxWx3; the rest HxW (255 is 1).

    fgr, room: HxWx3, the person's and the empty room's own colours in the frame's light, without
    noise; only from a Synthesizer that was asked for them.
    """

    frame: U8
    plate: U8
    coverage: U8
    prior: U8
    alpha: U8
    fgr: U8 | None = None
    room: U8 | None = None


class Synthesizer:
    """Makes samples of one size from material; one per worker process.

    size: (width, height), multiples of 32. segmenter: what the prior comes from, or None.
    layers: samples as the papers' networks need them, with fgr and room, and a plate everywhere.
    """

    def __init__(
        self,
        material: Material,
        size: tuple[int, int],
        segmenter: Segmenter | None,
        rng: Rng,
        layers: bool = False,
    ) -> None:
        self.size, self.segmenter, self.rng, self.layers = size, segmenter, rng, layers
        self.rooms = Rooms(material, size, rng)
        self.cast = Cast(material, size, self.rooms, rng)
        self.camera = Camera(size, rng)

    def sample(self) -> Sample:
        """One pair, drawn anew."""
        rng = self.rng
        w, h = self.size
        wide = self.rooms.wide()
        room = np.ascontiguousarray(wide[MARGIN : MARGIN + h, MARGIN : MARGIN + w])
        plate = self._plate_of(wide)

        canvas = np.zeros((h, w, 4), np.float32)
        people = 0 if rng.random() < 0.05 else 1 + (rng.random() < 0.12)
        for _ in range(people):
            layer = self.cast.person()
            if rng.random() < 0.16:
                self.cast.camouflage(layer, room)
            canvas = layer + canvas * (1 - layer[..., 3:])
        if people and rng.random() < 0.22:  # a prop that is held belongs to the person
            layer = self.cast.thing(canvas[..., 3])
            if rng.random() < 0.25:
                self.cast.camouflage(layer, room)
            if (layer[..., 3] * canvas[..., 3]).sum() > HELD * layer[..., 3].sum():
                canvas = layer + canvas * (1 - layer[..., 3:])
        alpha = np.clip(canvas[..., 3], 0, 1)

        if rng.random() < 0.06:  # a thing that stood there when the plate was taken is gone now
            layer = self.cast.thing(None)
            plate = layer[..., :3] + plate * (1 - layer[..., 3:])
        if rng.random() < 0.04:  # a screen or window shows something else now
            layer = self.cast.thing(None)
            room = layer[..., :3] + room * (1 - layer[..., 3:])
        if people and rng.random() < 0.6:
            room = self._shadow(room, alpha)
        if rng.random() < 0.2:  # a camera that exposes for something else: white on white, black on black
            exposure = np.float32(np.exp(rng.uniform(-0.9, 0.9)))
            room, plate = np.minimum(room * exposure, 1), np.minimum(plate * exposure, 1)
            canvas[..., :3] = np.minimum(canvas[..., :3] * exposure, canvas[..., 3:])
        frame = canvas[..., :3] + room * (1 - alpha)[..., None]

        mended = rng.random() < MENDED
        apart = MENDED_DRIFT if mended else 1.0
        strength = rng.choice([0.15, 0.6, 1.3, 2.2], p=[0.3, 0.25, 0.25, 0.2])
        plate = self.camera.drift(apart * strength)(plate)
        layers: list[F32] = []
        if self.layers:
            layers = [(canvas[..., :3] / np.maximum(alpha, 1e-3)[..., None]).astype(np.float32), room]
        if rng.random() < 0.6:
            drift = self.camera.drift(apart * rng.choice([0.3, 1.0, 2.2]))
            frame, layers = drift(frame), [drift(layer) for layer in layers]
        soften: Callable[[F32], F32] | None = None
        if rng.random() < 0.15:
            sigma = rng.uniform(0.4, 1.4)
            soften = partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=sigma)
        elif people and rng.random() < 0.1:
            soften = partial(cv2.filter2D, ddepth=-1, kernel=motion_kernel(rng))
        if soften is not None:
            if layers:  # a colour spreads as far as its alpha does
                fgr = soften(layers[0] * alpha[..., None]) / np.maximum(soften(alpha), 1e-3)[..., None]
                layers = [fgr.astype(np.float32), soften(layers[1])]
            frame, alpha = soften(frame), soften(alpha)

        frame_u8 = self.camera.sensor(frame, 1.0)
        plate_u8 = self.camera.sensor(plate, 0.4)
        if mended or rng.random() < 0.85:
            plate_u8 = self._relit(plate_u8, frame_u8, alpha)
        alpha_u8 = (alpha * 255 + 0.5).astype(np.uint8)
        coverage = np.full((h, w), 255, np.uint8) if self.layers else self._coverage()
        plate_u8 = cv2.bitwise_and(plate_u8, plate_u8, mask=coverage)
        layers_u8 = [(np.clip(layer, 0.0, 1.0) * 255 + 0.5).astype(np.uint8) for layer in layers]
        return Sample(
            frame=frame_u8,
            plate=plate_u8,
            coverage=coverage,
            prior=self._prior(frame_u8, bool(coverage.any())),
            alpha=alpha_u8,
            fgr=layers_u8[0] if layers else None,
            room=layers_u8[1] if layers else None,
        )

    def _plate_of(self, wide: F32) -> F32:
        """The room slightly elsewhere: what alignment leaves, up to a few pixels."""
        rng = self.rng
        w, h = self.size
        near = rng.choice([0.0, 0.25, 1.0], p=[0.3, 0.55, 0.15])  # a tracker leaves 0.1 to 0.3 pixels
        shift = near * rng.gamma(1.2, 0.7) * w / 512
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        moved = (
            corners + rng.normal(0, max(shift, 1e-6), (4, 2)) * 0.6 + rng.normal(0, max(shift, 1e-6), 2) * 0.5
        )
        H: F64 = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        into_margin = np.array([[1, 0, -MARGIN], [0, 1, -MARGIN], [0, 0, 1.0]])
        if shift == 0:
            return np.ascontiguousarray(wide[MARGIN : MARGIN + h, MARGIN : MARGIN + w])
        return cv2.warpPerspective(wide, H @ into_margin, (w, h), flags=cv2.INTER_LINEAR)

    def _coverage(self) -> U8:
        rng = self.rng
        w, h = self.size
        coverage = np.full((h, w), 255, np.uint8)
        kind = rng.random()
        if kind < 0.18:
            coverage[:] = 0
        elif kind < 0.26:
            if rng.random() < 0.6:
                coverage[:, : int(rng.uniform(0.05, 0.7) * w)] = 0
            else:
                coverage[: int(rng.uniform(0.05, 0.7) * h)] = 0
            if rng.random() < 0.5:
                coverage = np.ascontiguousarray(coverage[::-1, ::-1])
        return coverage

    def _prior(self, frame: U8, has_plate: bool) -> U8:
        """The segmenter's mask, often absent; when there is no plate it is nearly always there."""
        w, h = self.size
        if self.segmenter is None or self.rng.random() < (0.12 if has_plate else 0.08):
            return np.full((h, w), UNKNOWN_U8, np.uint8)
        mask = self.segmenter(frame)
        return (mask * 255 + 0.5).astype(np.uint8)

    def _relit(self, plate: U8, frame: U8, alpha: F32) -> U8:
        """The plate under the frame's light as the program finds it, so that what training sees of a
        drift is what correction leaves of it. The aligner knows the matte or, at first, nothing."""
        small = [cv2.resize(p, LIGHT_SIZE, interpolation=cv2.INTER_AREA) for p in (plate, frame)]
        background = None
        if self.rng.random() < 0.7:
            background = 1 - cv2.resize(alpha, LIGHT_SIZE, interpolation=cv2.INTER_AREA)
        return apply_light(plate, fit_light(small[0], small[1], background))

    def _shadow(self, room: F32, alpha: F32) -> F32:
        rng = self.rng
        w, h = self.size
        d = rng.normal(0, 0.07, 2) * w
        M = np.array([[1, 0, d[0]], [0, 1, abs(d[1])]], np.float32)
        half = cv2.resize(alpha, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        M[:, 2] /= 2
        shadow = cv2.GaussianBlur(cv2.warpAffine(half, M, (w // 2, h // 2)), (0, 0), rng.uniform(1.5, 12))
        shadow = cv2.resize(shadow, (w, h))
        strength = rng.uniform(0.05, 0.45) * (1 - 0.15 * rng.random(3))
        return room * (1 - shadow[..., None] * strength.astype(np.float32))
