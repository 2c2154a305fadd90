"""What earlier frames of a clip say of the latents of the next one: from symbols and vectors alone, so in exact
arithmetic.

```
intra frame ─► magnitudes ─────────┐
last frame ──► values, magnitudes ─┼─► enter ─► block ─► past (B, P, h, w)
vectors ─────► size, spread ───────┘
```
Where a frame is hard to predict, the next one mostly is, too: a temporal prior (Li et al., "Deep Contextual Video
Compression", 2021). Theirs comes from decoded pixels, in floating point; only what comes from symbols is the same on
every machine.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .fixed import FEATURE_BITS

MOTION_CHANNELS = 2
MOTION_BITS = 5  # binary places that sizes of vectors, whole numbers, are taken to have


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known before a frame, exact integers (1, C, h, w).

    Decoded latents of the last intra frame, and of the last frame if it was predicted, else zeros, with MEAN_BITS
    places; MOTION_CHANNELS numbers of the vectors of the frame itself.
    """

    intra: Tensor
    last: Tensor
    motion: Tensor


class Past(nn.Module):
    """See the module's diagram."""

    def __init__(self, arithmetic: Arithmetic, latents: int, width: int) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.enter = arithmetic.pointwise(3 * latents + MOTION_CHANNELS, width, FEATURE_BITS, start=0.1)
        self.block = PriorBlock(arithmetic, width)

    def forward(self, intra: Tensor, last: Tensor, motion: Tensor, rows: slice = slice(None)) -> Tensor:
        """Features (B, M, h, w), twice, and (B, MOTION_CHANNELS, h, w); `rows` are those wanted, as of `PriorBlock`."""
        size = self.arithmetic.magnitude
        seen = torch.cat([size(intra), last, size(last), size(motion)], 1)
        past: Tensor = self.block(self.enter(seen), rows)
        return past
