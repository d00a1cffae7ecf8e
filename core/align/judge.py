"""Does the plate fit? A verdict from the cells that could be compared, with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.align.refine import Comparison
from core.types import F32, U8

# A wrong lock shows the room, a missed one hides more than needed: what is lost needs more to
# come back than what is held needs to stay. While nobody has said where the person is, that
# person (up to half of the picture) differs too; once masked, nearly all that is left must agree.
_UNKNOWN_PERSON = (0.42, 0.45, 0.55)
_KNOWN_PERSON = (0.5, 0.62, 0.7)
LEAST_CELLS = 6
_LEAST_SHARE = 0.10
CONTRAST_RATIO = 2.5  # an edge of the plate on a stronger or fainter one is another edge
DARK_LEVELS = 9.0
_LIT_SHARE = 0.1  # of the picture: a lamp's reflection is no room


@dataclass(frozen=True, slots=True)
class Needed:
    """Least scores: to stay, to come back where it was, and where a search or a leap has put it."""

    stay: float
    enter: float
    enter_far: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """agree, differ: textured cells of the plate that show it, and that show something else.

    score: agree / (agree + differ), 0..1; cells under the person do not count.
    """

    agree: int
    differ: int
    score: float

    @property
    def words(self) -> str:
        return f"{self.agree} of {self.agree + self.differ} cells agree"

    def fits(self, least_score: float, textured: int) -> bool:
        """Whether the plate fits: enough cells in number, in share of the plate's, and in score.

        The share keeps a mask that has grown over the whole picture from excusing all that differs.
        """
        least = max(min(LEAST_CELLS, textured), _LEAST_SHARE * textured)
        return self.agree >= least and self.score >= least_score


NOTHING_SEEN = Verdict(0, 0, 0.0)


def judge(look: Comparison) -> Verdict:
    """The verdict on a comparison. Cells mostly under the person were not judged there."""
    contrasts = look.contrast[look.judged]
    contrasts.sort()
    usual = float(contrasts[len(contrasts) // 2]) if len(contrasts) else 1.0
    alike = (look.contrast > usual / CONTRAST_RATIO) & (look.contrast < usual * CONTRAST_RATIO)
    agree = int(np.count_nonzero(look.agrees & alike))
    differ = len(contrasts) - agree
    return Verdict(agree, differ, agree / max(agree + differ, 1))


def needed(person_known: bool) -> Needed:
    return Needed(*(_KNOWN_PERSON if person_known else _UNKNOWN_PERSON))


def is_dark(picture: F32 | U8) -> bool:
    """Whether the frame is black (lid closed, lens covered, lights off)."""
    sample = picture[::8, ::8]
    return int(np.count_nonzero(sample > DARK_LEVELS)) < _LIT_SHARE * sample.size
