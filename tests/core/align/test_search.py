"""When the plate is searched for, and in which picture."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from itertools import pairwise

import numpy as np
from rooms import SIZE, plate_of, room

from core.align.relocalise import Found
from core.align.search import PlateSearch
from core.align.views import SmallFrame, Workspace, small_views
from core.types import Frame

FOUND = Found(0, np.eye(3), 100)
HOME = 0, np.eye(3)


class Finder:
    """A Relocaliser that finds what it is told to. seen: the pictures and masks that it was given, copied."""

    def __init__(self, *found: Found) -> None:
        self.found = list(found)
        self.seen: list[tuple[np.ndarray, np.ndarray | None]] = []

    def find(self, grey: np.ndarray, usable: np.ndarray | None = None) -> list[Found]:
        self.seen.append((grey.copy(), usable))
        return self.found


class Later:
    """A worker that begins when it is told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], list[Found]], Future[list[Found]]]] = []

    def submit(self, job: Callable[[], list[Found]]) -> Future[list[Found]]:
        self.jobs.append((job, Future()))
        return self.jobs[-1][1]

    def work(self) -> None:
        for job, future in self.jobs:
            if future.set_running_or_notify_cancel():
                future.set_result(job())
        self.jobs.clear()


def search_of(finder: Finder, later: Later | None = None) -> PlateSearch:
    submit = None if later is None else later.submit
    return PlateSearch(small_views(plate_of(room()), 0), submit, finder)


def by_features(guesses: list[Found] | None) -> list[Found] | None:
    return None if guesses is None else [guess for guess in guesses if guess.inliers]


def small(seed: int = 0, work: Workspace | None = None) -> SmallFrame:
    return SmallFrame(Frame(room(seed), 0, 0), work)


def test_a_plate_that_is_not_found_is_looked_for_ever_more_rarely_but_never_given_up():
    finder, frame = Finder(), small()
    search = search_of(finder)
    asked = []
    for index in range(70):
        heard = by_features(search.guesses(frame, None, HOME))
        assert heard in ([], None), "nothing was found, or nothing was asked"
        asked += [index] * (heard is not None)
    assert len(finder.seen) == len(asked)
    assert asked[0] == 0
    assert [later - sooner for sooner, later in pairwise(asked)] == [2, 4, 8, 16, 16, 16]


def test_the_next_search_does_not_wait_where_the_plate_was_found_meanwhile():
    finder, frame = Finder(), small()
    search = search_of(finder)
    for _ in range(20):
        search.guesses(frame, None, HOME)
    search.begin_again()
    finder.found = [FOUND] * 3
    assert by_features(search.guesses(frame, None, HOME)) == [FOUND] * 2, "the best; more are not worth a fit"


def test_a_place_that_is_doubted_now_and_then_is_searched_for_ever_more_rarely():
    finder, frame = Finder(), small()
    search = search_of(finder)
    for _ in range(400):
        search.guesses(frame, None, HOME, followed=True)
        search.sure()
    assert len(finder.seen) == 8, "as if the frames between were not there"
    for _ in range(62):
        search.sure()
    assert search.guesses(frame, None, HOME, followed=True) is None
    for _ in range(64):
        search.sure()
    assert search.guesses(frame, None, HOME, followed=True) is not None, "a doubt after a long while is new"


def test_turns_are_tried_where_features_are_not_sure():
    frame = small()
    for inliers, turns in ((20, True), (100, False)):
        found = search_of(Finder(Found(0, np.eye(3), inliers))).guesses(frame, None, HOME)
        assert found is not None
        assert found[0].inliers == inliers
        assert any(not guess.inliers for guess in found) is turns


def test_an_urgent_search_does_not_wait_for_its_turn():
    finder, frame = Finder(FOUND), small()
    search = search_of(finder)
    search.guesses(frame, None, HOME)
    assert search.guesses(frame, None, HOME) is None
    assert by_features(search.guesses(frame, None, HOME, urgent=True)) == [FOUND]


def test_a_worker_sees_the_frame_that_asked_though_the_next_is_written_over_it():
    finder, later, work = Finder(FOUND), Later(), Workspace(SIZE)
    search = search_of(finder, later)
    first = small(0, work)
    expected = first.grey.copy()
    assert search.guesses(first, None, HOME) is None
    second = small(5, work)
    assert search.guesses(second, None, HOME, urgent=True) is None, "one search at a time"
    assert len(later.jobs) == 1
    later.work()
    assert by_features(search.guesses(second, None, HOME)) == [FOUND]
    assert (finder.seen[0][0] == expected).all()
    assert (second.grey != expected).any()


def test_a_search_that_was_dropped_is_not_answered():
    finder, later, frame = Finder(FOUND), Later(), small()
    search = search_of(finder, later)
    search.guesses(frame, None, HOME)
    search.drop()
    later.work()
    assert finder.seen == []
    search.begin_again()
    assert search.guesses(frame, None, HOME) is None
    assert len(later.jobs) == 1, "a new one"


def test_nothing_is_searched_for_under_the_person():
    finder = Finder()
    hidden = np.zeros((45, 80), np.float32)
    hidden[:, 40:] = 1
    search_of(finder).guesses(small(), hidden, HOME)
    usable = finder.seen[0][1]
    assert usable is not None
    assert usable.shape == SIZE[::-1]
    assert (usable[:, :160] == 255).all()
    assert not usable[:, 160:].any()
