"""Small local shifts that no homography shows: slight parallax, a lens that bends, lines read one by one.

A coarse grid of shifts over the view, fitted to two thirds of the template's samples and tied together
so that it bends smoothly through what is under the person, new or bare. It is used only where it
brings the other third of the samples nearer to the plate.
"""

from __future__ import annotations

import numpy as np

from core.align.elastic import GRID, ElasticGrid, bilinear
from core.align.geometry import inverse, moved
from core.align.refine import Comparison, compare, in_sight
from core.align.template import RESIZES, Template
from core.align.views import SmallFrame
from core.types import F32, F64

MOST_PX = 6.0  # of the working picture, as all px here: further is another homography
WORTH_PX = 0.25  # largest shift below which a mesh costs more than it mends
START_GAIN = 0.06  # share of the held-out residual that a mesh must take away to be used,
KEEP_GAIN = 0.02  # and to stay
NEWS_PX = 0.06  # a still camera's mesh is left alone until it is off by this much
TRY_EVERY = 4  # looks: between tries without a mesh, and between looks for larger shifts
_PATIENCE = 3  # looks in a row that must be against it
_DOUBT = 0.92  # share of cells that agree, below which larger shifts are looked for
_HELD_OUT = 3  # one of so many samples of a cell
_ALIKE = 0.2  # correlation below which a cell shows something else, not the plate a little off
_MOST_KNOWN = 600.0  # 1/px² of a cell: one poster does not bend the room
_TRUST = (0.2, 0.7)  # correlation for weight 0 and 1: a cell that is two pixels off correlates less
_TUKEY = 3.0  # times the cell's own residual, for one that is off has more of it than noise
_COARSE_TO_FINE = (2, 2, 1, 1, 0, 0)  # levels: a shift of five pixels is found at a quarter of the size


class RoomMesh:
    """The shifts since the plate was found. `mesh` is None while none is worth its while, else as in
    Alignment, in working pixels, and the same object while it need not change.

    What looks exactly like the plate and has moved by less than MOST_PX is taken for the room; a person
    does not.
    """

    def __init__(self) -> None:
        self.mesh: F32 | None = None
        self._shift = np.zeros((*GRID, 2))
        self._looks = self._against = 0
        self._cells: tuple[_Cells, ...] = ()

    def update(
        self,
        template: Template,
        H: F64,
        frame: SmallFrame,
        hidden: F32 | None,
        plain: Comparison,
        still: bool,
    ) -> None:
        """Follows with one more look at the frame; without a mesh, looks now and then whether one is due.

        Args:
            template, H: float64 3x3, the view and where it is, view's to frame's working pixels.
            hidden: float32 of any size, 1 under the person.
            plain: the comparison at level 0 under H alone.
            still: H is held, and so is a mesh that hardly changes; looks are far apart then.
        """
        if not self._cells or self._cells[0].level is not template.levels[0]:
            self._cells = tuple(_Cells(template, index) for index in range(max(_COARSE_TO_FINE) + 1))
            self._forget()
        self._looks += 1
        due = still or self._looks % TRY_EVERY == 0
        if self.mesh is None and not due:
            return
        fine, shift = self._cells[0], self._shift
        look = plain if self.mesh is None else fine.look(H, shift, frame, hidden)
        step = fine.step(look, shift)
        gain = fine.gain(plain, look, step)
        if due and (_doubtful(look) or (self.mesh is None and gain > START_GAIN)):
            coarse, look, last = self._from_coarse(H, frame, hidden)
            better = fine.gain(plain, look, last)
            if better > gain:
                shift, step, gain = coarse, last, better
        shift = np.clip(shift + step, -MOST_PX, MOST_PX)
        least_gain, least_px = (START_GAIN, WORTH_PX) if self.mesh is None else (KEEP_GAIN, WORTH_PX / 2)
        worth = gain > least_gain and float(np.abs(shift).max()) > least_px
        self._against = 0 if worth else self._against + 1
        if not worth and (self.mesh is None or self._against >= _PATIENCE):
            self._forget()
            return
        self._shift = shift
        mesh = _in_frame(shift, H, template.size, frame.size)
        if not (still and self.mesh is not None and float(np.abs(mesh - self.mesh).max()) < NEWS_PX):
            self.mesh = mesh

    def _from_coarse(self, H: F64, frame: SmallFrame, hidden: F32 | None) -> tuple[F64, Comparison, F64]:
        """Larger shifts than the finest level can see: the shift, a look with it, and a last step."""
        shift = self._shift
        for index in _COARSE_TO_FINE[:-1]:
            cells = self._cells[index]
            if len(cells.level.value):  # a small picture has none at a quarter of its size
                shift = shift + cells.step(cells.look(H, shift, frame, hidden), shift)
        cells = self._cells[_COARSE_TO_FINE[-1]]
        look = cells.look(H, shift, frame, hidden)
        return shift, look, cells.step(look, shift)

    def _forget(self) -> None:
        self.mesh, self._against, self._shift = None, 0, np.zeros((*GRID, 2))


class _Cells:
    """A level's samples, with what a shift of a cell changes in them. Shifts are in pixels of level 0."""

    def __init__(self, template: Template, index: int) -> None:
        self._index, self._scale = index, 0.5**index
        self.level = level = template.levels[index]
        cells, count = level.value.shape
        self._fit = count - count // _HELD_OUT
        self._xy1 = level.xy1.reshape(3, cells, count)
        J = level.jacobian.reshape(8, cells, count) * np.float32(self._scale)
        bend = np.float32(1 / template.focal**2)  # what a turning camera adds to the plain slopes of the grey
        self._gx, self._gy = J[0] - bend * J[6], J[1] - bend * J[7]
        self._grid = ElasticGrid(self._xy1[0].mean(1), self._xy1[1].mean(1), level.size)

    def look(self, H: F64, shift: F64, frame: SmallFrame, hidden: F32 | None) -> Comparison:
        """The comparison with the mesh."""
        by = self._grid.at_places(shift) * np.float32(self._scale)
        shrink, enlarge = RESIZES[self._index]
        H = shrink @ H @ enlarge
        xy1 = self._xy1.copy()
        xy1[:2] -= by.T[..., None]
        p = (H.astype(np.float32) @ xy1.reshape(3, -1)).reshape(xy1.shape)
        inverse = 1 / np.maximum(p[2], 1e-6)
        places, picture = (p[0] * inverse, p[1] * inverse), frame.level(self._index)
        sight = in_sight(self.level, places, (picture.shape[1], picture.shape[0]), hidden)
        return compare(picture, sight, places)

    def step(self, look: Comparison, shift: F64) -> F64:
        """What the shift should change by, given a look with it: least squares, tied to its neighbours."""
        fit = self._fit
        r, gx, gy = (
            look.residual.reshape(self.level.value.shape)[:, :fit],
            self._gx[:, :fit],
            self._gy[:, :fit],
        )
        low, high = _TRUST
        trust = np.clip((look.correlation - low) * np.float32(1 / (high - low)), 0, 1) * look.judged
        variance = np.maximum(np.einsum("ck,ck->c", r, r) * np.float32(1 / fit), np.float32(look.noise**2))
        w = np.square(np.maximum(1 - r * r * (1 / (_TUKEY**2 * variance))[:, None], 0))
        wx, wy = w * gx, w * gy
        xx, xy, yy, bx, by = (
            np.einsum("ck,ck->c", a, b) for a, b in ((wx, gx), (wx, gy), (wy, gy), (wx, r), (wy, r))
        )
        scale = trust / np.maximum(variance, (xx + yy) * np.float32(1 / _MOST_KNOWN))
        known = xx * scale, xy * scale, yy * scale
        return self._grid.step(known, (bx * scale, by * scale), shift)

    def gain(self, plain: Comparison, look: Comparison, step: F64) -> float:
        """Share of the held-out residual that look's mesh takes away after a further step; below 0 where
        it adds to it. Cells that show something else, not the plate a little off, do not count."""
        by = self._grid.at_places(step)
        fit, shape = self._fit, self.level.value.shape
        before, after = (a.residual.reshape(shape)[:, fit:] for a in (plain, look))
        after = after - self._gx[:, fit:] * by[:, :1] - self._gy[:, fit:] * by[:, 1:]
        among = plain.judged & look.judged & (np.maximum(plain.correlation, look.correlation) > _ALIKE)
        b, a = (np.sqrt(np.einsum("ck,ck->c", r, r))[among].sum() for r in (before, after))
        return 1 - float(a) / max(float(b), 1e-6)


def _doubtful(look: Comparison) -> bool:
    """Whether many cells differ from the plate: something new, or something nearer that has moved on."""
    return int(np.count_nonzero(look.agrees)) < _DOUBT * int(np.count_nonzero(look.judged))


def _in_frame(shift: F64, H: F64, view_size: tuple[int, int], size: tuple[int, int]) -> F32:
    """The shifts as in Alignment, working pixels of the frame: float32 of the mesh's shape."""
    rows, columns = GRID
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * size[0] / columns - 0.5, (np.arange(rows) + 0.5) * size[1] / rows - 0.5
    )
    here = np.asarray(np.stack([x.ravel(), y.ravel()], 1), np.float64)
    there = moved(inverse(H), here)
    at = there
    for _ in range(2):
        at = np.asarray(there + bilinear(at[:, 0], at[:, 1], view_size) @ shift.reshape(-1, 2), np.float64)
    return np.asarray((here - moved(H, at)).reshape(*GRID, 2), np.float32)
