"""Robust Video Matting: a recurrent network that needs no plate (Lin et al. 2021)."""

from core.nets.rvm.network import RobustVideoMatting, build_rvm, downsample_ratio_for

__all__ = ["RobustVideoMatting", "build_rvm", "downsample_ratio_for"]
