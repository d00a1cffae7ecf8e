"""What --model means when it is a folder: weights of the user's own training."""

from pathlib import Path

import pytest

from core.errors import WeightsError
from core.nets.trained import Trained, find_trained


def test_a_name_is_no_folder_even_where_a_folder_has_that_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "platenet").mkdir()
    (tmp_path / "platenet" / "platenet.safetensors").touch()
    assert find_trained("platenet") is None
    assert find_trained("platnet") is None, "the table says which name is near"


def test_a_folder_gives_what_training_has_written_so_far(tmp_path: Path):
    (tmp_path / "platenet.safetensors").touch()
    assert find_trained(str(tmp_path)) == Trained(tmp_path / "platenet.safetensors", None)
    (tmp_path / "refiner.safetensors").touch()
    assert find_trained(str(tmp_path)) == Trained(
        tmp_path / "platenet.safetensors", tmp_path / "refiner.safetensors"
    )
    file = tmp_path / "platenet.safetensors"
    assert find_trained(str(file)) == Trained(file, None), "one file is one network"


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "platenet.safetensors").touch()
    assert find_trained("~/mine") == Trained(tmp_path / "mine" / "platenet.safetensors", None)


@pytest.mark.parametrize("model", ["empty", "./gone", "gone.safetensors", "~/gone"])
def test_a_path_with_nothing_to_use_is_answered_with_a_sentence(model: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        WeightsError, match=r"give the folder that `cleanplate train` wrote, or a network's name"
    ):
        find_trained(model)
