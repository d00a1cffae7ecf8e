"""The plate as this frame should see it: warped, relit, with its coverage; made as far as it is asked for.

The network looks at the whole room small; only around the person is it needed at full size. So a
moving camera costs a small warp and a part of a large one, a still one neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock

import cv2
import numpy as np

from core.align.geometry import corners_of, halvings, resized_from_original
from core.align.light import apply_light
from core.matte.working_size import shrunk_room
from core.plate.compose import compose_views
from core.render.bend import bent_map
from core.types import F32, F64, U8, Alignment, Matter, PartwiseMatter, Plate, Room

_FLAT = np.zeros((1, 1, 2), np.float32)
SLACK = 32  # px by which a part is made larger than asked for: the next frame's is not the same
ALIASES = 0.7  # a bilinear warp to less than this leaves pixels out
LEAST_SCALE = 1e-3  # that is counted with
SAME_SCALE = 1.1  # times, by which a reduced plate may be off: a camera that zooms does not have it made anew


class WarpedRoom:
    """SeenRoom of a plate under one alignment. `small` and `part` may have a thread each.

    size: (width, height) of the frame. The alignment must be usable.
    """

    def __init__(self, warper: RoomWarper, alignment: Alignment, size: tuple[int, int]) -> None:
        assert alignment.H is not None
        self._warper, self._H, self._light, self._size = warper, alignment.H, alignment.light, size
        self._mesh = alignment.mesh
        self._small: dict[tuple[int, int], Room] = {}
        self._made: Room | None = None
        self._box = (0, 0, 0, 0)  # x0, y0, x1, y1 of the part that is made
        self._making = Lock()

    def whole(self) -> Room:
        """All of it, at the frame's size."""
        return self.part(np.s_[0 : self._size[1], 0 : self._size[0]])

    def fits(self, alignment: Alignment, size: tuple[int, int]) -> bool:
        """Whether this is the room of that alignment too. The aligner keeps the light's object and
        that of the mesh while nothing visible changed."""
        same = alignment.H is self._H or np.array_equal(alignment.H, self._H)  # type: ignore[arg-type]
        same = same and alignment.light is self._light and alignment.mesh is self._mesh
        return same and size == self._size

    def small(self, size: tuple[int, int]) -> Room:
        if size not in self._small:
            seen = self._warper.seen_small(self._H, self._size, size, self._mesh)
            self._small[size] = _blank(apply_light(seen.rgb, self._light), seen.coverage)
        return self._small[size]

    def part(self, where: tuple[slice, slice]) -> Room:
        x0, y0, x1, y1 = _box(where, self._size)
        with self._making:
            if self._made is None or not self._covers((x0, y0, x1, y1)):
                self._make((x0, y0, x1, y1))
            assert self._made is not None
            made, (left, top) = self._made, self._box[:2]
        return made.part(np.s_[y0 - top : y1 - top, x0 - left : x1 - left])

    def _covers(self, box: tuple[int, int, int, int]) -> bool:
        x0, y0, x1, y1 = self._box
        return x0 <= box[0] and y0 <= box[1] and box[2] <= x1 and box[3] <= y1

    def _make(self, box: tuple[int, int, int, int]) -> None:
        width, height = self._size
        x0, y0 = max(0, box[0] - SLACK), max(0, box[1] - SLACK)
        x1, y1 = min(width, box[2] + SLACK), min(height, box[3] + SLACK)
        if self._made is not None:  # grows only: in a still room it soon is all that anybody asks for
            x0, y0 = min(x0, self._box[0]), min(y0, self._box[1])
            x1, y1 = max(x1, self._box[2]), max(y1, self._box[3])
        self._box = (x0, y0, x1, y1)
        seen = self._warper.seen(self._H, self._size, self._box, self._mesh)
        part_of = (x0, y0, width, height)
        self._made = Room(apply_light(seen.rgb, self._light, part_of=part_of), seen.coverage)


class RoomWarper:
    """Makes the rooms of frames from the plate; the same room while nothing changed."""

    def __init__(self, plate: Plate) -> None:
        self._plate = plate
        self._room: WarpedRoom | None = None
        self._shrunk: dict[tuple[int, int], Room] = {}
        self._reduced: tuple[float, Room] | None = None  # a plate of one view, and by how much

    def room(self, alignment: Alignment, size: tuple[int, int]) -> WarpedRoom:
        """The room at size (width, height). The alignment must be usable."""
        if self._room is None or not self._room.fits(alignment, size):
            self._room = WarpedRoom(self, alignment, size)
        return self._room

    def seen(
        self, H: F64, size: tuple[int, int], box: tuple[int, int, int, int], mesh: F32 | None = None
    ) -> Room:
        """The part x0, y0, x1, y1 of the plate seen by a frame of that size, in the plate's own light."""
        plate, (x0, y0, x1, y1) = self._plate, box
        to_part = np.array([[1.0, 0, -x0], [0, 1, -y0], [0, 0, 1]])
        if len(plate.views) > 1:
            return self._composed(H, size, box, mesh)
        room, H = self._at_scale_of(H, size)
        if mesh is not None:
            return _bent(room, H, size, box, mesh)
        if size == plate.size and np.allclose(H, np.eye(3), atol=1e-9):
            return room.part(np.s_[y0:y1, x0:x1])
        return _warped(room, to_part @ H, (x1 - x0, y1 - y0))

    def seen_small(
        self, H: F64, size: tuple[int, int], small: tuple[int, int], mesh: F32 | None = None
    ) -> Room:
        """The whole of it, at the smaller size, as a frame is made small: halved, and the rest bilinear.

        To warp what is small already would look at it twice, and leave it softer than the frame.
        """
        plate = self._plate
        scale = small[0] / size[0], small[1] / size[1]
        to_small = resized_from_original(*scale)
        shifts = None if mesh is None else mesh * np.array(scale, np.float32)
        if len(plate.views) > 1:
            return self._composed(to_small @ H, small, (0, 0, *small), shifts)
        room, H = self._at_scale_of(H, size)
        width, height = room.rgb.shape[1::-1]
        small_from_room = resized_from_original(small[0] / width, small[1] / height)
        if mesh is None and np.allclose(to_small @ H, small_from_room, atol=1e-9):
            return self._shrunk_to(room, small)
        H = to_small @ H
        if halves := halvings(_scale_in_middle(H, small)):
            half = max(1, width >> halves), max(1, height >> halves)
            room, H = (
                self._shrunk_to(room, half),
                H @ resized_from_original(width / half[0], height / half[1]),
            )
        if shifts is not None:
            return _bent(room, H, small, (0, 0, *small), shifts)
        return _warped(room, H, small)

    def plate_xy(self, alignment: Alignment, size: tuple[int, int]) -> F32:
        """Where on the plate each pixel of a frame of that size looks: float32 HxWx2, plate pixels."""
        assert alignment.H is not None
        mesh = alignment.mesh if alignment.mesh is not None else _FLAT
        return bent_map(alignment.H, mesh, size, (0, 0, *size))[0]

    def _shrunk_to(self, room: Room, size: tuple[int, int]) -> Room:
        """`room`, the plate or its reduction, at a smaller size (width, height), made once."""
        if (found := self._shrunk.get(size)) is None:
            found = self._shrunk[size] = shrunk_room(room, size)
        return found

    def _at_scale_of(self, H: F64, size: tuple[int, int]) -> tuple[Room, F64]:
        """The plate of one view and its H; of one that is larger than the frame sees it, as when it was
        recorded at another size, a reduction: the frame was averaged too, by the camera."""
        plate = self._plate
        scale = _scale_in_middle(H, size)
        if scale >= ALIASES:
            return Room(plate.rgb, plate.coverage), H
        held = self._reduced
        if held is None or not 1 / SAME_SCALE < scale / held[0] < SAME_SCALE:
            width, height = (max(1, round(n * scale)) for n in plate.size)
            rgb = cv2.resize(plate.rgb, (width, height), interpolation=cv2.INTER_AREA)
            coverage = plate.coverage
            if coverage is not None:
                coverage = cv2.resize(coverage, (width, height), interpolation=cv2.INTER_AREA)
                cv2.threshold(coverage, 254, 255, cv2.THRESH_BINARY, dst=coverage)
            self._reduced = held = scale, Room(rgb, coverage)
            self._shrunk = {}
        reduced = held[1]
        height, width = reduced.rgb.shape[:2]
        return reduced, H @ resized_from_original(plate.size[0] / width, plate.size[1] / height)

    def _composed(
        self, H: F64, size: tuple[int, int], box: tuple[int, int, int, int], mesh: F32 | None
    ) -> Room:
        """The part of a sweep that a frame sees: composed by H, then shifted by what the mesh adds."""
        x0, y0, x1, y1 = box
        more = 0 if mesh is None else int(np.ceil(np.abs(mesh).max()))
        part = np.array([[1.0, 0, more - x0], [0, 1, more - y0], [0, 0, 1]])
        composed = compose_views(self._plate, part @ H, (x1 - x0 + 2 * more, y1 - y0 + 2 * more))
        room = _known(*composed)
        return room if mesh is None else _bent(room, np.linalg.inv(part), size, box, mesh)


@dataclass(frozen=True, slots=True, eq=False)
class BegunMatte:
    """A matte so far, uint8 of any size, and what finishes it, uint8 HxW. doubted: see core.types.Coarse."""

    alpha_u8: U8
    finish: Callable[[], U8]
    doubted: bool = False


def begin_matte(matter: Matter, rgb: U8, room: WarpedRoom | None) -> BegunMatte:
    """The matte of the person in that room.

    A matter that does not work in parts (see core.types.PartwiseMatter) has finished at once.
    """
    if isinstance(matter, PartwiseMatter):
        coarse = matter.coarse(rgb, room)
        return BegunMatte(coarse.alpha_u8, partial(matter.refined, rgb, room, coarse), coarse.doubted)
    if room is None:
        alpha = matter.matte(rgb, None, None)
    else:
        whole = room.whole()
        alpha = matter.matte(rgb, whole.rgb, whole.coverage)
    return BegunMatte(alpha, lambda: alpha)


def matte_in(matter: Matter, rgb: U8, room: WarpedRoom | None) -> U8:
    """Alpha of the person in that room, uint8 HxW; see core.types.Matter."""
    return begin_matte(matter, rgb, room).finish()


def _warped(room: Room, H: F64, size: tuple[int, int]) -> Room:
    rgb = cv2.warpPerspective(room.rgb, H, size, flags=cv2.INTER_LINEAR)
    if room.coverage is None and _contains(H, room.rgb.shape[1::-1], size):
        return Room(rgb, None)
    seen = room.coverage
    if seen is None:
        seen = np.full(room.rgb.shape[:2], 255, np.uint8)
    # linear on purpose: a pixel that touches the unseen drops below 255 and counts as unseen
    coverage = cv2.warpPerspective(seen, H, size, flags=cv2.INTER_LINEAR)
    cv2.threshold(coverage, 254, 255, cv2.THRESH_BINARY, dst=coverage)
    return _known(rgb, coverage)


def _bent(room: Room, H: F64, size: tuple[int, int], box: tuple[int, int, int, int], mesh: F32) -> Room:
    """The part of a room under H that a frame with a mesh of shifts sees."""
    places, (left, top, right, bottom) = bent_map(H, mesh, size, box)
    rgb = cv2.remap(room.rgb, places, None, cv2.INTER_LINEAR)
    height, width = room.rgb.shape[:2]
    if room.coverage is None and left >= 0 and top >= 0 and right <= width - 1 and bottom <= height - 1:
        return Room(rgb, None)
    seen = room.coverage if room.coverage is not None else np.full((height, width), 255, np.uint8)
    coverage = cv2.remap(seen, places, None, cv2.INTER_LINEAR)
    cv2.threshold(coverage, 254, 255, cv2.THRESH_BINARY, dst=coverage)
    return _known(rgb, coverage)


def _scale_in_middle(H: F64, size: tuple[int, int]) -> float:
    """How many pixels of a frame, one way, a plate's pixel has under H in the middle of the frame."""
    back = np.linalg.inv(H)
    depth = float(back[2] @ ((size[0] - 1) / 2, (size[1] - 1) / 2, 1))
    return max(LEAST_SCALE, float(np.sqrt(abs(depth**3 / np.linalg.det(back)))))


def _contains(H: F64, of: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether a picture of size `of`, warped by H, fills one of that size."""
    x, y, depth = np.linalg.inv(H) @ np.vstack([corners_of(size).T, np.ones(4)])
    if (depth <= 0).any():
        return False
    x, y = x / depth, y / depth
    return bool((x >= 0).all() and (y >= 0).all() and (x <= of[0] - 1).all() and (y <= of[1] - 1).all())


def _blank(rgb: U8, coverage: U8 | None) -> Room:
    """A room that is black where it is not known, as networks are shown it."""
    return Room(rgb if coverage is None else cv2.bitwise_and(rgb, rgb, mask=coverage), coverage)


def _known(rgb: U8, coverage: U8) -> Room:
    return Room(rgb, None if cv2.countNonZero(coverage) == coverage.size else coverage)


def _box(where: tuple[slice, slice], size: tuple[int, int]) -> tuple[int, int, int, int]:
    (y0, y1, _), (x0, x1, _) = where[0].indices(size[1]), where[1].indices(size[0])
    return x0, y0, x1, y1
