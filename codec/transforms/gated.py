"""The block of `base`: a depthwise convolution and a gated feed-forward."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.gated_block import BlockWeights, gated_block
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
        if x.is_cuda and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cuda"):
            return gated_block(x.permute(0, 2, 3, 1), self._weights()).permute(0, 3, 1, 2)
        x = x + self.mixed(x)
        return x + self.fed(x)

    def _weights(self) -> BlockWeights:
        parts: list[Tensor] = []
        for layer in (self.enter, self.mix, self.leave, self.expand, self.reduce):
            assert layer.bias is not None
            parts += [layer.weight.flatten(1), layer.bias]
        return BlockWeights(*parts)

    def mixed(self, x: Tensor) -> Tensor:
        """What the first half adds."""
        mixed: Tensor = self.leave(self.mix(F.leaky_relu(self.enter(x), 0.1)))
        return mixed

    def fed(self, x: Tensor) -> Tensor:
        """What the second half adds."""
        fed: Tensor = self.reduce(gated(self.expand(x)))
        return fed
