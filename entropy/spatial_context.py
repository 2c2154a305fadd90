"""Context from everything known so far, a network a step: `contexts` and then a block and a head.

```
step 0:  hyper ────────────────────────────► block ─► head ─► mean, row
step s:  hyper + context_s(latents so far) ─► block ─► head ─► mean, row
```
"""

from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .fixed import FEATURE_BITS, MEAN_BITS
from .known import ContextNetwork, Known
from .memory import Memory
from .schedule import Schedule


class SpatialContext(ContextNetwork):
    """For any schedule without strides."""

    local = True

    def __init__(self, arithmetic: Arithmetic, schedule: Schedule, latents: int, width: int) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.known = [schedule.known_channels(step, latents) for step in range(schedule.steps)]
        coded = [len(schedule.channels(step, latents)) for step in range(schedule.steps)]
        inputs = [self.inputs * known for known in self.known[1:]]
        self.contexts = nn.ModuleList([arithmetic.pointwise(n, width, FEATURE_BITS) for n in inputs])
        self.blocks = nn.ModuleList([PriorBlock(arithmetic, width) for _ in coded])
        self.heads = nn.ModuleList([arithmetic.pointwise(width, 2 * n, MEAN_BITS, start=0.1) for n in coded])

    def seen(self, step: int, hyper: Tensor, known: Known) -> Tensor:
        """hyper and what is known, (B, P, h, w)."""
        if step == 0:
            return hyper
        return self.arithmetic.add(hyper, known.through(self.contexts[step - 1], range(self.known[step])))

    def forward(self, step: int, hyper: Tensor, known: Known, memory: Memory) -> Tensor:
        features: Tensor = self.blocks[step](self.seen(step, hyper, known), known.rows)
        return features
