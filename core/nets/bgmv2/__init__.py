"""Background Matting V2: a matte from a frame and a picture of the empty room (Lin et al. 2020)."""

from core.nets.bgmv2.network import SIZE_MULTIPLE, MattingBase, MattingRefine
from core.nets.bgmv2.refiner import MODES, Refinement
from core.nets.bgmv2.setting import Setting

__all__ = ["MODES", "SIZE_MULTIPLE", "MattingBase", "MattingRefine", "Refinement", "Setting"]
