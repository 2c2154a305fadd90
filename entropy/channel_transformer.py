"""Causal attention over the slices of channels, at every place by itself, with cached keys and values.

```
step s:  hyper + context_s(slice s - 1) ─► query, key, value
         x + leave(attention of the query to the keys and values of steps 0 ... s) ─► block ─► head ─► mean, row
```
The channel-wise autoregressive transformer (T-CA) of Li et al., "Frequency-Aware Transformer for Learned Image
Compression" (ICLR 2024). A step computes its own key and value only, so that decoding costs the same in every step but
for the attention itself, which is of two products a channel and slice.
"""

from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .fixed import FEATURE_BITS, MEAN_BITS
from .known import ContextNetwork, Known
from .memory import Memory
from .schedule import Schedule

HEAD_CHANNELS = 16


class ChannelTransformer(ContextNetwork):
    """A `ContextNetwork` for schedules of slices that are one step each."""

    def __init__(self, arithmetic: Arithmetic, schedule: Schedule, latents: int, width: int) -> None:
        super().__init__()
        if width % HEAD_CHANNELS:
            raise ValueError(f"heads of {HEAD_CHANNELS} channels need a width of a multiple of that, not {width}")
        self.arithmetic = arithmetic
        self.slices = [schedule.channels(step, latents) for step in range(schedule.steps)]
        before = self.slices[:-1]
        self.contexts = nn.ModuleList([arithmetic.pointwise(len(n), width, FEATURE_BITS) for n in before])
        self.tokens = nn.ModuleList([arithmetic.pointwise(width, 3 * width, FEATURE_BITS) for _ in self.slices])
        self.leaves = nn.ModuleList([arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3) for _ in self.slices])
        self.blocks = nn.ModuleList([PriorBlock(arithmetic, width) for _ in self.slices])
        self.heads = nn.ModuleList([arithmetic.pointwise(width, 2 * len(n), MEAN_BITS, start=0.1) for n in self.slices])

    def forward(self, step: int, hyper: Tensor, known: Known, memory: Memory) -> Tensor:
        x = hyper
        if step:
            x = self.arithmetic.add(x, known.through(self.contexts[step - 1], self.slices[step - 1]))
        query, key, value = self.tokens[step](x).chunk(3, 1)
        keys, values = (memory.setdefault(name, []) for name in ("keys", "values"))
        keys.append(key)
        values.append(value)
        attended = self.arithmetic.attend(query, keys, values, HEAD_CHANNELS)
        x = self.arithmetic.add(x, self.leaves[step](attended))
        features: Tensor = self.blocks[step](x)
        return features
