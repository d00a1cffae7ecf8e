"""Which camera "auto" means, and what is said of one that cannot be used."""

from __future__ import annotations

import pytest

from live import cameras
from live.cameras import Camera, default_camera, device_path, list_cameras

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


@pytest.mark.parametrize(
    ("spec", "path"), [("0", "/dev/video0"), ("/dev/video7", "/dev/video7"), ("demo", ""), ("clip.mp4", "")]
)
def test_a_device_is_named_by_number_or_path(spec, path):
    assert device_path(spec) == path


def test_listing_the_cameras_of_this_machine_never_fails():
    assert all(camera.path.startswith("/dev/video") for camera in list_cameras())
