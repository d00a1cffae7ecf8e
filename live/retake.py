"""The empty room photographed anew by the camera of a run, which takes the new plate up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from core.errors import CleanplateError, DeviceError, PlateError, SettingsError
from core.plate import Severity, check_plate, list_plates, save_plate
from core.types import Plate
from live.plates import AUTO, now_text, person_finder, plate_of, record_held, watch
from live.replaceable import Tap

log = logging.getLogger(__name__)

FIRST_NAME = "room"
CALLED_OFF = "it was called off: nothing is kept, and all is as before"
CLOSE_S = 3.0


@dataclass(frozen=True, slots=True)
class Stage:
    """How far it is.

    phase: "leave", "record", "check", or "" when nothing is under way. share: of the phase, 0 to 1.
    said: what came of the last one, in a sentence. kept: whether its plate is used now.
    """

    phase: str = ""
    share: float = 0.0
    said: str = ""
    kept: bool = False


class Retake:
    """Any thread may call it; the recording has one of its own.

    Args:
        tap: gives a new look at the frames of the run; closed here.
        take_up: puts a plate in place.
        hold: has the camera hold these settings, or none; returns those that were held.
        device: the camera's path on Linux, or "".
        root: the folder of plates. spec: of the run's plate, as in the settings. used: that plate.
        seconds, countdown: of the recording, and to step out of the picture before it.
    """

    def __init__(
        self,
        tap: Callable[[], Tap],
        take_up: Callable[[Plate], None],
        hold: Callable[[Mapping[str, float]], Mapping[str, float]],
        device: str,
        *,
        root: Path,
        spec: str,
        used: Plate | None,
        seconds: float,
        countdown: float,
    ) -> None:
        self._tap, self._take_up, self._hold, self._device = tap, take_up, hold, device
        self._root, self._spec, self._used = root, spec, used
        self._seconds, self._countdown = seconds, countdown
        self._lock = Lock()
        self._stage = Stage()
        self._open: Tap | None = None
        self._thread: Thread | None = None
        self._called_off, self._closed = Event(), Event()

    def state(self) -> dict[str, Any]:
        """For the page: phase, share, said and kept (see Stage), left_s of the phase, and the name of the
        plate that is used, or null."""
        stage, used = self._stage, self._used
        whole_s = {"leave": self._countdown, "record": self._seconds}.get(stage.phase, 0.0)
        return {
            "phase": stage.phase,
            "share": round(stage.share, 3),
            "left_s": round((1 - stage.share) * whole_s, 1),
            "said": stage.said,
            "kept": stage.kept,
            "plate": used.name if used is not None else None,
        }

    def start(self) -> None:
        """Begins to count down. SettingsError: one is under way, or the run's plate is not to be replaced."""
        with self._lock:
            if self._stage.phase:
                raise SettingsError("the room is being photographed already")
            name = self._name()
            self._called_off.clear()
            self._open, self._stage = self._tap(), Stage("leave")
            self._thread = Thread(target=self._run, args=(name, self._open), name="record plate", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Ends what is under way, soon; nothing is kept of it."""
        with self._lock:
            if self._open is not None:
                self._called_off.set()
                self._open.close()

    def close(self) -> None:
        """As `cancel`, for good, and waits until the camera is let go; nothing is held from here on."""
        self._closed.set()
        self.cancel()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self, name: str, tap: Tap) -> None:
        kept = False
        try:
            said, kept = self._record(name, tap), True
        except Exception as error:  # a thread's edge
            said = CALLED_OFF if self._called_off.is_set() else str(error)
            if not isinstance(error, CleanplateError):
                log.exception("the plate was not recorded")
        tap.close()
        with self._lock:
            self._open, self._stage = None, Stage(said=said, kept=kept)
        log.info("%s", said)

    def _record(self, name: str, tap: Tap) -> str:
        before = self._hold({})  # the automatics find what suits the room now
        values: Mapping[str, float] = before
        try:
            watch(tap, self._countdown, lambda share: self._at("leave", share))
            recording, held, words = record_held(
                tap, self._device, self._seconds, lambda share: self._at("record", share)
            )
            self._at("check", 0.0)
            findings = check_plate(recording, person_finder())
            refused = "; ".join(found.sentence for found in findings if found.severity is Severity.REFUSE)
            if refused:
                raise PlateError(f"this is not usable as a plate: {refused}")
            self._at("check", 1.0)  # the last moment at which it can be called off
            plate = plate_of(name, recording, held)
            save_plate(self._root, plate, recorded=now_text(), frames=recording.frames, replace=True)
            self._take_up(plate)
            self._used, values = plate, held
        finally:
            with suppress(DeviceError):  # it is gone, and held again when it comes back
                if not self._closed.is_set():
                    self._hold(values)
        notes = [words, *(found.sentence for found in findings)]
        noted = f" ({'; '.join(note for note in notes if note)})" if any(notes) else ""
        return f'kept the plate "{name}", which is used from now on{noted}'

    def _at(self, phase: str, share: float) -> None:
        if self._called_off.is_set():
            raise PlateError(CALLED_OFF)
        self._stage = replace(self._stage, phase=phase, share=share)

    def _name(self) -> str:
        """The run's own plate where the settings name one; a new one beside the others where they take the
        newest, so that nothing is lost."""
        plates = {info.name: info for info in list_plates(self._root)}
        named = plates.get(self._spec)
        if named is not None:
            if named.views > 1:
                raise SettingsError(
                    f'the plate "{self._spec}" is a sweep: record it by cleanplate plate sweep "{self._spec}"'
                )
            return self._spec
        known = self._spec == AUTO and self._used is not None and self._used.name in plates
        stem = self._used.name if known and self._used is not None else FIRST_NAME
        head, _, number = stem.rpartition("-")
        stem = head if head and number.isdecimal() else stem
        names = (f"{stem}{f'-{n}' * (n > 1)}" for n in count(1))
        return next(name for name in names if name not in plates)
