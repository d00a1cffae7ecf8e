"""Edges are the closer look's, what is large is the coarser one's."""

from __future__ import annotations

import numpy as np
import pytest

from core.matte.looks import BESIDE, may_lack, with_edges_of, with_large_of

LARGE, SMALL = (704, 1280), (480, 832)
NOBODY = np.zeros((120, 208), np.uint8)  # near


def person(shape: tuple[int, int]) -> np.ndarray:
    """Somebody from a quarter of the width to a half, over all of the height."""
    alpha = np.zeros(shape, np.uint8)
    alpha[:, shape[1] // 4 : shape[1] // 2] = 255
    return alpha


def test_an_edge_is_where_the_closer_look_has_it() -> None:
    closer = person(LARGE)
    closer[:, 320] = 0  # a pixel further in
    assert (with_edges_of(person(SMALL), closer) == closer).all()


@pytest.mark.parametrize(("moved", "taken"), [(1, 1.0), (2, 0.6), (4, 0.0)])
def test_a_long_edge_moves_in_by_a_pixel_or_two_and_out_by_five(moved: int, taken: float) -> None:
    """Further in it would take away an area: on a picture 704 px high the limits are 1.1 and 3.3 px."""
    closer = person(LARGE)
    closer[:, 320 : 320 + moved] = 0
    inwards = with_edges_of(person(LARGE), closer)[:, 320 : 320 + moved]
    assert 1 - inwards.mean() / 255 == pytest.approx(taken, abs=0.08)
    closer[:, 640 : 640 + moved] = 255
    assert (with_edges_of(person(LARGE), closer)[:, 640 : 640 + moved] == 255).all()


def test_a_gap_between_strands_is_the_closer_look_s() -> None:
    coarse, closer = np.zeros(LARGE, np.uint8), np.zeros(LARGE, np.uint8)
    closer[:, 320:640] = coarse[:, 320:640] = 255
    closer[:, 400:402], coarse[:, 398:404] = 0, 180
    found = with_edges_of(coarse, closer)
    assert (found[:, 400:402] == 180).all(), "it is nowhere less than all that the coarse look has near by"
    assert (found[:, 396:399] == 255).all(), "nor as wide a gap as the coarse one has"


def test_a_closer_look_takes_nothing_away_over_an_area() -> None:
    """A thing with dark and light parts in a coarse look: each part's neighbours allow what is dark."""
    coarse = person(LARGE)
    coarse[200:400, 360:560] = np.where(np.arange(200) % 12 < 6, 255, 100)
    closer = person(LARGE)
    closer[200:400, 360:560] = 0
    found = with_edges_of(coarse, closer)
    inside = (slice(230, 370), slice(390, 530))
    assert np.abs(found[inside].astype(int) - coarse[inside]).max() <= 1
    assert (found[500:, 340:620] == 255).all()


def test_what_is_large_and_was_lost_comes_back_from_afar() -> None:
    alpha, afar = person(SMALL), person((288, 512))
    alpha[150:350, 230:416] = 0  # most of a body
    afar[:, 256:257] = 255  # an edge that is a little off
    found = with_large_of(alpha, afar, person((120, 208)))
    assert (found[180:320, 240:400] >= 250).all()
    assert (found[:90, 418:] == 0).all(), "the edges stay the usual look's"


def test_of_what_was_lost_beside_somebody_comes_back_what_is_beside() -> None:
    alpha, afar = person(SMALL), person((288, 512))
    afar[100:200, 256:400] = 255  # a thing in hand
    found = with_large_of(alpha, afar, NOBODY)
    assert (found[200:300, 416:430] >= 200).all()
    assert (found[:, 416 + round(3 * BESIDE * SMALL[0]) :] == 0).all()


def test_what_nobody_is_near_stays_away() -> None:
    alpha, afar = person(SMALL), person((288, 512))
    afar[100:200, 400:480] = 255
    beyond = 416 + round(3 * BESIDE * SMALL[0])
    assert (with_large_of(alpha, afar, NOBODY)[:, beyond:] == 0).all()


def test_what_is_small_or_less_in_the_look_from_afar_is_left() -> None:
    alpha, afar = person(SMALL), person((288, 512))
    alpha[200:206, 300:306] = 0
    afar[:100] = 0
    assert with_large_of(alpha, afar, NOBODY) is alpha


@pytest.mark.parametrize("shape", [SMALL, (120, 208)])
@pytest.mark.parametrize(("side", "lacks"), [(0, False), (10, False), (60, True)])
def test_a_place_without_somebody_of_whom_the_mask_is_sure(shape: tuple[int, int], side: int, lacks: bool):
    alpha = person(SMALL)
    alpha[200 : 200 + side, 260 : 260 + side] = 0
    step = SMALL[0] // shape[0]
    assert may_lack(alpha[::step, ::step], person(SMALL)) == lacks
    unsure = person(SMALL) // 255 * 200
    assert not may_lack(alpha[::step, ::step], unsure)
