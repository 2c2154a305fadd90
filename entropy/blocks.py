"""The block that entropy networks are made of."""

import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .fixed import FEATURE_BITS


class PriorBlock(nn.Module):
    """Depthwise 3x3 mixing and a gated feed-forward, each residual; (B, P, H, W) -> same (Li et al., DCVC-FM, 2024)."""

    def __init__(self, arithmetic: Arithmetic, width: int) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.enter = arithmetic.pointwise(width, width, FEATURE_BITS)
        self.mix = arithmetic.depthwise(width)
        self.leave = arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3)
        self.expand = arithmetic.pointwise(width, 2 * width, FEATURE_BITS)
        self.reduce = arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.arithmetic.add(x, self.leave(self.mix(F.relu(self.enter(x)))))
        gate, value = self.expand(x).chunk(2, 1)
        return self.arithmetic.add(x, self.reduce(self.arithmetic.gate(gate, value)))
