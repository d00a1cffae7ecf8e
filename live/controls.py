"""Holding a camera still in more ways than one: exposure, gain, white balance and focus.

What a camera adjusts by itself makes the room look different from its plate: exposure and white balance
change its colours, focus its size. Linux only (V4L2 controls); cameras may refuse any of it.
"""

from __future__ import annotations

import errno
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import platformdirs

from live.cameras import BY_ID, stable_path
from live.earlier_controls import EarlierControls

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
_AUTOMATICS = {pair.automatic for pair in PAIRS}


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
def held(
    controls: Controls, wanted: Mapping[str, float] | None = None, earlier: EarlierControls | None = None
) -> Iterator[Held]:
    """Holds the camera inside the block, and hands it back to its automatics afterwards.

    wanted: values to set, as a plate keeps them; None holds what the camera has chosen by itself. Values
    that the camera does not have are passed over.
    earlier: keeps what is to be put back, for when we are killed.
    """
    before = _before(controls, wanted)
    if earlier is not None:
        before |= earlier.read()  # what could not be put back until now
        earlier.write(before)
    try:
        yield _hold(controls, wanted)
    finally:
        left = put_back(controls, before)
        if earlier is not None:
            earlier.write(left)


@contextmanager
def held_camera(path: str, wanted: Mapping[str, float] | None = None) -> Iterator[Held]:
    """`held` for a device's path; holds nothing where there are no such controls."""
    if sys.platform != "linux" or not path.startswith("/dev/"):
        yield Held({}, ())
        return
    try:
        controls, earlier = _V4l2Controls(Path(path)), _earlier_controls(Path(path))
    except OSError as error:
        log.info("the controls of %s cannot be reached: %s", path, error.strerror)
        yield Held({}, ())
        return
    with held(controls, wanted, earlier) as now:
        yield now


def hand_back(path: Path) -> None:
    """Puts back what a run that was killed has left held of a camera that nobody else uses. Linux only."""
    try:
        earlier = _earlier_controls(path)
        before = earlier.read()
        if before:
            log.info("%s was left held by a run that was killed; it is handed back", path)
            earlier.write(put_back(_V4l2Controls(path), before))
    except OSError as error:
        log.info("the controls of %s cannot be reached: %s", path, error.strerror)


def put_back(controls: Controls, before: Mapping[int, int]) -> dict[int, int]:
    """Sets these values again; returns those to try again later."""
    left: dict[int, int] = {}
    for number, value in before.items():
        try:
            if controls.get(number) != value:
                controls.set(number, value)
        except OSError as error:
            # A value is refused while its automatic is on, and is not wanted then.
            if error.errno in _GONE or number in _AUTOMATICS:
                left[number] = value
            if error.errno not in _GONE:
                log.info("camera control %#x cannot be set back: %s", number, error.strerror)
    return left


def _earlier_controls(path: Path) -> EarlierControls:
    """OSError: there is no such device."""
    from live import v4l2

    stable = Path(stable_path(str(path)))
    # A number alone may be another camera's next time.
    name = stable.name if stable.parent == BY_ID else f"{path.resolve().name} {v4l2.query(path).card}"
    folder = platformdirs.user_state_path("cleanplate") / "cameras"
    return EarlierControls(folder / (re.sub(r"[^\w.-]", "_", name) + ".json"))


def _before(controls: Controls, wanted: Mapping[str, float] | None) -> dict[int, int]:
    """What holding may change: of each pair its automatic, or its value where no automatic is on."""
    before: dict[int, int] = {}
    for pair, chosen in _pairs(controls, wanted):
        automatic = _automatic(controls, pair)
        if automatic != pair.off:
            before[pair.automatic] = automatic  # which then finds its own way back
        else:
            before[pair.value] = chosen
    return before


def _pairs(controls: Controls, wanted: Mapping[str, float] | None) -> Iterator[tuple[Pair, int]]:
    """Those to be held, each with its value now."""
    for pair in PAIRS:
        if wanted is not None and pair.name not in wanted:
            continue
        try:
            chosen = controls.get(pair.value)
        except OSError:
            continue  # the camera has no such thing, so it does not change it either
        yield pair, chosen


def _automatic(controls: Controls, pair: Pair) -> int:
    try:
        return controls.get(pair.automatic)
    except OSError:
        return pair.off  # there is no automatic


def _hold(controls: Controls, wanted: Mapping[str, float] | None) -> Held:
    values: dict[str, float] = {}
    refused: list[str] = []
    for pair, chosen in _pairs(controls, wanted):
        value = chosen if wanted is None else round(wanted[pair.name])
        if _set(controls, pair, value):
            values[pair.name] = float(value)
        else:
            refused.append(pair.name)
    return Held(values, tuple(refused))


def _set(controls: Controls, pair: Pair, value: int) -> bool:
    """Switches the automatic off and sets the value; whether the camera then says so, too."""
    try:
        if _automatic(controls, pair) != pair.off:
            controls.set(pair.automatic, pair.off)
        if controls.get(pair.value) != value:
            controls.set(pair.value, value)
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
        import fcntl  # not above: Windows has none, and imports this file

        from live import v4l2

        if self._path.stat().st_ino != self._node:
            raise OSError(errno.ENODEV, "it is another device by now")
        with v4l2.opened(self._path) as device:
            fcntl.ioctl(device, request, control)
