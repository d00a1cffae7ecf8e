"""A turn of some degrees is found where a fit does not reach, and where features have nothing to say."""

import numpy as np
import pytest
from rooms import SIZE, error_px, person_in, plate_of, room, seen, turned

from core.align.template import LEVELS
from core.align.turn import BEST, likely_turns
from core.align.views import SmallFrame, small_views


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("pan", "tilt"), [(0.0, 0.0), (-40.0, 0.0), (30.0, -15.0), (12.0, 20.0)])
def test_the_nearest_turn_of_a_grid_is_found_behind_a_person(pan: float, tilt: float, masked: bool):
    rgb, H = room(), turned(pan, tilt)
    frame, alpha = person_in(seen(rgb, H), left=0.25, width=0.5)
    template = small_views(plate_of(rgb), 0)[0].template
    assert template is not None
    hidden = (alpha > 0).astype(np.float32) if masked else None
    found = likely_turns(template, SmallFrame(frame).level(LEVELS - 1), np.eye(3), hidden)
    assert len(found) == BEST
    assert error_px(found[0], H) < 0.02 * SIZE[0], "half a step in each direction"


def test_a_view_whose_pattern_is_too_fine_to_be_seen_coarsely_has_no_turns():
    stripes = np.zeros((*SIZE[::-1], 3), np.uint8)
    stripes[:, ::2] = 60
    template = small_views(plate_of(stripes), 0)[0].template
    assert template is not None
    assert not len(template.levels[-1].value)
    picture = SmallFrame(seen(stripes, np.eye(3))).level(LEVELS - 1)
    assert likely_turns(template, picture, np.eye(3), None) == []
