"""Brings a virtual environment up to date: `python3 .ci/setup.py VENV [--dev]`, on Windows with `py`.

Needs nothing but Python 3.11 with venv. Installs cleanplate (editable) and its dependencies, pinned by
constraints.txt; `--dev` adds what the tests need. A second call compares one fingerprint and returns.

OpenCV's ordinary wheel shows windows and for that needs a few libraries of the desktop. Where they are
missing even `import cv2` fails, so the headless wheel of the same version takes its place; once the
libraries are there, the next call puts the ordinary wheel back.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"

# What the ordinary OpenCV wheel (and the Qt inside it) links against and does not bring along.
DESKTOP_LIBRARIES = ("libGL.so.1", "libgthread-2.0.so.0", "libSM.so.6", "libXext.so.6")
APT_LINE = "sudo apt install libgl1 libglib2.0-0 libsm6 libxext6"


def main() -> int:
    arguments = argparse.ArgumentParser(description="set up cleanplate's virtual environment")
    arguments.add_argument("venv", type=Path)
    arguments.add_argument("--dev", action="store_true", help="with the tools that the tests need")
    options = arguments.parse_args()
    if problem := python_problem():
        print(f"set-up: {problem}", file=sys.stderr)
        return 1
    venv: Path = options.venv.absolute()
    try:
        set_up(venv, dev=options.dev)
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(
            f"set-up: this step failed (its message is above): {command}\n"
            "set-up: the usual causes are no network or a full disk; the next call goes on from here",
            file=sys.stderr,
        )
        return 1
    return 0


def python_problem() -> str | None:
    """Why this Python cannot be used, as a sentence with the fix; None when it can."""
    if sys.version_info < (3, 11):  # noqa: UP036  this file runs under whatever python3 is
        found = ".".join(map(str, sys.version_info[:2]))
        return f"Python {found} is too old, 3.11 or newer is needed; name one: make PYTHON=python3.11 setup"
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return "Python's venv module is missing; install it: sudo apt install python3-venv"
    return None


def set_up(venv: Path, *, dev: bool) -> None:
    """Does what is still to do for the base or the dev environment."""
    base_stamp, dev_stamp = venv / ".cleanplate-base", venv / ".cleanplate-dev"
    wanted = fingerprint()
    python = python_of(venv)
    if not (is_current(dev_stamp, wanted) or (not dev and is_current(base_stamp, wanted))):
        print(f"set-up: installing into {venv}; the first time takes some minutes", flush=True)
        if not works(python):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip(python, "install", "-e", f"{ROOT}[dev]" if dev else str(ROOT))
        keep_opencv_importable(python, venv)
        (dev_stamp if dev else base_stamp).write_text(wanted)
        print("set-up: done", flush=True)
    elif is_headless(venv) and desktop_is_there():
        print("set-up: the desktop libraries are there now; putting the OpenCV with windows back", flush=True)
        install_opencv(python, "opencv-python", instead_of="opencv-python-headless")
        keep_opencv_importable(python, venv)


def fingerprint() -> str:
    """Changes when anything does that decides what is installed."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for file in (ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def is_current(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def python_of(venv: Path) -> Path:
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def works(python: Path) -> bool:
    """Whether the environment's Python starts; a moved or half-made environment's does not."""
    if not python.exists():
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def pip(python: Path, *arguments: str) -> None:
    # The variables, unlike -c, also reach the isolated environments in which packages are built. As an
    # address: pip takes a path with a blank in it for two.
    pinned = dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), CONSTRAINTS.as_uri())
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, env=os.environ | pinned)


def keep_opencv_importable(python: Path, venv: Path) -> None:
    """Falls back to the headless wheel where the ordinary one cannot be imported, and says so."""
    if imports_cv2(python) is None:
        return
    install_opencv(python, "opencv-python-headless", instead_of="opencv-python")
    if problem := imports_cv2(python):
        raise SystemExit(f"set-up: OpenCV cannot be imported, not even its headless wheel: {problem}")
    print(
        "set-up: this machine lacks the desktop libraries that OpenCV's windows need, so the preview "
        "window is not available; everything else is.\n"
        f"set-up: to have it, run: {APT_LINE}; the next make puts it in place",
        flush=True,
    )


def imports_cv2(python: Path) -> str | None:
    """None when `import cv2` works, else the last line of its message."""
    tried = subprocess.run([python, "-c", "import cv2"], capture_output=True, text=True)
    return None if tried.returncode == 0 else tried.stderr.strip().splitlines()[-1]


def install_opencv(python: Path, wheel: str, *, instead_of: str) -> None:
    # Both wheels own the same folder, so the other goes first.
    pip(python, "uninstall", "--yes", "opencv-python", "opencv-python-headless")
    print(f"set-up: {wheel} instead of {instead_of}", flush=True)
    pip(python, "install", "--no-deps", wheel)


def is_headless(venv: Path) -> bool:
    packages = "Lib" if os.name == "nt" else "lib/python3*"
    return any(venv.glob(f"{packages}/site-packages/opencv_python_headless-*.dist-info"))


def desktop_is_there() -> bool:
    for library in DESKTOP_LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
