"""A source, an aligner and a renderer without a device or a network, for tests of what goes around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from core.render.backdrops import Backdrop, Background
from core.types import NO_PLATE, U8, Alignment, Begun, Frame, Picture, Plate

FRAME_NS = 33_000_000


class ScriptedSource:
    """Gives these pictures with the times of a camera at 30 frames per second, without waiting."""

    live = False
    fps = 30.0

    def __init__(self, pictures: Iterable[U8], name: str = "scripted") -> None:
        self.name = name
        self._pictures = list(pictures)
        self.size = (self._pictures[0].shape[1], self._pictures[0].shape[0])
        self.taken = 0
        self.closed = False

    def read(self) -> Frame | None:
        if self.taken == len(self._pictures):
            return None
        frame = Frame(self._pictures[self.taken], self.taken * FRAME_NS, self.taken)
        self.taken += 1
        return frame

    def close(self) -> None:
        self.closed = True


class FixedAligner:
    """Always the same answer."""

    def __init__(self, alignment: Alignment = NO_PLATE) -> None:
        self.alignment = alignment
        self.learned = 0
        self.closed = False

    def update(self, frame: Frame) -> Alignment:
        return self.alignment

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
        self.learned += 1

    def close(self) -> None:
        self.closed = True


class InvertingRenderer:
    """Pictures that can be told from the camera's: every value v becomes 255 - v."""

    def __init__(self, on_render: Callable[[Frame], None] = lambda frame: None) -> None:
        self._on_render = on_render
        self.closed = False

    def expect(self, frame: Frame) -> None:
        pass

    def begin(self, frame: Frame, alignment: Alignment) -> Begun:
        self._on_render(frame)
        alpha = np.full(frame.rgb.shape[:2], 255, np.uint8)
        picture = Picture(255 - frame.rgb, alpha, frame.time_ns, frame.index)
        return Begun(alpha, lambda: picture)

    def renew(self, plate: Plate) -> Callable[[], None]:
        return lambda: setattr(self, "plate", plate)

    def change(self, background: Background, backdrop: Backdrop | None) -> None:
        self.background = background

    def close(self) -> None:
        self.closed = True
