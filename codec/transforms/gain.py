"""Per-channel gains that follow the quality continuously: what makes one model serve all rates."""

import torch
from torch import Tensor, nn

KNOTS = 9


class QualityGain(nn.Module):
    """exp of a table of log-gains, linearly interpolated between KNOTS equidistant qualities.

    `forward(q)`: q (B,) in [0, 1] -> (B, C, 1, 1), positive. Gains as interpolated tables follow
    Cui et al., "Asymmetric Gained Deep Image Compression With Continuous Rate Adaptation" (CVPR 2021).
    """

    def __init__(self, channels: int, low: float = 0.0, high: float = 0.0) -> None:
        """low, high: initial log-gain at q = 0 and q = 1."""
        super().__init__()
        ramp = torch.linspace(low, high, KNOTS)[:, None]
        self.log_gain = nn.Parameter(ramp.repeat(1, channels))

    def forward(self, q: Tensor) -> Tensor:
        position = q * (KNOTS - 1)
        index = position.floor().clamp(0, KNOTS - 2).long()
        fraction = (position - index)[:, None]
        log_gain = torch.lerp(self.log_gain[index], self.log_gain[index + 1], fraction)
        return log_gain.exp()[:, :, None, None]
