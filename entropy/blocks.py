"""The block that entropy networks are made of."""

import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .fixed import FEATURE_BITS


class PriorBlock(nn.Module):
    """Depthwise 3x3 mixing and a feed-forward, each residual; (B, P, H, W) -> same.

    The feed-forward is gated (Li et al., DCVC-FM, 2024), or, as that of a transformer, 2P wide with GELU.
    """

    def __init__(self, arithmetic: Arithmetic, width: int, gated: bool = True) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.gated = gated
        self.enter = arithmetic.pointwise(width, width, FEATURE_BITS)
        self.mix = arithmetic.depthwise(width)
        self.leave = arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3)
        self.expand = arithmetic.pointwise(width, 2 * width, FEATURE_BITS)
        self.reduce = arithmetic.pointwise(width if gated else 2 * width, width, FEATURE_BITS, start=0.3)

    def forward(self, x: Tensor, rows: slice = slice(None)) -> Tensor:
        """rows: those that are wanted; of the others only the next ones matter."""
        if self.gated:
            layers = self.enter, self.mix, self.leave, self.expand, self.reduce
            whole = self.arithmetic.gated_block(x, rows, layers)
            if whole is not None:
                return whole
        mixed = self.mix(F.relu(self.enter(x)))
        x = self.arithmetic.add(x[:, :, rows], self.leave(mixed[:, :, rows]))
        hidden = self.expand(x)
        hidden = self.arithmetic.gate(*hidden.chunk(2, 1)) if self.gated else self.arithmetic.gelu(hidden)
        return self.arithmetic.add(x, self.reduce(hidden))
