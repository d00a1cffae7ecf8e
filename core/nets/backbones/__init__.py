"""Feature extractors of the papers' networks, under torchvision's parameter names.

The official checkpoints were saved from classes that inherit torchvision's, so names and order of
modules follow those; the code needs torch alone.
"""

from core.nets.backbones.mobilenetv2 import MobileNetV2
from core.nets.backbones.mobilenetv3 import MobileNetV3Large
from core.nets.backbones.resnet import ResNet

__all__ = ["MobileNetV2", "MobileNetV3Large", "ResNet"]
