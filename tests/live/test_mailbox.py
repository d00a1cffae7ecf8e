"""The one-slot mailbox: what is dropped, what is not, and how it ends."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from live.mailbox import Mailbox


def test_the_newest_item_wins_and_older_ones_count_as_dropped() -> None:
    box: Mailbox[int] = Mailbox(newest=True)
    for item in range(4):
        assert box.put(item)
    assert box.take(1) == 3
    assert box.dropped == 3


def test_a_blocking_mailbox_hands_on_every_item_in_order() -> None:
    box: Mailbox[int] = Mailbox(newest=False)

    def produce() -> None:
        for item in range(200):
            box.put(item)
        box.end()

    producer = Thread(target=produce)
    producer.start()
    taken = list(iter(lambda: box.take(10), None))
    producer.join(10)
    assert taken == list(range(200))
    assert box.dropped == 0


def test_a_dying_producer_hands_on_its_last_item_and_then_its_exception() -> None:
    box: Mailbox[int] = Mailbox(newest=False)
    box.put(7)
    box.end(ValueError("disk on fire"))
    assert box.take(1) == 7
    for _ in range(2):
        with pytest.raises(ValueError, match="disk on fire"):
            box.take(1)


def test_a_failure_is_told_again_and_again_until_something_comes() -> None:
    box: Mailbox[int] = Mailbox(newest=True)
    box.fail(ValueError("unplugged"))
    for _ in range(2):
        with pytest.raises(ValueError, match="unplugged"):
            box.take(1)
    box.put(1)
    assert box.take(1) == 1
    with pytest.raises(TimeoutError):
        box.take(0)


def test_an_empty_mailbox_times_out() -> None:
    box: Mailbox[int] = Mailbox(newest=True)
    with pytest.raises(TimeoutError, match=r"0\.0 s"):
        box.take(0.01)


def test_the_stop_event_releases_a_waiting_consumer() -> None:
    stop = Event()
    box: Mailbox[int] = Mailbox(newest=True, stop=stop)
    taken: list[int | None] = [5]
    consumer = Thread(target=lambda: taken.append(box.take(60)))
    consumer.start()
    stop.set()
    consumer.join(10)
    assert taken == [5, None]


def test_closing_releases_a_waiting_producer() -> None:
    box: Mailbox[int] = Mailbox(newest=False)
    box.put(1)
    accepted: list[bool] = []
    producer = Thread(target=lambda: accepted.append(box.put(2)))
    producer.start()
    box.close()
    producer.join(10)
    assert accepted == [False]
    assert box.take(1) is None
