"""Prints what the checks on the real kernel found, as one table at the end of the tests."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter

RESULTS = pytest.StashKey[list[tuple[str, str, str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kernel: boots a real kernel in QEMU; takes minutes")
    config.stash.setdefault(RESULTS, [])


@pytest.fixture
def results(pytestconfig: pytest.Config) -> list[tuple[str, str, str, str]]:
    """Rows of the table, to be added to: check, version of v4l2loopback, result, detail."""
    return pytestconfig.stash[RESULTS]


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    results = config.stash[RESULTS]
    if not results:
        return
    terminalreporter.section("on a real kernel: check, v4l2loopback, result")
    width = max(len(check) for check, *_ in results)
    for check, version, result, detail in sorted(results, key=lambda row: row[0]):
        terminalreporter.write_line(f"{check:{width}}  {version:7}  {result:4}  {detail}")
