"""Networks, each in one short file; those with real weights have a `pretrained` constructor."""

from fpnlib.models.batch_norm import BatchNorm2d
from fpnlib.models.cost import Cost, cost
from fpnlib.models.cpn import CPN, CPNOutput
from fpnlib.models.densenet import DenseNet
from fpnlib.models.efficientnet import EfficientNetLite0
from fpnlib.models.extra_levels import LastLevelMaxPool, LastLevelP6P7
from fpnlib.models.fpn import FPN
from fpnlib.models.hed import HED, HEDOutput
from fpnlib.models.lstm import LSTMCell
from fpnlib.models.necks import BiFPN, PathAggregation
from fpnlib.models.pnet import PNet, PNetOutput
from fpnlib.models.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet34, resnet50
from fpnlib.models.stacks import Stack
from fpnlib.models.unet import UNet

__all__ = [
    "CPN",
    "FPN",
    "HED",
    "BasicBlock",
    "BatchNorm2d",
    "BiFPN",
    "Bottleneck",
    "CPNOutput",
    "Cost",
    "DenseNet",
    "EfficientNetLite0",
    "HEDOutput",
    "LSTMCell",
    "LastLevelMaxPool",
    "LastLevelP6P7",
    "PNet",
    "PNetOutput",
    "PathAggregation",
    "ResNet",
    "Stack",
    "UNet",
    "cost",
    "resnet18",
    "resnet34",
    "resnet50",
]
