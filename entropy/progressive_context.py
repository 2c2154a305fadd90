"""Context from coarse to fine: each step works on its own grid and goes on from the features of the one before.

```
step s:  hyper + context_s(latents so far) + carry_s(features of step s - 1), all on the grid of s
                                                          ─► block ─► features ─► head ─► mean, row
```
After Li et al., "Learned Image Compression with Hierarchical Progressive Context Modeling" (ICCV 2025), whose steps
hand on what they know by attention; here the next step adds the features, repeated where its grid is finer.
"""

from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .fixed import FEATURE_BITS, MEAN_BITS
from .known import ContextNetwork, Known
from .memory import Memory
from .schedule import Schedule


class ProgressiveContext(ContextNetwork):
    """A `ContextNetwork` for schedules without slices, whose strides are powers of two and never rise."""

    def __init__(self, arithmetic: Arithmetic, schedule: Schedule, latents: int, width: int) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.strides = schedule.strides
        self.latents = range(latents)
        later = range(1, schedule.steps)
        self.contexts = nn.ModuleList([arithmetic.pointwise(self.inputs * latents, width, FEATURE_BITS) for _ in later])
        self.carries = nn.ModuleList([arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3) for _ in later])
        self.blocks = nn.ModuleList([PriorBlock(arithmetic, width) for _ in self.strides])
        self.heads = nn.ModuleList(
            [arithmetic.pointwise(width, 2 * latents, MEAN_BITS, start=0.1) for _ in self.strides]
        )

    def forward(self, step: int, hyper: Tensor, known: Known, memory: Memory) -> Tensor:
        stride = self.strides[step]
        x = hyper[:, :, ::stride, ::stride]
        if step:
            add = self.arithmetic.add
            x = add(x, known.through(self.contexts[step - 1], self.latents, stride))
            carried = self.carries[step - 1](memory["features"][0])
            x = add(x, _repeated(carried, self.strides[step - 1] // stride)[:, :, : x.shape[2], : x.shape[3]])
        features: Tensor = self.blocks[step](x)
        memory["features"] = [features]
        return features


def _repeated(x: Tensor, times: int) -> Tensor:
    """Every row and every column so many times."""
    return x if times == 1 else x.repeat_interleave(times, 2).repeat_interleave(times, 3)
