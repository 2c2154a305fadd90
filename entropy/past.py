"""What frames of a clip that are coded say of the latents of the next one: from symbols and motion alone, in exact
arithmetic.

```
intra frame ─► magnitudes ─────────┐
last frame ──► values, magnitudes ─┼─► enter ─► block ─► past (B, P, h, w)
motion ──────► sizes, kinds ───────┘
```
Where a frame is hard to predict, the next one mostly is, too: a temporal prior (Li et al., "Deep Contextual Video
Compression", 2021). Theirs comes from decoded pixels, in floating point; only what comes from symbols is the same on
every machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .fixed import FEATURE_BITS

MOTION_CHANNELS = 3
MOTION_BITS = 5  # binary places that sizes of vectors, whole numbers, are taken to have


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known before a frame, exact integers (1, C, h, w).

    Decoded latents, with MEAN_BITS places, of the last intra frame, and of the frame coded last of its level, see
    `formats.clip_order`, or else of the nearest lower one, or else zeros; MOTION_CHANNELS numbers of its motion.
    """

    intra: Tensor
    last: Tensor
    motion: Tensor


def last_of(last: Mapping[int, Tensor], level: int, intra: Tensor) -> Tensor:
    """Latents of the frame that was coded last of a level, or else of the nearest lower one, or else zeros."""
    found = [last[lower] for lower in range(level, -1, -1) if lower in last]
    return found[0] if found else torch.zeros_like(intra)


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
