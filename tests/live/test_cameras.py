"""Which camera "auto" means, and what is said of one that cannot be used."""

from __future__ import annotations

import pytest

from core.errors import DeviceError
from live import cameras
from live.cameras import Camera, default_camera, device_path, list_cameras, real_camera, stable_path

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="cameras are listed on Linux only")


def there_are(monkeypatch, *found: Camera) -> None:
    monkeypatch.setattr(cameras, "list_cameras", lambda: list(found))


def test_auto_is_the_first_camera_that_can_be_used(monkeypatch):
    locked = Camera("/dev/video0", "Webcam", problem="no permission for /dev/video0")
    there_are(monkeypatch, locked, Camera("/dev/video2", "Other"), Camera("/dev/video4", "Third"))
    assert default_camera() == "/dev/video2"


def test_a_camera_that_cannot_be_used_is_told_of(monkeypatch, caplog):
    there_are(monkeypatch, Camera("/dev/video0", "Webcam", problem="no permission for /dev/video0"))
    assert default_camera() == "demo"
    assert "no permission for /dev/video0" in caplog.text


def test_without_a_camera_auto_is_the_demo(monkeypatch):
    there_are(monkeypatch)
    assert default_camera() == "demo"


def test_a_real_camera_is_never_the_demo_and_says_what_is_in_its_way(monkeypatch):
    there_are(monkeypatch)
    with pytest.raises(DeviceError, match="there is no camera"):
        real_camera()
    locked = Camera("/dev/video0", "Webcam", problem="no permission for /dev/video0")
    there_are(monkeypatch, locked)
    with pytest.raises(DeviceError, match="no permission for /dev/video0"):
        real_camera()
    there_are(monkeypatch, locked, Camera("/dev/video2", "Other"))
    assert real_camera() == "/dev/video2"


@pytest.mark.parametrize(
    ("spec", "path"), [("0", "/dev/video0"), ("/dev/video7", "/dev/video7"), ("demo", ""), ("clip.mp4", "")]
)
def test_a_device_is_named_by_number_or_path(spec, path):
    assert device_path(spec) == path


def test_a_device_is_named_by_its_label_in_any_case(monkeypatch):
    there_are(monkeypatch, Camera("/dev/video0", "Webcam"), Camera("/dev/video2", "HD Webcam C920"))
    assert device_path("hd webcam c920") == "/dev/video2"
    assert device_path("HD Webcam C921") == ""


def test_a_file_is_no_label(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Webcam").touch()
    there_are(monkeypatch, Camera("/dev/video0", "Webcam"))
    assert device_path("Webcam") == ""


def test_a_device_has_the_name_that_stays_when_it_is_plugged_in_elsewhere(tmp_path):
    links = tmp_path / "by-id"
    links.mkdir()
    for number in (0, 2):
        (tmp_path / f"video{number}").touch()
        (links / f"usb-Maker_Webcam_{number}-video-index0").symlink_to(f"../video{number}")
    path = str(tmp_path / "video2")
    assert stable_path(path, links) == str(links / "usb-Maker_Webcam_2-video-index0")
    assert stable_path(str(tmp_path / "video4"), links) == str(tmp_path / "video4")
    assert stable_path(path, tmp_path / "no udev") == path


def test_listing_the_cameras_of_this_machine_never_fails():
    assert all(camera.path.startswith("/dev/video") for camera in list_cameras())
