"""Who is overlooked by the network, and seen by all else, is in the matte."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.matte.overlooked import CLEARLY, evidence_of, with_overlooked

SIZE = (480, 832)


def scene(levels: int = CLEARLY + 10) -> tuple[np.ndarray, np.ndarray]:
    """A mask of two people, of whom it is sure of the left one, and a frame that is not as its room from
    column 350 on."""
    mask, apart = np.zeros(SIZE, np.uint8), np.zeros((240, 416), np.uint8)
    mask[200:300, 300:400], mask[200:300, 600:700] = 250, 200
    apart[:, 175:] = levels
    return mask, apart


@pytest.mark.parametrize("shape", [SIZE, (120, 208)])
def test_who_is_overlooked_is_shown_to_their_outline(shape: tuple[int, int]) -> None:
    alpha = np.full(shape, 100, np.uint8)
    evidence = evidence_of(*scene(), alpha)
    assert evidence is not None
    found = with_overlooked(alpha, evidence)
    times = SIZE[0] // shape[0]
    assert (found[212 // times : 288 // times, 366 // times : 390 // times] >= 250).all()
    found[190 // times : 310 // times, 340 // times : 410 // times] = 100
    assert (found == 100).all(), "mask and room must both say so, and the mask be sure"


def test_what_the_room_s_light_may_do_says_nothing() -> None:
    assert evidence_of(*scene(CLEARLY - 5), np.zeros(SIZE, np.uint8)) is None


def test_nothing_more_is_asked_where_the_matte_so_far_sees_everybody() -> None:
    rough = np.full((120, 208), 200, np.uint8)
    rough[55:70, 90:92] = 0  # a gap in hair
    assert evidence_of(*scene(), rough) is None


def test_whom_the_network_sees_and_what_is_small_stay_as_they_are() -> None:
    evidence = evidence_of(*scene(), np.zeros(SIZE, np.uint8))
    alpha = np.full(SIZE, 140, np.uint8)
    assert with_overlooked(alpha, evidence) is alpha
    alpha[240:280, 368:372] = 100
    assert with_overlooked(alpha, evidence) is alpha, "as between strands of hair"


def test_a_hole_is_filled_without_a_seam() -> None:
    mask, apart = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    cv2.circle(mask, (400, 240), 150, (255,), -1)
    cv2.circle(apart, (400, 240), 150, (120,), -1)
    alpha = mask.copy()
    alpha[200:280, 380:420] = 0
    assert (with_overlooked(alpha, evidence_of(mask, apart, alpha)) >= mask).all()
