"""Commands beside the tests: in order, two at once only while the tests wait, and never longer than these."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.beside import Beside


def test_commands_work_beside_the_caller_one_after_the_other_and_end_with_it() -> None:
    beside = Beside()
    beside.start("first", ["sh", "-c", "echo out; echo err >&2; exit 7"])
    beside.start("second", ["sh", "-c", "echo begun; sleep 600"])
    ran = beside.result("first")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("out\n", "err\n", 7)
    with pytest.raises(TimeoutError):
        beside.result("second", timeout_s=0.1)
    begin = time.monotonic()
    beside.close()
    assert time.monotonic() - begin < 300, "the second one was waited for"


def test_one_more_command_works_while_the_caller_waits(tmp_path: Path) -> None:
    (first, second), beside = (tmp_path / "first", tmp_path / "second"), Beside()
    until = "until [ -e {} ]; do sleep 0.05; done"
    beside.start("first", ["sh", "-c", f"touch {first}; {until.format(second)}"])
    beside.start("second", ["sh", "-c", f"[ -e {first} ] && touch {second}"])
    beside.start("third", ["sh", "-c", "true"])
    while not first.exists():
        time.sleep(0.01)
    assert not second.exists(), "two at once, and nobody waits"
    assert beside.result("first", timeout_s=300).returncode == 0, "never ends without the second"
    assert beside.result("second").returncode == beside.result("third").returncode == 0
    beside.close()


def test_what_has_not_begun_never_will_once_the_tests_have_ended(tmp_path: Path) -> None:
    beside = Beside()
    beside.start("first", ["sleep", "600"])
    for name in "abc":
        beside.start(name, ["touch", str(tmp_path / name)])
    beside.close()
    assert not list(tmp_path.iterdir())
