"""Commands beside the tests: one after the other, and never longer than the tests."""

from __future__ import annotations

import time

import pytest

from tests.beside import Beside


def test_commands_work_beside_the_caller_one_after_the_other_and_end_with_it() -> None:
    beside = Beside()
    beside.start("first", ["sh", "-c", "echo out; echo err >&2; exit 7"])
    beside.start("second", ["sh", "-c", "echo begun; sleep 600"])
    beside.start("third", ["sh", "-c", "echo never"])
    ran = beside.result("first")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("out\n", "err\n", 7)
    with pytest.raises(TimeoutError):
        beside.result("second", timeout_s=0.1)
    begin = time.monotonic()
    beside.close()
    assert time.monotonic() - begin < 300, "the second one was waited for"
