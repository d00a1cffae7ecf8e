"""The set-up: complete pins, one fingerprint, and the fall-back for machines without a desktop."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_setup", ROOT / ".ci" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


def test_everything_that_is_installed_directly_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[\s;<>=\[]", entry)[0].lower().replace("_", "-") for entry in wanted}
    assert names - set(pins()) == set()


PACKAGE_OF = {"cv2": "opencv-python"}  # modules whose package has another name
WISHED_FOR = {"tensorboard"}  # curves of a training, which are left out without it


def test_whatever_a_command_imports_is_installed_without_the_tests_tools():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = {re.split(r"[\s;<>=\[]", entry)[0] for entry in project["dependencies"]}
    wanted = {"onnx"}  # which torch.onnx imports
    for file in (*ROOT.glob("core/**/*.py"), *ROOT.glob("live/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                wanted.add(node.module.partition(".")[0])
    foreign = wanted - set(sys.stdlib_module_names) - {"core", "live"} - WISHED_FOR
    assert {PACKAGE_OF.get(module, module) for module in foreign} - installed == set()


def test_torch_is_pinned_as_promised_and_both_opencv_wheels_alike():
    assert pins()["torch"] == "2.13.0"
    assert pins()["opencv-python"] == pins()["opencv-python-headless"]


def test_no_index_or_folder_of_one_machine_is_written_down():
    for file in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/setup.py", ".ci/run"):
        assert not re.search(r"--(extra-)?index-url|--find-links|https?://", (ROOT / file).read_text()), file


def test_the_window_sink_and_the_set_up_name_the_same_line():
    from live.sinks.window import APT_LINE

    setup_text = (ROOT / ".ci" / "setup.py").read_text()
    assert f'APT_LINE = "{APT_LINE}"' in setup_text


@pytest.mark.parametrize(
    ("system", "python", "packages"),
    [
        ("nt", "Scripts/python.exe", "Lib/site-packages"),
        ("posix", "bin/python", "lib/python3.11/site-packages"),
    ],
)
def test_the_environment_is_found_as_each_system_lays_it_out(
    setup, monkeypatch, tmp_path, system, python, packages
):
    monkeypatch.setattr(setup, "os", SimpleNamespace(name=system))
    (tmp_path / packages / "opencv_python_headless-5.dist-info").mkdir(parents=True)
    assert setup.python_of(tmp_path) == tmp_path / python
    assert setup.is_headless(tmp_path)
    assert not setup.is_headless(tmp_path / "another")


def test_pip_is_given_the_pins_also_below_a_folder_with_a_blank_in_its_name(setup, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(setup, "CONSTRAINTS", tmp_path / "my projects" / "constraints.txt")
    monkeypatch.setattr(setup.subprocess, "run", lambda command, check, env: ran.append(env))
    setup.pip(Path("python"), "install", "numpy")
    for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"):
        assert ran[0][name].split() == [f"{tmp_path.as_uri()}/my%20projects/constraints.txt"]


class Venv:
    """A virtual environment's folder, with what would have been run in it."""

    def __init__(self, setup: ModuleType, monkeypatch, folder: Path) -> None:
        self.folder, self.done = folder, []
        folder.mkdir()
        self.opencv_works = {"opencv-python": True, "opencv-python-headless": True}
        self.opencv = ""
        self.desktop = False
        monkeypatch.setattr(setup, "works", lambda python: True)
        monkeypatch.setattr(setup, "pip", self._pip)
        monkeypatch.setattr(setup, "imports_cv2", self._imports_cv2)
        monkeypatch.setattr(setup, "is_headless", lambda venv: self.opencv.endswith("headless"))
        monkeypatch.setattr(setup, "desktop_is_there", lambda: self.desktop)

    def _pip(self, python: Path, *arguments: str) -> None:
        self.done.append(arguments)
        if arguments[0] == "install":
            self.opencv = arguments[-1] if arguments[-1].startswith("opencv") else "opencv-python"

    def _imports_cv2(self, python: Path) -> str | None:
        return None if self.opencv_works[self.opencv] else "ImportError: libGL.so.1"


@pytest.fixture
def venv(setup, monkeypatch, tmp_path) -> Venv:
    return Venv(setup, monkeypatch, tmp_path / "venv")


def test_a_second_call_does_nothing(setup, venv):
    setup.set_up(venv.folder, dev=False)
    assert len(venv.done) == 1
    setup.set_up(venv.folder, dev=False)
    assert len(venv.done) == 1


def test_the_tests_tools_come_on_top_and_serve_for_running_too(setup, venv):
    setup.set_up(venv.folder, dev=False)
    setup.set_up(venv.folder, dev=True)
    assert venv.done[-1][-1].endswith("[dev]")
    setup.set_up(venv.folder, dev=False)
    setup.set_up(venv.folder, dev=True)
    assert len(venv.done) == 2


def test_changed_pins_are_installed(setup, venv, monkeypatch):
    setup.set_up(venv.folder, dev=True)
    monkeypatch.setattr(setup, "fingerprint", lambda: "another")
    setup.set_up(venv.folder, dev=False)
    assert len(venv.done) == 2


def test_a_machine_without_desktop_libraries_gets_the_headless_opencv(setup, venv, capsys):
    venv.opencv_works["opencv-python"] = False
    setup.set_up(venv.folder, dev=False)
    assert venv.opencv == "opencv-python-headless"
    assert ("uninstall", "--yes", "opencv-python", "opencv-python-headless") in venv.done
    assert "sudo apt install libgl1" in capsys.readouterr().out


def test_the_ordinary_opencv_comes_back_once_the_libraries_are_there(setup, venv):
    venv.opencv_works["opencv-python"] = False
    setup.set_up(venv.folder, dev=False)
    before = len(venv.done)
    setup.set_up(venv.folder, dev=False)
    assert len(venv.done) == before
    venv.opencv_works["opencv-python"] = venv.desktop = True
    setup.set_up(venv.folder, dev=False)
    assert venv.opencv == "opencv-python"


def test_a_failed_installation_is_tried_again(setup, venv, monkeypatch):
    fine = setup.pip

    def fail(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(setup, "pip", fail)
    with pytest.raises(OSError, match="no network"):
        setup.set_up(venv.folder, dev=False)
    monkeypatch.setattr(setup, "pip", fine)
    setup.set_up(venv.folder, dev=False)
    assert len(venv.done) == 1
