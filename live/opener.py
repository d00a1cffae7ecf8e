"""Opens the camera or film that the settings name, and opens the same one again after it went away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from threading import Lock

from core.errors import AbsentDeviceError, DeviceError, MediaError
from live.cameras import AUTO, DEMO, default_camera, device_path, lists_cameras, real_camera
from live.controls import held_camera
from live.settings import Settings
from live.sources.base import Source
from live.sources.registry import open_source

log = logging.getLogger(__name__)

NO_CAMERA = " (no camera was found; `cleanplate doctor` says why)"


class SourceOpener:
    """Opens the camera, and opens the same one again after it went away.

    as_service: others look on, so "auto" is a real camera, which may still come, never the demo. Calling it
        raises DeviceError while there is none; from the first one on that is the camera.
    Where a system does not list its cameras, whether there is one is known when it is opened.
    """

    def __init__(self, settings: Settings, *, as_service: bool) -> None:
        self._camera = settings.camera
        self.why = ""
        self._spec = settings.camera.source
        self._guessed = self._spec == AUTO and not as_service
        if self._guessed:
            self._spec = default_camera()
            if self._spec == DEMO:
                self.why = NO_CAMERA
        self._live = False
        self._values: Mapping[str, float] = {}
        self._holding = ExitStack()
        self._lock = Lock()  # a plate may be recorded while the camera comes back

    def __call__(self) -> Source:
        spec = real_camera() if self._spec == AUTO else self._spec
        try:
            source = open_source(spec, self._camera.size, self._camera.fps)
        except MediaError as error:
            if not self._live:
                raise
            # A camera named by its label: nothing of this name is there now.
            raise DeviceError(f"camera {spec!r} is gone; plug it in again") from error
        except AbsentDeviceError as error:  # not one that is there, and that another program uses
            if not self._guessed or lists_cameras():
                raise
            log.warning("%s", error)
            self._spec, self._guessed, self.why = DEMO, False, NO_CAMERA
            return self()
        self._spec, self._live, self._guessed = spec, source.live, False
        self.hold(self._values)
        return source

    def hold(self, values: Mapping[str, float]) -> str:
        """Sets what a plate was recorded with, now and when the camera comes back; says what is held."""
        with self._lock:
            self._values = values
            self._holding.close()
            if not values:
                return ""
            now = self._holding.enter_context(held_camera(device_path(self._spec), values))
        for name in now.refused:
            log.warning(
                "the camera does not let its %s be held; the plate was recorded with %g", name, values[name]
            )
        return ", ".join(f"{name} {value:g}" for name, value in now.values.items())

    def release(self) -> None:
        """Hands the camera back to its automatics. Safe to call twice."""
        with self._lock:
            self._holding.close()

    @property
    def values(self) -> Mapping[str, float]:
        """What is held while the camera is open."""
        return self._values

    @property
    def device(self) -> str:
        """The camera's device on Linux, "" for a file or the demo."""
        return device_path(self._spec)

    @property
    def oldest_ns(self) -> int | None:
        """The oldest frame to take. A file's frames do not age, nor do those that the demo draws."""
        return round(self._camera.oldest_ms * 1e6) if device_path(self._spec) else None

    @property
    def reopen(self) -> Callable[[], Source] | None:
        """None for a file: what ends there is the end."""
        return self if self._live else None
