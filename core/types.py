"""The words of the house: what travels between the stages.

Colour is RGB uint8 HxWx3 everywhere. `H` maps plate pixels to frame pixels, pixel centres at
integers. Times are `time.monotonic_ns()`. Arrays inside these values are not written to by
whoever receives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a source.

    rgb: uint8 HxWx3, not to be written to.
    time_ns: monotonic time of capture, not of delivery.
    index: captured frames from 0; a gap is a drop.
    """

    rgb: U8
    time_ns: int
    index: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One picture of the empty room inside a plate.

    rgb: uint8 HxWx3.
    coverage: uint8 HxW, 255 where the room was seen; None means everywhere.
    plate_from_view: float64 3x3, view pixels to plate pixels; identity for a single picture.
    """

    rgb: U8
    coverage: U8 | None = None
    plate_from_view: F64 = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """The empty room, as recorded.

    name: what the user called it.
    size: (width, height) of the plate's pixel frame, in which H starts.
    views: at least one; the first is the reference. A sweep has several.
    noise: standard deviation of one frame's pixel around the mean, in grey levels, measured
        while recording; 0 when unknown (one picture).
    camera: camera settings held while recording (name to value), as the device names them.
    """

    name: str
    size: tuple[int, int]
    views: tuple[View, ...]
    noise: float = 0.0
    camera: dict[str, float] = field(default_factory=dict)

    @property
    def rgb(self) -> U8:
        """The reference view's picture, uint8 HxWx3."""
        return self.views[0].rgb

    @property
    def coverage(self) -> U8 | None:
        """The reference view's coverage, uint8 HxW or None for everywhere."""
        return self.views[0].coverage


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """How the frame's light differs from the plate's: frame = grid * (gain * plate + offset + tone(plate)).

    Works on values 0..255 per channel, as stored (gamma-encoded).
    gain, offset: float32 3 (RGB).
    grid: float32 gh x gw multipliers, bilinear between cell centres, spread over the frame; None is 1.
    tone: float32 3 x K levels, linear between knots spread evenly over 0..255: the bend that another
        gamma leaves; None is 0.
    """

    gain: F32 = field(default_factory=lambda: np.ones(3, np.float32))
    offset: F32 = field(default_factory=lambda: np.zeros(3, np.float32))
    grid: F32 | None = None
    tone: F32 | None = None


class State(str, Enum):
    """What the aligner knows about the plate in this frame."""

    LOCKED = "locked"  # the camera stands still and the plate fits
    TRACKING = "tracking"  # the camera moves and the plate is followed
    LOST = "lost"  # the plate does not fit; nothing of it may be used
    NONE = "none"  # there is no plate


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Where the plate is in one frame.

    H: float64 3x3, plate pixels to frame pixels; None while lost or without a plate.
    light: correction that takes the plate to the frame's light.
    state, score (0..1, share of textured cells that agree), reason (in words).
    mesh: float32 gh x gw x 2, small local shifts in frame pixels, bilinear between cell centres, spread over
        the frame: a plate pixel p is seen at q where q = H p + mesh(q). None is zero.
    """

    H: F64 | None
    light: Light
    state: State
    score: float
    reason: str
    mesh: F32 | None = None

    @property
    def usable(self) -> bool:
        return self.H is not None and self.state in (State.LOCKED, State.TRACKING)


NO_PLATE = Alignment(None, Light(), State.NONE, 0.0, "no plate")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What leaves the program for one frame.

    rgb: uint8 HxWx3: the composite, or the foreground colour where `straight` is set.
    alpha_u8: uint8 HxW, 255 is the person; None for an idle picture.
    time_ns, index: those of the frame it was made from, unchanged.
    idle: this is the idle picture; nothing of the camera is in it.
    straight: rgb is the foreground (not premultiplied), to be shown through alpha_u8.
    """

    rgb: U8
    alpha_u8: U8 | None
    time_ns: int
    index: int
    idle: bool = False
    straight: bool = False


class Aligner(Protocol):
    """Says where the plate is. Parameters only; works on a small grey picture on the CPU."""

    def update(self, frame: Frame) -> Alignment:
        """Alignment of this frame. Never raises for what a camera may show.

        The same frame may come again when its matte has been learnt from (core/align/second_look.py).
        """
        ...

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
        """Takes the matte of the frame just rendered, so that the person is left out next time.

        alpha_u8: uint8 of any size (it is resized to what is needed), or None when unknown.
        doubted: the plate was not believed to be this frame's (see Begun): it teaches nothing of the room.
        """
        ...

    def close(self) -> None: ...


class Matter(Protocol):
    """A matting network behind one call. May hold recurrent state."""

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """Alpha of the person, uint8 HxW, for an RGB picture of any size.

        plate_rgb: the aligned, light-corrected room, same size; None without a plate.
        coverage: uint8 HxW, 255 where plate_rgb is known; None means everywhere.
        The caller never writes to plate_rgb and coverage again: while the same objects come, what
        was made of them may be kept.
        """
        ...

    def reset(self) -> None:
        """Forgets earlier frames: after a cut, a lost plate, or a new size."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """The empty room as one frame should see it, or a part of it.

    rgb: uint8 HxWx3, aligned and in the frame's light. coverage: uint8 HxW, 255 where known, else 0;
    None is everywhere.
    """

    rgb: U8
    coverage: U8 | None

    def part(self, where: tuple[slice, slice]) -> Room:
        """A rectangle of it, rows and columns: views, not copies."""
        return Room(self.rgb[where], None if self.coverage is None else self.coverage[where])


class SeenRoom(Protocol):
    """The room of one frame, made only as far as it is asked for."""

    def small(self, size: tuple[int, int]) -> Room:
        """The whole of it at a smaller size (width, height). The same object while nothing changes."""
        ...

    def part(self, where: tuple[slice, slice]) -> Room:
        """A rectangle of it, rows and columns, at the frame's size. Not to be written to."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """A matte in the making, and the picture that the network saw.

    alpha_u8: the matte so far, uint8 of any size. rgb: uint8 hxwx3, at the network's own size.
    finish: gives the matte at that size, uint8 hxw; called at most once, by `PartwiseMatter.refined`.
    doubted: the room that was given cannot be that of the frame, so this is by looks alone.
    """

    alpha_u8: U8
    rgb: U8
    finish: Callable[[], U8]
    doubted: bool = False


@runtime_checkable
class PartwiseMatter(Matter, Protocol):
    """A matter that looks at the whole room small first, then at parts of it closely.

    The two steps share nothing but what is handed over, so that each may have a thread of its own.
    """

    def expect(self, rgb: U8) -> None:
        """Told of a picture, uint8 HxWx3, for which `coarse` will be called next, or another in its place:
        begins what needs no room. Need not be called."""
        ...

    def coarse(self, rgb: U8, room: SeenRoom | None) -> Coarse:
        """The first step. rgb: uint8 HxWx3. room: of this frame; None without a plate."""
        ...

    def refined(self, rgb: U8, room: SeenRoom | None, coarse: Coarse) -> U8:
        """The second step, from the same picture and room: alpha uint8 HxW."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A picture in the making.

    alpha_u8: the matte so far, uint8 of any size, enough for `Aligner.learn`; None when there is none.
    finish: makes the picture. Called at most once, in the order of the frames, on any one thread, also
        while the next picture is begun.
    doubt: why the plate is not believed to be this frame's, which is shown as one that has lost it; else "".
    """

    alpha_u8: U8 | None
    finish: Callable[[], Picture]
    doubt: str = ""


class Renderer(Protocol):
    """Makes the pixels: warps the plate, runs the network, composites."""

    def expect(self, frame: Frame) -> None:
        """Told of a frame before it is aligned: begins, on other threads, what needs no alignment."""
        ...

    def begin(self, frame: Frame, alignment: Alignment) -> Begun:
        """What depends on the frame before or is needed for the next one; the rest is for `finish`.

        The same frame may come again with a better alignment; what was begun of it before is then dropped.
        """
        ...

    def close(self) -> None: ...
