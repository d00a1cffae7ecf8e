"""The plate: recording the empty room, checking it, keeping it."""

from core.plate.checks import Finding, Severity, check_plate, check_views
from core.plate.recording import Recorder, Recording
from core.plate.store import PlateInfo, find_plate, list_plates, load_plate, remove_plate, save_plate

__all__ = [
    "Finding",
    "PlateInfo",
    "Recorder",
    "Recording",
    "Severity",
    "check_plate",
    "check_views",
    "find_plate",
    "list_plates",
    "load_plate",
    "remove_plate",
    "save_plate",
]
