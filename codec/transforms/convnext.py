"""The block of a convolutional network rebuilt after the vision transformers.

Liu et al., "A ConvNet for the 2020s" (CVPR 2022).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .token_block import ChannelNorm

KERNEL = 7
# The paper starts at 1e-6, for stacks of 18 blocks and more and hundreds of epochs; ours are short.
_LAYER_SCALE = 0.1


class ConvNextBlock(nn.Module):
    """Depthwise 7x7, normalisation, N to 4N, GELU and back, scaled by channel; residual; (B, N, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, KERNEL, padding=KERNEL // 2, groups=channels)
        self.norm = ChannelNorm(channels)
        self.expand = nn.Conv2d(channels, 4 * channels, 1)
        self.reduce = nn.Conv2d(4 * channels, channels, 1)
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), _LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        fed: Tensor = self.reduce(F.gelu(self.expand(self.norm(self.mix(x)))))
        return x + self.layer_scale * fed
