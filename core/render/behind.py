"""What stands behind the person, and how that is changed while frames come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from core.errors import SettingsError
from core.render.backdrops import Backdrop, Background, Kind
from core.render.blur import RoomBlur
from core.types import Plate


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """What a frame is composited with.

    backdrop: the pictures of COLOUR, PICTURE and VIDEO. blur: of the room as it is in `plate`.
    """

    background: Background
    backdrop: Backdrop | None
    plate: Plate | None
    blur: RoomBlur

    @classmethod
    def of(cls, background: Background, backdrop: Backdrop | None, plate: Plate | None) -> Behind:
        return cls(background, backdrop, plate, RoomBlur(background.strength, plate))

    def before(self, plate: Plate | None, blur: RoomBlur | None = None) -> Behind:
        """The same with that plate. blur: of it, where that is made already."""
        if plate is self.plate:
            return self
        if blur is None or blur.strength != self.background.strength:
            blur = RoomBlur(self.background.strength, plate)
        return replace(self, plate=plate, blur=blur)

    def close(self) -> None:
        if self.backdrop is not None:
            self.backdrop.close()


class Wanted:
    """The change that waits for the next frame. A later one takes the place of one that nobody took."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._behind: Behind | None = None

    def put(self, behind: Behind) -> None:
        """From any thread."""
        with self._lock:
            before, self._behind = self._behind, behind
        if before is not None:
            before.close()

    def take(self) -> Behind | None:
        with self._lock:
            behind, self._behind = self._behind, None
        return behind


def refuse_change(now: Background, wanted: Background) -> None:
    """SettingsError for what cannot be changed while frames come: the room is not bared by a slip of the
    hand, and outputs are opened for pictures with transparency or without."""
    for background in (wanted, now):
        kind = background.kind
        if kind is Kind.TRANSPARENT or (kind is Kind.NONE and background is wanted):
            raise SettingsError(
                f'the background "{kind.value}" is for a whole run: choose it by --background'
            )
