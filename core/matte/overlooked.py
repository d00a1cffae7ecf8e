"""Whom the network overlooks though a segmenter and the room say where they are.

Somebody small, or an arm of a colour that the network knows from rooms, was half transparent or gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.matte.prior import disc, surely_people
from core.types import U8

CLEARLY = 50  # grey levels from the room: no light or noise that is left changes so much
OUTLINE_FROM = 128  # of a mask, for how far somebody reaches who is there
HOLE = 0.032  # of the height: what is narrower is a gap in hair, or an edge that the network draws better
EDGE_PX = 1.5  # sigma of an outline that is drawn without the network


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Of somebody, but for the network, uint8 HxW: sure is 255 well within, outline as far as they reach."""

    sure: U8
    outline: U8


def evidence_of(mask: U8, apart: U8, rough: U8) -> Evidence | None:
    """What a mask (uint8 HxW, of SelfieSegmenter) and `apart` say together; None where the matte so far says
    the same, as it nearly always does: then a fifth of a millisecond is all that is spent.

    apart: by how many levels the frame differs from its room. rough: that matte. Both uint8 of any size.
    """
    people = surely_people(mask)
    small = people.shape[::-1]
    clear = cv2.resize(apart, small, interpolation=cv2.INTER_AREA)
    people = cv2.bitwise_and(people, cv2.threshold(clear, CLEARLY, 255, cv2.THRESH_BINARY)[1])
    people = cv2.erode(people, np.ones((3, 3), np.uint8))
    seen = cv2.resize(rough, small, interpolation=cv2.INTER_AREA)
    hole = cv2.bitwise_and(people, cv2.threshold(seen, 127, 255, cv2.THRESH_BINARY_INV)[1])
    if not cv2.erode(hole, disc(1)).any():
        return None
    size = mask.shape[::-1]
    another = cv2.resize(apart, size, interpolation=cv2.INTER_LINEAR)
    outline = cv2.bitwise_and(
        cv2.threshold(mask, OUTLINE_FROM - 1, 255, cv2.THRESH_BINARY)[1],
        cv2.threshold(another, CLEARLY / 2, 255, cv2.THRESH_BINARY)[1],
    )
    outline = cv2.GaussianBlur(outline, (0, 0), EDGE_PX)
    return Evidence(cv2.resize(people, size, interpolation=cv2.INTER_LINEAR), outline)


def with_overlooked(alpha: U8, evidence: Evidence) -> U8:
    """A matte, uint8 of any size, in which is who it hardly saw: the array itself where it saw everybody."""
    size = alpha.shape[::-1]
    sure = evidence.sure
    if sure.shape != alpha.shape:
        sure = cv2.resize(sure, size, interpolation=cv2.INTER_AREA)
    hole = cv2.bitwise_and(sure, cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY_INV)[1])
    radius = max(1, round(HOLE * size[1] / 2))
    hole = cv2.morphologyEx(hole, cv2.MORPH_OPEN, disc(radius))
    if not hole.any():
        return alpha
    outline = evidence.outline
    if outline.shape != alpha.shape:
        outline = cv2.resize(outline, size, interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(cv2.dilate(hole, disc(5 * radius)), (0, 0), float(radius))
    return cv2.max(alpha, cv2.min(near, cv2.max(outline, hole)))
