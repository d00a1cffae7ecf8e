"""Everybody who mattes the clips, behind one call: cleanplate, the papers' networks, the peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.align.light import fit_light
from core.align.second_look import SecondLook
from core.evaluation.clips import Clip
from core.evaluation.peers import Peer, RvmPeer, difference_key, load_peers
from core.render.room import RoomWarper, WarpedRoom, matte_in
from core.types import F32, U8, Aligner, Alignment, Frame, Light, Matter, Plate, Room, State, View

SMALL = (160, 90)  # where light is fitted
FRAME_NS = 33_000_000

# The names in the tables; goals are set by them.
TRACKED = "cleanplate, plate tracked"
FILM = "cleanplate, plate tracked, as films are made"
TRUE = "cleanplate, true alignment"
PLATELESS = "cleanplate, no plate"
KEYED = "difference keying"
RVM, MEDIAPIPE = "rvm", "mediapipe"
MASKS_ONLY = frozenset({KEYED, MEDIAPIPE, "meet", "sinet", "sinet-obs"})  # far from a soft edge


@dataclass(frozen=True, slots=True, eq=False)
class Matted:
    """alpha: float32 HxW, 0..1. room: the plate as it was given to the network, None where none was.

    fgr: float32 HxWx3, 0..255, the method's own straight colour of the person; None without one.
    """

    alpha: F32
    room: Room | None = None
    fgr: F32 | None = None


Mattes = Iterator[Matted]
Method = Callable[[Clip], Mattes]
MatteOf = Callable[[int, U8, WarpedRoom], U8]


def with_tracked_plate(matter: Matter, make_aligner: Callable[[Plate, tuple[int, int]], Aligner]) -> Method:
    """The program's own path: the aligner finds plate and light, and learns from the matte."""

    def run(clip: Clip) -> Mattes:
        plate = _plate_of(clip)
        warper, size = RoomWarper(plate), _size_of(clip)
        aligner = make_aligner(plate, size)
        second_look = SecondLook(aligner)
        matter.reset()
        for index, rgb in enumerate(clip.frames):
            frame = Frame(rgb, index * FRAME_NS, index)
            alignment: Alignment | None = aligner.update(frame)
            while alignment is not None:
                room = warper.room(alignment, size) if alignment.usable else None
                alpha = matte_in(matter, rgb, room)
                aligner.learn(frame, alpha)
                alignment = second_look.after(frame, alignment)
            yield Matted(_unit(alpha), None if room is None else room.whole())
        aligner.close()

    return run


def with_true_plate(matter: Matter) -> Method:
    """The same with the true homography, light fitted: what alignment could give at best."""

    def run(clip: Clip) -> Mattes:
        matter.reset()
        return _behind_true_plate(clip, lambda _, rgb, room: matte_in(matter, rgb, room))

    return run


def known_alpha(clip: Clip) -> Mattes:
    """The true alpha, with the plate at its true place: leaves nothing but the error of the colours."""
    return _behind_true_plate(clip, lambda index, _, __: (clip.alphas[index] * 255 + 0.5).astype(np.uint8))


def without_plate(matter: Matter) -> Method:
    """A network that may take a plate, with none."""

    def run(clip: Clip) -> Mattes:
        matter.reset()
        for rgb in clip.frames:
            yield Matted(_unit(matter.matte(rgb, None, None)))

    return run


def peer_method(peer: Peer) -> Method:
    """A network that takes no plate."""

    def run(clip: Clip) -> Mattes:
        peer.reset()
        for rgb in clip.frames:
            alpha = peer(rgb)
            # the colour costs as much as the matte to bring back: only where somebody looks at it
            fgr = peer.fgr() if clip.fgrs and isinstance(peer, RvmPeer) else None
            yield Matted(alpha, fgr=fgr)

    return run


def keyed(clip: Clip) -> Mattes:
    """Plain difference keying with the plate at its true place."""
    for rgb, H in zip(clip.frames, clip.H_true, strict=True):
        yield Matted(difference_key(rgb, cv2.warpPerspective(clip.plate, H, _size_of(clip))))


def cleanplate(
    matter: Matter, make_aligner: Callable[[Plate, tuple[int, int]], Aligner]
) -> dict[str, Method]:
    """The program with plate, with a plate in the very place, and without."""
    return {
        TRACKED: with_tracked_plate(matter, make_aligner),
        TRUE: with_true_plate(matter),
        PLATELESS: without_plate(matter),
    }


def papers(
    name: str, matter: Matter, make_aligner: Callable[[Plate, tuple[int, int]], Aligner], needs_plate: bool
) -> dict[str, Method]:
    """A network of the papers; one that takes a plate stands behind our alignment and light correction."""
    if not needs_plate:
        return {name: without_plate(matter)}
    return {
        f"{name}, plate tracked": with_tracked_plate(matter, make_aligner),
        f"{name}, true alignment": with_true_plate(matter),
    }


def trained_elsewhere(
    name: str, matter: Matter, make_aligner: Callable[[Plate, tuple[int, int]], Aligner]
) -> dict[str, Method]:
    """platenet with weights of somebody's own, behind the same tracking as the bundled ones."""
    return {
        f"{name}, plate tracked": with_tracked_plate(matter, make_aligner),
        f"{name}, no plate": without_plate(matter),
    }


def peers(models: Path, threads: int) -> dict[str, Method]:
    """RVM and the segmenters, from the folder of peers' weights. WeightsError where one is missing."""
    return {name: peer_method(peer) for name, peer in load_peers(models, threads).items()}


def _behind_true_plate(clip: Clip, matte: MatteOf) -> Mattes:
    warper, size = RoomWarper(_plate_of(clip)), _size_of(clip)
    light: Light | None = None
    background: F32 | None = None
    for index, (rgb, H) in enumerate(zip(clip.frames, clip.H_true, strict=True)):
        plain = warper.room(Alignment(H, Light(), State.LOCKED, 1.0, ""), size)
        small = [cv2.resize(a, SMALL, interpolation=cv2.INTER_AREA) for a in (plain.whole().rgb, rgb)]
        light = fit_light(small[0], small[1], background, light)
        room = warper.room(Alignment(H, light, State.LOCKED, 1.0, ""), size)
        alpha = matte(index, rgb, room)
        background = 1 - _unit(cv2.resize(alpha, SMALL, interpolation=cv2.INTER_AREA))
        yield Matted(_unit(alpha), room.whole())


def _plate_of(clip: Clip) -> Plate:
    return Plate("evaluation", (clip.plate.shape[1], clip.plate.shape[0]), (View(clip.plate),))


def _size_of(clip: Clip) -> tuple[int, int]:
    return clip.frames[0].shape[1], clip.frames[0].shape[0]


def _unit(alpha: U8) -> F32:
    return alpha.astype(np.float32) / np.float32(255)
