"""Fixtures for all tests: where the large, shared material is, if this machine has it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared (data, models); the test is skipped where a clone has none."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (data and peers' weights), which this clone does not have")
    return SHARED
