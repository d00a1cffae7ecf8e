"""What the page tells of a run, and what it may turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.types import Alignment
from live.backgrounds import Backgrounds
from live.pause import Pause
from live.retake import Retake


@dataclass(frozen=True, slots=True)
class Panel:
    """pause: None where the run cannot be paused. backgrounds: to choose from; None where there is no choice.
    retake: photographs the room anew; None where there is no camera to do it.
    alignment: the last frame's, None before the first; it is called from another thread."""

    pause: Pause | None = None
    backgrounds: Backgrounds | None = None
    retake: Retake | None = None
    alignment: Callable[[], Alignment | None] = lambda: None

    def state(self) -> dict[str, Any]:
        """For the page: paused, background (a word that `Backgrounds.choose` takes), room (as `Retake.state`)
        and what is known of the plate; null where there is none of it."""
        alignment = self.alignment()
        return {
            "paused": self.pause.on if self.pause is not None else None,
            "background": self.backgrounds.now if self.backgrounds is not None else None,
            "room": self.retake.state() if self.retake is not None else None,
            "plate": {"state": alignment.state.value, "reason": alignment.reason} if alignment else None,
        }

    def close(self) -> None:
        """Calls off what is under way. Safe to call twice."""
        if self.retake is not None:
            self.retake.close()
