"""Holding a camera still in more ways than one: exposure, gain, white balance and focus.

What a camera adjusts by itself makes the room look different from its plate: exposure and white balance
change its colours, focus its size. Linux only (V4L2 controls); cameras may refuse any of it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

# V4L2 control numbers: include/uapi/linux/v4l2-controls.h
_EXPOSURE_AUTO, _EXPOSURE = 0x009A0901, 0x009A0902
_AUTOGAIN, _GAIN = 0x00980912, 0x00980913
_AUTO_WHITE_BALANCE, _WHITE_BALANCE = 0x0098090C, 0x0098091A
_FOCUS_AUTO, _FOCUS = 0x009A090C, 0x009A090A
_EXPOSURE_MANUAL = 1  # V4L2_EXPOSURE_MANUAL; 3, aperture priority, is what webcams call automatic

_GONE = (errno.ENODEV, errno.ENOENT, errno.ENXIO)


@dataclass(frozen=True, slots=True)
class Pair:
    """A value, and the switch that makes the camera choose it. name: of the value, in plate.toml."""

    name: str
    automatic: int
    off: int
    value: int


PAIRS = (
    Pair("exposure", _EXPOSURE_AUTO, _EXPOSURE_MANUAL, _EXPOSURE),
    Pair("gain", _AUTOGAIN, 0, _GAIN),
    Pair("white balance", _AUTO_WHITE_BALANCE, 0, _WHITE_BALANCE),
    Pair("focus", _FOCUS_AUTO, 0, _FOCUS),
)


class Controls(Protocol):
    """The controls of one camera, by their numbers. OSError: it has none such, or refuses."""

    def get(self, number: int) -> int: ...

    def set(self, number: int, value: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Held:
    """values: what is held now, by name, as the camera says. refused: names that it would not hold."""

    values: dict[str, float]
    refused: tuple[str, ...]


@contextmanager
def held(controls: Controls, wanted: Mapping[str, float] | None = None) -> Iterator[Held]:
    """Holds the camera inside the block, and hands it back to its automatics afterwards.

    wanted: values to set, as a plate keeps them; None holds what the camera has chosen by itself. Values
    that the camera does not have are passed over.
    """
    before: list[tuple[int, int]] = []
    try:
        yield _hold(controls, wanted, before)
    finally:
        for number, value in reversed(before):
            try:
                controls.set(number, value)
            except OSError as error:
                if error.errno not in _GONE:
                    log.info("camera control %#x cannot be set back: %s", number, error.strerror)


@contextmanager
def held_camera(path: str, wanted: Mapping[str, float] | None = None) -> Iterator[Held]:
    """`held` for a device's path; holds nothing where there are no such controls."""
    if sys.platform != "linux" or not path.startswith("/dev/"):
        yield Held({}, ())
        return
    try:
        controls = _V4l2Controls(Path(path))
    except OSError as error:
        log.info("the controls of %s cannot be reached: %s", path, error.strerror)
        yield Held({}, ())
        return
    with held(controls, wanted) as now:
        yield now


def _hold(controls: Controls, wanted: Mapping[str, float] | None, before: list[tuple[int, int]]) -> Held:
    values: dict[str, float] = {}
    refused: list[str] = []
    for pair in PAIRS:
        if wanted is not None and pair.name not in wanted:
            continue
        try:
            chosen = controls.get(pair.value)
        except OSError:
            continue  # the camera has no such thing, so it does not change it either
        value = chosen if wanted is None else round(wanted[pair.name])
        if _set(controls, pair, value, chosen, before):
            values[pair.name] = float(value)
        else:
            refused.append(pair.name)
    return Held(values, tuple(refused))


def _set(controls: Controls, pair: Pair, value: int, chosen: int, before: list[tuple[int, int]]) -> bool:
    """Switches the automatic off and sets the value; whether the camera then says so, too."""
    try:
        automatic = controls.get(pair.automatic)
    except OSError:
        automatic = pair.off  # there is no automatic
    try:
        if automatic != pair.off:
            controls.set(pair.automatic, pair.off)
            before.append((pair.automatic, automatic))
        if controls.get(pair.value) != value:
            controls.set(pair.value, value)
            if automatic == pair.off:  # else the automatic finds its own way back
                before.append((pair.value, chosen))
        return controls.get(pair.value) == value
    except OSError as error:
        log.info("the camera refuses to hold its %s: %s", pair.name, error.strerror)
        return False


class _V4l2Controls:
    """Controls of a V4L2 device, which is opened for each call alone.

    One that is pulled out while somebody has it open comes back under another number.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._node = path.stat().st_ino  # another one when it was plugged in again

    def get(self, number: int) -> int:
        from linuxpy.video import raw

        control = raw.v4l2_control()
        control.id = number
        self._ask(raw.IOC.G_CTRL, control)
        return int(control.value)

    def set(self, number: int, value: int) -> None:
        from linuxpy.video import raw

        control = raw.v4l2_control()
        control.id, control.value = number, value
        self._ask(raw.IOC.S_CTRL, control)

    def _ask(self, request: int, control: Any) -> None:
        from live import v4l2

        if self._path.stat().st_ino != self._node:
            raise OSError(errno.ENODEV, "it is another device by now")
        with v4l2.opened(self._path) as device:
            fcntl.ioctl(device, request, control)
