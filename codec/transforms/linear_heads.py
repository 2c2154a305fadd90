"""The frame of the linear attentions: projections to heads, a rule between the heads, and a local term beside it.

```
          ┌─► v ─► depthwise convolution ────────────┐
x ─► 1x1 ─┤                                          │
          └─► q, k, v (B, heads, n, d) ─► rule ────►(+)─► 1x1 ─► (B, N, H, W)
```
A rule of sums over all positions does not know where they are; the convolution of v tells it (LePE of Dong et al.,
"CSWin Transformer", 2022). Rules run in float32 even under autocast: sums over a plane do not fit into bfloat16.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .token_block import heads_of

# From q, k, v (B, heads, n, d), n = H * W in raster order, and the input x (B, N, H, W): (B, heads, n, d).
Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, heads * d, H, W) -> (B, heads, H * W, d)."""
    return x.reshape(x.shape[0], heads, x.shape[1] // heads, -1).transpose(2, 3)


def merge_heads(x: Tensor, height: int, width: int) -> Tensor:
    """(B, heads, H * W, d) -> (B, heads * d, H, W)."""
    return x.transpose(2, 3).reshape(x.shape[0], -1, height, width)


class HeadedAttention(nn.Module):
    """A rule between heads, (B, N, H, W) -> same."""

    def __init__(self, channels: int, rule: Rule, local: int = 3, tied: bool = False) -> None:
        """local: size of the depthwise convolution of v, 0 for a rule that knows positions itself; tied: k is q."""
        super().__init__()
        self.heads = heads_of(channels)
        self.tied = tied
        self.enter = nn.Conv2d(channels, (2 if tied else 3) * channels, 1)
        self.rule = rule
        self.local = nn.Conv2d(channels, channels, local, padding=local // 2, groups=channels) if local else None
        self.leave = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        planes = self.enter(x).chunk(2 if self.tied else 3, 1)
        q, k, v = planes[0], planes[0] if self.tied else planes[1], planes[-1]
        with torch.autocast(x.device.type, enabled=False):
            wide = torch.promote_types(x.dtype, torch.float32)
            q_heads, k_heads, v_heads = (split_heads(plane.to(wide), self.heads) for plane in (q, k, v))
            mixed = merge_heads(self.rule(q_heads, k_heads, v_heads, x.to(wide)), x.shape[2], x.shape[3])
        if self.local is not None:
            mixed = mixed + self.local(v)
        left: Tensor = self.leave(mixed)
        return left


class HeadNorm(nn.Module):
    """Every position of every head to a root mean square of 1, then a gain, (B, heads, n, d) -> same."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(heads, 1, channels // heads))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.gain
