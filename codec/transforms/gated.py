"""The block of `base`: a depthwise convolution and a gated feed-forward."""

import torch.nn.functional as F
from torch import Tensor, nn

from .feed_forward import gated


class GatedBlock(nn.Module):
    """Depthwise 3x3 mixing, then a gated feed-forward, each residual; (B, N, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.leave = nn.Conv2d(channels, channels, 1)
        self.expand = nn.Conv2d(channels, 4 * channels, 1)
        self.reduce = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixed(x)
        return x + self.fed(x)

    def mixed(self, x: Tensor) -> Tensor:
        """What the first half adds."""
        mixed: Tensor = self.leave(self.mix(F.leaky_relu(self.enter(x), 0.1)))
        return mixed

    def fed(self, x: Tensor) -> Tensor:
        """What the second half adds."""
        fed: Tensor = self.reduce(gated(self.expand(x)))
        return fed
