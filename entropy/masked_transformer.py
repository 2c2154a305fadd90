"""Window attention from every place to those already decoded, in a fixed order of places, with cached keys and values.

```
step s:  hyper + context_s(latents so far) ─► query, key, value
         x + leave(attention of the query to known places of its window and to itself) ─► block ─► head ─► mean, row
```
Mentzer et al., "M2T: Masking Transformers Twice for Faster Decoding" (ICCV 2023): tokens of what is unknown are masked,
the order is fixed, and attention is masked as well, so that what a known place gives to others is computed once, in the
step after it was decoded. Theirs is a plain transformer over blocks of 24x24 places; here windows of 8x8 move by half
from step to step, and a depthwise block follows.
"""

import torch
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .channel_transformer import HEAD_CHANNELS
from .fixed import FEATURE_BITS, MEAN_BITS
from .known import ContextNetwork, Known
from .memory import Memory
from .schedule import Schedule

WINDOW = 8


class MaskedTransformer(ContextNetwork):
    """A `ContextNetwork` for schedules without slices and strides that code all channels of a place at once."""

    def __init__(self, arithmetic: Arithmetic, schedule: Schedule, latents: int, width: int) -> None:
        super().__init__()
        if width % HEAD_CHANNELS:
            raise ValueError(f"heads of {HEAD_CHANNELS} channels need a width of a multiple of that, not {width}")
        self.arithmetic = arithmetic
        self.order = schedule.cell[0]
        self.latents = range(latents)
        later = range(1, schedule.steps)
        self.contexts = nn.ModuleList([arithmetic.pointwise(latents, width, FEATURE_BITS) for _ in later])
        # One for all steps: queries of later steps meet keys of earlier ones.
        self.token = arithmetic.pointwise(width, 3 * width, FEATURE_BITS)
        self.bias = arithmetic.window_bias(width // HEAD_CHANNELS, WINDOW)
        self.leave = arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3)
        self.blocks = nn.ModuleList([PriorBlock(arithmetic, width, gated=False) for _ in range(schedule.steps)])
        self.heads = nn.ModuleList(
            [arithmetic.pointwise(width, 2 * latents, MEAN_BITS, start=0.1) for _ in range(schedule.steps)]
        )

    def forward(self, step: int, hyper: Tensor, known: Known, memory: Memory) -> Tensor:
        x = hyper
        if step:
            x = self.arithmetic.add(x, known.through(self.contexts[step - 1], self.latents))
        query, key, value = self.token(x).chunk(3, 1)
        when = self._when(x)
        if step:
            fresh = when >= step - 1  # all others were known to the step before
            key = torch.where(fresh, key, memory["keys"][0])
            value = torch.where(fresh, value, memory["values"][0])
        memory["keys"], memory["values"] = [key], [value]
        shift = step % 2 * WINDOW // 2
        attended = self.arithmetic.attend_windows(query, key, value, when < step, self.bias(), WINDOW, shift)
        x = self.arithmetic.add(x, self.leave(attended))
        features: Tensor = self.blocks[step](x)
        return features

    def _when(self, plane: Tensor) -> Tensor:
        """The step (h, w) in which each place of a plane is coded."""
        height, width = plane.shape[2:]
        period = len(self.order)
        y = torch.arange(height, device=plane.device)[:, None] % period
        x = torch.arange(width, device=plane.device) % period
        when = torch.zeros(height, width, dtype=torch.int64, device=plane.device)
        for dy, row in enumerate(self.order):
            for dx, step in enumerate(row):
                when += step * ((y == dy) & (x == dx))
        return when
