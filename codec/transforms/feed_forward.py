"""The gated feed-forward that the families share."""

import torch.nn.functional as F
from torch import Tensor, nn

# Unbounded, the product of two linear maps squares the features in every block, and training diverged.
_GATE_LIMIT = 4.0


def gated(expanded: Tensor) -> Tensor:
    """(B, 2K, H, W) -> (B, K, H, W): the first half, limited to 0 ... 4, times the second."""
    gate, value = expanded.chunk(2, 1)
    return F.hardtanh(gate, 0.0, _GATE_LIMIT) * value


class GatedFeedForward(nn.Module):
    """Channels mixed at every position, (B, N, H, W) -> same: N to 4N, gated to 2N, back to N."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, 4 * channels, 1)
        self.reduce = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        fed: Tensor = self.reduce(gated(self.expand(x)))
        return fed
