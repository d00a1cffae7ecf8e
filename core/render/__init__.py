"""Pixels: the plate warped, the network run, the picture composed."""

from core.render.backdrops import Backdrop, Background, Kind, parse_background
from core.render.build import MatterOptions, build_platenet, build_renderer

__all__ = [
    "Backdrop",
    "Background",
    "Kind",
    "MatterOptions",
    "build_platenet",
    "build_renderer",
    "parse_background",
]
