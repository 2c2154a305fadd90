"""Recursive gated convolution: interactions of high order among positions, without attention.

```
                ┌─ p0 (N/2^(n-1)) ──────► (x) ─► grow ─► (x) ─► grow ─► ... ─► (x) ─► leave
x ─► enter (2N) ┤                          ▲              ▲                     ▲
                └─► depthwise 7x7 ─► q: N/2^(n-1),     N/2^(n-2),       ...,    N
```

Rao et al., "HorNet: Efficient High-Order Spatial Interactions with Recursive Gated Convolutions" (NeurIPS 2022).
"""

from torch import Tensor, nn

from .token_block import TokenBlock

KERNEL = 7
ORDERS = (3, 4, 5)
_LEAST_PART = 8  # channels of the first interaction, where the width allows a choice
# 1 / alpha of the paper, once for all orders as the depthwise convolution is linear.
_SCALE = 1 / 3


def order_of(channels: int) -> int:
    """The highest order whose channel parts N/2^(n-1), ..., N are whole and not too narrow. Raises ValueError."""
    whole = [order for order in ORDERS if channels % 2 ** (order - 1) == 0]
    if not whole:
        raise ValueError(f"a recursive gated convolution needs a width that is a multiple of 4, not {channels}")
    return max((order for order in whole if channels >> (order - 1) >= _LEAST_PART), default=whole[0])


class RecursiveGatedConvolution(nn.Module):
    """g^n Conv, (B, N, H, W) -> same: every step multiplies by features of the 7x7 neighbourhood and doubles them."""

    def __init__(self, channels: int, order: int) -> None:
        super().__init__()
        self.parts = [channels >> step for step in reversed(range(order))]  # together 2N less the first
        mixed = sum(self.parts)
        self.enter = nn.Conv2d(channels, 2 * channels, 1)
        self.mix = nn.Conv2d(mixed, mixed, KERNEL, padding=KERNEL // 2, groups=mixed)
        self.grow = nn.ModuleList(nn.Conv2d(part, 2 * part, 1) for part in self.parts[:-1])
        self.leave = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, rest = self.enter(x).split([self.parts[0], sum(self.parts)], 1)
        gates = (_SCALE * self.mix(rest)).split(self.parts, 1)
        p = first * gates[0]
        for grow, gate in zip(self.grow, gates[1:], strict=True):
            p = grow(p) * gate
        mixed: Tensor = self.leave(p)
        return mixed


class HorNetBlock(TokenBlock):
    """Recursive gated convolution, of an order that follows from the width, then a gated feed-forward."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, RecursiveGatedConvolution(channels, order_of(channels)))
