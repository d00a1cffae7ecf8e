"""The pictures of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import MediaError
from live.media import pictures_in


def test_a_folder_is_read_in_name_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.png", "a10.png", "a9.png", ".a.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_in(tmp_path)] == ["a10.png", "a9.png", "b.png"]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="has no pictures"):
        pictures_in(tmp_path)
