"""Hyper analysis: the side information z drawn from the latents."""

import torch.nn.functional as F
from torch import Tensor, nn

from .gated import GatedBlock

# Latents reach several hundred steps at high quality; the network sees a fifth.
_INPUT_SCALE = 0.2
_STRIDE = 4


class HyperAnalysis(nn.Module):
    """y (B, M, h, w) in quantisation steps -> z (B, Z, ceil(h/4), ceil(w/4)), float, not yet quantised."""

    def __init__(self, latents: int, width: int, hyper: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(latents, width, 1)
        self.block = GatedBlock(width)
        self.middle = nn.Conv2d(4 * width, width, 1)
        self.leave = nn.Conv2d(4 * width, hyper, 1)

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[2:]
        if height % _STRIDE or width % _STRIDE:
            y = F.pad(y, (0, -width % _STRIDE, 0, -height % _STRIDE), mode="replicate")
        x = self.block(self.enter(y * _INPUT_SCALE))
        x = F.leaky_relu(self.middle(F.pixel_unshuffle(x, 2)), 0.1)
        z: Tensor = self.leave(F.pixel_unshuffle(x, 2))
        return z
