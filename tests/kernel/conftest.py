"""The machines with a real kernel begin when the tests begin, and are asked last what they found, which is
printed as one table."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter

from tests.beside import Beside
from tests.kernel.machines import guest_checks, prepared_versions

MACHINES = pytest.StashKey[Beside]()
RESULTS = pytest.StashKey[list[tuple[str, str, str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "kernel: boots a real kernel in QEMU; takes minutes")
    config.stash.setdefault(RESULTS, [])
    config.stash.setdefault(MACHINES, Beside())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_on_a_machine)


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    for item in session.items:
        if _on_a_machine(item) and prepared_versions():
            version = item.callspec.params["version"]  # type: ignore[attr-defined]
            session.config.stash[MACHINES].start(version, guest_checks(version))


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[MACHINES].close()


def _on_a_machine(item: pytest.Item) -> bool:
    return item.get_closest_marker("kernel") is not None


@pytest.fixture
def machines(pytestconfig: pytest.Config) -> Beside:
    """At work on what was collected, by the version of v4l2loopback."""
    return pytestconfig.stash[MACHINES]


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
