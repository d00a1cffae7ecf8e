"""Cut-outs from people filmed before a wall of one colour, whatever the colour and however uneven.

Arrays are RGB float32 0..1, HxWx3, unless the name says otherwise. The colour-difference idea is
Vlahos's (Smith & Blinn, "Blue Screen Matting", SIGGRAPH 1996, sec. 3), along the wall's own hue
instead of green; alpha in the edge band is the compositing equation solved with both colours known.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.errors import MediaError
from core.types import F32, U8

_BORDER_SHARE = 0.08  # of the picture's sides: where the wall is looked for
_LEAST_WALL_SHARE = 0.3  # of the border pixels must be of one hue
_LEAST_CHROMA = 0.12  # of a wall; below it, grey
_HUE_COS = 0.95  # 18 degrees around the wall's hue
_LEAST_SATURATION = 0.6  # of the wall's own: skin before a yellow wall has a third
_DARKEST = 0.2  # of the wall's brightness: below, hue is noise
_LIKE_ROOM = 0.1  # a channel's difference from the room's colour, which noise and light explain
_MIXED, _SURE_PERSON = 0.7, 0.9  # colour difference of strands before the wall, and of the person
_LEAST_ROOM, _MOST_ROOM = 0.03, 0.12  # alpha below which noise of the wall is cut off, by that noise
_FULL = 0.95  # alpha from which a pixel is the person alone
_CORE_MASK = 0.9  # a segmenter's value deep inside a person
_REACH = 0.05  # of the height: how far hair may stand out of a segmenter's mask
_CHROMA_BLEED = 0.004  # of the height, and a pixel: at the edge colours are the wall's as well
_NICK_PX = 2  # a chroma sample of 4:2:0 video spoils so much of an outline
_SMALL = 360  # px of height below which such nicks are wider than what they cost in hair
_NEIGHBOURHOOD = 0.06  # of the height: where wall seen through a person is counted
_LEAST_SEEN = 0.03  # of it must be wall; less is a reflection, a button
_LIGHT = 0.25  # how far the edge may differ in brightness from the person near it
_BITS = 1 / 255


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """rgba: uint8 HxWx4, straight alpha, spill taken out. wall_share: 0..1 of the outline before the wall.

    cut: the person goes over the left, right or upper side of the picture.
    """

    rgba: U8
    wall_share: float
    cut: bool


def estimate_key(frames: list[U8]) -> F32:
    """The wall's colour, float32 3 RGB 0..1, from the border of a clip's frames (uint8 HxWx3).

    The lower border is left out: people stand there.
    Raises:
        MediaError: no colour fills a third of the border, or it is grey.
    """
    border = np.concatenate([_border(frame) for frame in frames]).astype(np.float32) * np.float32(_BITS)
    chroma = _chroma(border)
    strength = np.linalg.norm(chroma, axis=-1)
    # two axes of the plane in which grey is the origin
    u = (2 * border[:, 0] - border[:, 1] - border[:, 2]) / np.sqrt(6)
    v = (border[:, 1] - border[:, 2]) / np.sqrt(2)
    counts, edges = np.histogram(np.arctan2(v, u), 72, (-np.pi, np.pi), weights=strength)
    counts += np.roll(counts, 1) + np.roll(counts, -1)
    hue = edges[int(counts.argmax())] + np.pi / 72
    near = (strength > _LEAST_CHROMA) & (np.cos(np.arctan2(v, u) - hue) > _HUE_COS)
    if near.mean() < _LEAST_WALL_SHARE:
        raise MediaError(
            f"only {near.mean():.0%} of the border has one strong colour, {_LEAST_WALL_SHARE:.0%} are "
            "needed: give its colour with --key '#rrggbb', or film with more of the wall in the picture"
        )
    return np.median(border[near], axis=0).astype(np.float32)


def key_frame(frame: U8, key: F32, mask: F32, region: F32 | None = None) -> Cutout:
    """The person of one frame, cut out.

    Args:
        frame: uint8 HxWx3.
        key: colour of the wall, float32 3, 0..1.
        mask: a segmenter's guess of the person, float32 HxW 0..1: garbage matte and guard against holes.
        region: float32 Nx2, corners (x, y) 0..1 of the picture's sides; all outside is garbage. None: all.
    """
    rgb = frame.astype(np.float32) * np.float32(_BITS)
    height = frame.shape[0]
    axis = _axis(key)
    wall = wall_pixels(rgb, key)
    room = spread(rgb, _shrunk(wall & (mask < 0.5), _bleed_px(height)))

    excess, room_excess = _excess(rgb, axis), np.maximum(_excess(room, axis), np.float32(0.05))
    difference: F32 = np.clip(1 - excess / room_excess, 0, 1)  # 0 wall, 1 nothing of the wall
    inside = _inside(difference, mask, wall & (np.abs(rgb - room).max(-1) < _LIKE_ROOM))
    allowed = _allowed(mask, region)
    sure = (inside | (difference > _SURE_PERSON)) & allowed
    person = spread(rgb, _shrunk(sure, _bleed_px(height)))

    # alpha: where the pixel lies on the line from the room's colour to the person's
    line = person - room
    along = ((rgb - room) * line).sum(-1) / np.maximum((line * line).sum(-1), 1e-4)
    cut = _noise_of(along, wall & ~allowed)
    alpha = np.clip((along - cut) / (_FULL - cut), 0, 1)
    alpha[inside] = 1
    alpha[~allowed] = 0
    alpha = _tidied(alpha, mask)
    fgr = _without_spill(rgb, room, person, alpha, axis)
    rgba = np.dstack([fgr, alpha])
    return Cutout(
        rgba=(np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8),
        wall_share=_wall_share(alpha, wall),
        cut=bool((alpha[0] > 0.5).any() or (alpha[:, 0] > 0.5).any() or (alpha[:, -1] > 0.5).any()),
    )


def wall_pixels(rgb: F32, key: F32) -> np.ndarray:
    """bool HxW: of the wall's hue, about as saturated, in whatever light."""
    axis = _axis(key)
    chroma, brightness = _chroma(rgb), rgb.max(-1)
    strength = np.linalg.norm(chroma, axis=-1)
    saturation = np.linalg.norm(_chroma(key)) / key.max()
    return (
        (chroma @ axis > _HUE_COS * strength)
        & (strength > _LEAST_SATURATION * saturation * brightness)
        & (brightness > _DARKEST * key.max())
    )


def spread(rgb: F32, known: np.ndarray) -> F32:
    """rgb where `known` (bool HxW), else the nearest known colours, smoothly: averages of growing cells.

    Where nothing at all is known, rgb itself.
    """
    weight = known.astype(np.float32)
    if not known.any():
        return rgb.copy()
    colour = rgb * weight[..., None]
    levels = [(colour, weight)]
    while min(levels[-1][1].shape) > 1:
        half = tuple((n + 1) // 2 for n in levels[-1][1].shape[::-1])
        c, w = (cv2.resize(a, half, interpolation=cv2.INTER_AREA) for a in levels[-1])
        levels.append((c, w))
    c, w = levels[-1]
    filled = np.full((*w.shape, 3), rgb[known].mean(0), np.float32)
    for c, w in reversed(levels):
        filled = cv2.resize(filled, w.shape[::-1], interpolation=cv2.INTER_LINEAR).reshape(*w.shape, 3)
        trust = np.minimum(1, 4 * w)[..., None]
        filled = trust * c / np.maximum(w, 1e-6)[..., None] + (1 - trust) * filled
    return filled.astype(np.float32)


def _border(frame: U8) -> U8:
    height, width = frame.shape[:2]
    b = max(1, round(_BORDER_SHARE * min(height, width)))
    upper = frame[: 2 * height // 3]
    return np.concatenate([part.reshape(-1, 3) for part in (frame[:b], upper[:, :b], upper[:, -b:])])


def _chroma(rgb: F32) -> F32:
    return rgb - rgb.mean(-1, keepdims=True)


def _axis(key: F32) -> F32:
    """Direction of the wall's hue from grey, of length 1."""
    chroma = _chroma(key)
    return (chroma / np.linalg.norm(chroma)).astype(np.float32)


def _excess(rgb: F32, axis: F32) -> F32:
    """How much of the wall's hue is in it, HxW, over what any colour near that hue has."""
    chroma = _chroma(rgb)
    along = chroma @ axis
    across = np.sqrt(np.maximum((chroma * chroma).sum(-1) - along * along, 0))
    return np.maximum(along - across, 0)


def _bleed_px(height: int) -> int:
    return 1 + max(1, round(_CHROMA_BLEED * height))


def _disc(radius_px: int) -> U8:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)


def _shrunk(mask: np.ndarray, radius_px: int) -> np.ndarray:
    return cv2.erode(mask.astype(np.uint8), _disc(radius_px)).astype(bool)


def _grown(mask: np.ndarray, radius_px: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), _disc(radius_px)).astype(bool)


def _noise_of(along: F32, wall: np.ndarray) -> float:
    """Alpha that the wall's own noise reaches, from pixels that are wall for sure."""
    if not wall.any():
        return _MOST_ROOM
    return float(np.clip(np.quantile(np.abs(along[wall]), 0.98), _LEAST_ROOM, _MOST_ROOM))


def _inside(difference: F32, mask: F32, wall: np.ndarray) -> np.ndarray:
    """Pixels that are the person for sure: what the segmenter has no doubt of, and closed holes in it.

    Where the wall is seen through the person, between strands of hair or under an arm, the segmenter
    is not heard; wall: bool HxW, pixels that are wall by their colour. A speck of such a colour is no
    wall.
    """
    height = difference.shape[0]
    side = 2 * round(_NEIGHBOURHOOD * height / 2) + 1
    core = _shrunk(mask > _CORE_MASK, round(0.02 * height) + 1)
    seen = cv2.blur((wall & core).astype(np.float32), (side, side)) > _LEAST_SEEN
    through = _grown(wall & seen, 2 * _bleed_px(height)) | (seen & (difference < _MIXED))
    core &= ~through
    solid = (difference > _SURE_PERSON) | core
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~solid).astype(np.uint8))
    filled = solid.copy()
    for label in range(1, count):
        x, y, w, h = (int(n) for n in stats[label][:4])
        box = np.s_[y : y + h, x : x + w]
        hole = labels[box] == label
        closed = x > 0 and y > 0 and x + w < solid.shape[1] and y + h < solid.shape[0]
        if closed and mask[box][hole].mean() > 0.5 and not through[box][hole].any():
            filled[box] |= hole
    # a thin rim of `filled` may be edge: one pixel of it is left to the equation
    return (_shrunk(filled, 1) & ~through) | core


def _allowed(mask: F32, region: F32 | None) -> np.ndarray:
    """The garbage matte: near the segmenter's person, and inside the region."""
    height, width = mask.shape
    allowed = _grown(mask > 0.5, round(_REACH * height) + 1)
    if region is not None:
        drawn = np.zeros((height, width), np.uint8)
        cv2.fillPoly(drawn, [np.round(region * (width, height)).astype(np.int32)], 1)
        allowed &= drawn.astype(bool)
    return allowed


def _tidied(alpha: F32, mask: F32) -> F32:
    """alpha without nicks of compression, and without parts apart from the segmenter's person."""
    if alpha.shape[0] < _SMALL:
        alpha = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, _disc(_NICK_PX))
    count, labels = cv2.connectedComponents((alpha > 0.05).astype(np.uint8))
    kept = np.zeros(count, bool)
    kept[np.unique(labels[(mask > 0.5) & (alpha > 0.5)])] = True
    kept[0] = False
    return np.where(kept[labels], alpha, 0).astype(np.float32)


def _without_spill(rgb: F32, room: F32, person: F32, alpha: F32, axis: F32) -> F32:
    """The person's own colour: brightness by the compositing equation, hue at the edge from inside."""
    a = alpha[..., None]
    solved = np.clip((rgb - (1 - a) * room) / np.maximum(a, 0.1), 0, 1)
    # In the band video has half the colour resolution, so only the brightness of `solved` is believed.
    light = solved.mean(-1, keepdims=True) - person.mean(-1, keepdims=True)
    edge = np.clip(person + np.clip(light, -_LIGHT, _LIGHT), 0, 1)
    near_edge = cv2.GaussianBlur(cv2.erode(alpha, _disc(_bleed_px(alpha.shape[0]))), (0, 0), 1.0)[..., None]
    fgr = near_edge * solved + (1 - near_edge) * edge
    surplus = np.maximum(_excess(fgr, axis) - _excess(person, axis), 0)
    surplus = np.maximum(surplus, _excess(fgr, axis) * (1 - near_edge[..., 0]))
    return np.clip(fgr - surplus[..., None] * axis, 0, 1).astype(np.float32)


def _wall_share(alpha: F32, wall: np.ndarray) -> float:
    """Share of the pixels around the person that are wall; 0 where nobody is."""
    height = alpha.shape[0]
    near, far = _bleed_px(height), 2 * _bleed_px(height) + 2
    ring = _grown(alpha > 0.1, far) & ~_grown(alpha > 0.1, near)
    return float(wall[ring].mean()) if ring.any() else 0.0
