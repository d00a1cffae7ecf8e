"""The longest recording is worked on while the other tests run."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.beside import Beside
from tests.conftest import SHARED

CLIP = SHARED / "data" / "captures" / "one-by-one" / "one-by-one-person-detection.mp4"
AT_WORK = pytest.StashKey[tuple[Beside, tempfile.TemporaryDirectory[str]]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    asked = any("one_by_one" in getattr(item, "fixturenames", ()) for item in session.items)
    if asked and SHARED.is_dir() and not session.config.option.collectonly:
        beside, folder = Beside(), tempfile.TemporaryDirectory(prefix="one-by-one-")
        session.config.stash[AT_WORK] = beside, folder
        out_of_the_way = ["nice", "-n", "10"] if shutil.which("nice") else []
        beside.start(
            "one-by-one", [*out_of_the_way, sys.executable, "-m", "tests.real.cut_out", CLIP, folder.name]
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    if AT_WORK in session.config.stash:
        beside, folder = session.config.stash[AT_WORK]
        beside.close()
        folder.cleanup()


@pytest.fixture(scope="session")
def one_by_one(shared: Path, pytestconfig: pytest.Config) -> Path:
    """A folder with `out`, Intel's one-by-one clip cut out as RGBA pictures, and `report.jsonl`."""
    beside, folder = pytestconfig.stash[AT_WORK]
    ran = beside.result("one-by-one", timeout_s=900)
    assert ran.returncode == 0, ran.stderr
    return Path(folder.name)
