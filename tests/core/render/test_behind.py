"""What stands behind the person can be changed between two frames, by whoever is not the loop."""

import threading

import numpy as np
import pytest

from core.errors import MediaError, SettingsError
from core.render.backdrops import Background, ColourBackdrop, Kind, parse_background
from core.types import Plate, State, View
from tests.core.render.test_renderer import PERSON, ROOM, H, W, aligned, compositor, frame, room_share

RED = (200, 0, 0)


class Watched(ColourBackdrop):
    """Tells when it was closed, and is broken from then on."""

    closed = 0

    def picture(self, size, time_ns):
        if self.closed:
            raise MediaError("closed")
        return super().picture(size, time_ns)

    def close(self) -> None:
        self.closed += 1


def red() -> tuple[Background, Watched]:
    return Background(Kind.PICTURE, path=None), Watched(RED)


@pytest.mark.parametrize("start", ["blur", "#00b140", "none"])
def test_from_the_next_frame_on_another_picture_stands_behind(start):
    c = compositor(start)
    c.render(frame(0), aligned())
    begun = c.begin(frame(1), aligned())
    c.change(*red())
    assert not (begun.finish().rgb[:30] == RED).all(), "this one was begun before"
    picture = c.render(frame(2), aligned())
    assert (picture.rgb[:30] == RED).all()
    assert (picture.rgb[PERSON] == (250, 10, 10)).all()


def test_from_a_picture_to_the_blurred_room_with_and_without_a_plate_that_fits():
    c = compositor("#00b140")
    c.change(parse_background("blur:0.5"), None)
    for state in (State.LOST, State.LOCKED):
        picture = c.render(frame(), aligned(state))
        assert not (picture.rgb[:30] == (0, 177, 64)).all()
        assert room_share(picture.rgb) < 0.5


def test_the_other_one_is_closed_when_no_frame_needs_it_any_more():
    c, (first, second) = compositor("#00b140"), (red(), red())
    c.change(*first)
    begun = c.begin(frame(0), aligned())
    c.change(*second)
    other = c.begin(frame(1), aligned())
    assert (begun.finish().rgb[:30] == RED).all(), "not closed: this frame needs it"
    assert not first[1].closed
    assert (other.finish().rgb[:30] == RED).all()
    assert (first[1].closed, second[1].closed) == (1, 0)
    c.close()
    assert second[1].closed


def test_of_two_changes_before_a_frame_the_last_one_counts_and_both_are_closed():
    c, (first, second, never) = compositor("#00b140"), (red(), red(), red())
    c.change(*first)
    c.change(*second)
    assert first[1].closed == 1
    assert (c.render(frame(), aligned()).rgb[:30] == RED).all()
    c.change(*never)
    c.close()
    assert second[1].closed
    assert never[1].closed


@pytest.mark.parametrize("change_first", [False, True])
def test_a_refreshed_plate_keeps_the_choice_and_a_choice_the_refreshed_plate(change_first):
    fresh = np.where(ROOM > 100, ROOM - 60, ROOM).astype(np.uint8)
    plate = Plate("room", (W, H), (View(fresh),))
    c = compositor("#00b140")
    take_over = c.prepare(plate)
    if change_first:
        c.change(parse_background("blur:0.2"), None)
        c.render(frame(0), aligned())
        take_over()
    else:
        c.change(parse_background("blur:0.2"), None)
        take_over()
    shown = c.render(frame(1), aligned()).rgb

    expected = compositor("blur:0.2")
    expected.prepare(plate)()
    assert (shown == expected.render(frame(1), aligned()).rgb).all()


def test_a_held_picture_is_not_shown_before_another_background():
    c = compositor("#00b140", when_lost="freeze")
    c.render(frame(0), aligned())
    c.change(*red())
    assert (c.render(frame(1), aligned(State.LOST)).rgb[:30] == RED).all()


@pytest.mark.parametrize(
    ("start", "wanted"), [("blur", "none"), ("blur", "transparent"), ("transparent", "blur")]
)
def test_the_room_is_not_bared_and_transparency_not_begun_while_it_runs(start, wanted):
    c = compositor(start)
    before = c.render(frame(), aligned())
    with pytest.raises(SettingsError, match="for a whole run: choose it by --background"):
        c.change(parse_background(wanted), None)
    after = c.render(frame(), aligned())
    assert (before.rgb == after.rgb).all()
    assert before.straight == after.straight


def test_changes_from_other_threads_never_show_half_of_two_backgrounds():
    c = compositor("#00b140")
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            c.change(parse_background("blur"), None)
            c.change(*red())

    blurred = tuple(compositor("blur").render(frame(), aligned()).rgb[5, 5])
    seen: set[tuple[int, ...]] = set()
    thread = threading.Thread(target=change)
    thread.start()
    try:
        while not {RED, blurred} <= seen:
            seen.add(tuple(c.render(frame(), aligned()).rgb[5, 5]))
            assert seen <= {RED, blurred, (0, 177, 64)}
    finally:
        stop.set()
        thread.join()
