"""What the doctor finds on machines drawn in a folder, and the lines with which it mends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DeviceError, WeightsError
from core.plate import save_plate
from core.types import Plate, View
from live.cameras import Camera
from live.doctor import (
    Check,
    Machine,
    Verdict,
    check_cameras,
    check_data,
    check_gpu,
    check_loopback,
    check_memory,
    check_network,
    check_python,
    examine,
)
from tests.core.plate.synthetic import drawn_room


def machine(root: Path, files: dict[str, str] | None = None, **more) -> Machine:
    for name, text in (files or {}).items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Machine(root, **({"cameras": list, "read_back": lambda path: f"{path} was read back"} | more))


LOOPBACK = {
    "sys/module/v4l2loopback/version": "0.13.2\n",
    "sys/module/v4l2loopback/parameters/exclusive_caps": "Y,N,N\n",
    "sys/devices/virtual/video4linux/video10/name": "cleanplate\n",
    "dev/video10": "",
}


def test_a_missing_package_is_bad_and_mended_by_the_set_up(tmp_path):
    def import_module(name: str) -> None:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    python, opencv = check_python(machine(tmp_path, import_module=import_module))
    assert python.verdict is Verdict.GOOD
    assert (opencv.verdict, opencv.fix) == (Verdict.BAD, ("make setup",))
    assert "libGL.so.1" in opencv.sentence


def test_damaged_weights_are_bad(monkeypatch):
    def build_platenet() -> None:
        raise WeightsError("platenet.safetensors is damaged")

    monkeypatch.setattr("core.render.build.build_platenet", build_platenet)
    (check,) = check_network()
    assert (check.verdict, check.fix) == (Verdict.BAD, ("make setup",))


def test_no_camera_is_a_note_because_the_demo_plays(tmp_path):
    (check,) = check_cameras(machine(tmp_path))
    assert check.verdict is Verdict.NOTE
    assert "demo plays instead" in check.sentence


def refused() -> str:
    raise DeviceError("it cannot be opened")


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_where_cameras_are_not_listed_they_are_tried(tmp_path, monkeypatch, system):
    monkeypatch.setattr("sys.platform", system)
    fine = machine(tmp_path, first_camera=lambda: "camera 0, 640x480", camera_of_obs=lambda: "OBS's")
    assert check_cameras(fine) == [Check(Verdict.GOOD, "camera", "camera 0, 640x480")]
    assert check_loopback(fine) == [Check(Verdict.GOOD, "virtual camera", "OBS's")]
    without = machine(tmp_path, first_camera=refused, camera_of_obs=refused)
    (camera,), (virtual,) = check_cameras(without), check_loopback(without)
    assert (camera.verdict, virtual.verdict) == (Verdict.NOTE, Verdict.NOTE)
    assert camera.sentence == "it cannot be opened; the built-in demo plays instead"
    assert virtual.sentence == "it cannot be opened; the page in the browser works without"


def test_a_camera_without_permission_names_the_group(tmp_path):
    locked = Camera("/dev/video0", "Webcam", problem="no permission for /dev/video0 (join the group video)")
    fine = Camera("/dev/video2", "Other")
    bad, good = check_cameras(machine(tmp_path, cameras=lambda: [locked, fine]))
    assert bad.verdict is Verdict.BAD
    assert "usermod -aG video" in bad.fix[0]
    assert (good.verdict, good.sentence) == (Verdict.GOOD, "/dev/video2 (Other)")


def test_a_missing_module_comes_with_the_lines_that_load_and_keep_it(tmp_path):
    (check,) = check_loopback(machine(tmp_path))
    assert check.verdict is Verdict.NOTE
    assert check.fix[0] == "sudo apt install v4l2loopback-dkms"
    assert check.fix[1] == 'sudo modprobe v4l2loopback exclusive_caps=1 video_nr=10 card_label="cleanplate"'
    assert any("/etc/modprobe.d/" in line for line in check.fix)
    assert any("/etc/modules-load.d/" in line for line in check.fix)


@pytest.mark.parametrize(("state", "on"), [(b"\x06\x00\x00\x00\x01", True), (b"\x06\x00\x00\x00\x00", False)])
def test_secure_boot_is_named_where_it_is_on(tmp_path, state, on):
    variable = tmp_path / "sys/firmware/efi/efivars/SecureBoot-8be4df61"
    variable.parent.mkdir(parents=True)
    variable.write_bytes(state)
    (check,) = check_loopback(machine(tmp_path))
    assert ("Secure Boot" in check.sentence) is on
    assert any("mokutil" in line for line in check.fix) is on


def test_a_sound_virtual_camera_is_good(tmp_path):
    (check,) = check_loopback(machine(tmp_path, LOOPBACK))
    assert check.verdict is Verdict.GOOD
    assert check.sentence == "/dev/video10 (cleanplate), v4l2loopback 0.13.2: /dev/video10 was read back"


def test_a_virtual_camera_that_gives_nothing_back_is_noted_with_the_reason(tmp_path):
    def read_back(path: str) -> str:
        raise DeviceError(f"virtual camera {path} is written to already by obs (process 7)")

    (check,) = check_loopback(machine(tmp_path, LOOPBACK, read_back=read_back))

    assert check.verdict is Verdict.NOTE
    assert "by obs (process 7)" in check.sentence


@pytest.mark.parametrize(
    ("change", "words", "fix"),
    [
        ({"sys/module/v4l2loopback/version": "0.12.7"}, "0.12.7 forgets", None),
        (
            {"sys/module/v4l2loopback/parameters/exclusive_caps": "N,N"},
            "exclusive_caps is off",
            "modprobe -r",
        ),
    ],
)
def test_a_doubtful_module_is_noted(tmp_path, change, words, fix):
    notes = [c for c in check_loopback(machine(tmp_path, LOOPBACK | change)) if c.verdict is Verdict.NOTE]
    assert len(notes) == 1
    assert words in notes[0].sentence
    assert fix is None or fix in notes[0].fix[0]


def test_a_module_without_a_device_is_noted(tmp_path):
    files = {name: text for name, text in LOOPBACK.items() if name.startswith("sys/module")}
    (check,) = check_loopback(machine(tmp_path, files))
    assert "has made no device" in check.sentence


def test_a_virtual_camera_whose_device_may_not_be_opened_names_group_and_rule(tmp_path):
    files = {name: text for name, text in LOOPBACK.items() if name != "dev/video10"}
    (check,) = check_loopback(machine(tmp_path, files))
    assert check.verdict is Verdict.NOTE
    assert "usermod" in check.fix[0]
    assert "udev" in check.fix[1]


def test_no_gpu_is_no_fault(tmp_path):
    (check,) = check_gpu(machine(tmp_path))
    assert check.verdict is Verdict.GOOD


@pytest.mark.parametrize(("kib", "verdict"), [(8_000_000, Verdict.GOOD), (300_000, Verdict.NOTE)])
def test_little_memory_is_noted(tmp_path, kib, verdict):
    (check,) = check_memory(machine(tmp_path, {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {kib} kB\n"}))
    assert check.verdict is verdict


def test_damaged_plates_are_named(tmp_path):
    room = Plate("desk", (64, 48), (View(drawn_room(1, (64, 48))),))
    save_plate(tmp_path, room, recorded="2026-05-01T12:00:00+00:00")
    assert "1 in" in check_data(tmp_path)[-1].sentence
    (picture,) = (tmp_path / "desk").glob("*.png")
    picture.write_bytes(picture.read_bytes()[:100])
    assert "is not what was written" in check_data(tmp_path)[0].sentence
    (tmp_path / "desk" / "plate.toml").write_text("format = 9")
    assert "format 9" in check_data(tmp_path)[0].sentence


def test_a_data_folder_that_is_not_there_yet_is_fine(tmp_path):
    (check,) = check_data(tmp_path / "not" / "yet")
    assert "none yet" in check.sentence
    assert not (tmp_path / "not").exists()


def test_everything_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("core.render.build.build_platenet", lambda: (None, "a scripted runtime"))
    looked_at = {check.what for check in examine(machine(tmp_path, LOOPBACK), tmp_path)}
    assert looked_at >= {"python", "network", "camera", "virtual camera", "window", "gpu", "plates"}


def test_without_its_packages_nothing_else_is_tried(tmp_path):
    def import_module(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    checks = examine(machine(tmp_path, import_module=import_module), tmp_path)
    assert [check.verdict for check in checks[1:]] == [Verdict.BAD] * (len(checks) - 1)
    assert "numpy" in checks[1].sentence
