"""Where the plate is in a frame, and how its light differs."""

from core.align.light import apply_light as apply_light
from core.align.light import fit_light as fit_light
from core.align.tracker import NoPlateAligner as NoPlateAligner
from core.align.tracker import PlateAligner as PlateAligner
