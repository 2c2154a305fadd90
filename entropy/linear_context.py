"""Spatial-channel context with linear attention over the whole plane: sums of integers, so exact without a table.

```
step s:  x = hyper + context_s(latents so far)
         x + leave(linear attention of x) ─► block ─► head ─► mean, row
```
Katharopoulos et al., "Transformers are RNNs" (2020), with the feature map of a rectifier: the cost rises with the
number of places and not with its square. Every place sees the whole plane; a part of a picture has another context.
"""

from torch import Tensor, nn

from .arithmetic import Arithmetic
from .channel_transformer import HEAD_CHANNELS
from .fixed import FEATURE_BITS
from .known import Known
from .memory import Memory
from .schedule import Schedule
from .spatial_context import SpatialContext


class LinearContext(SpatialContext):
    """A `ContextNetwork` for any schedule without strides."""

    local = False

    def __init__(self, arithmetic: Arithmetic, schedule: Schedule, latents: int, width: int) -> None:
        super().__init__(arithmetic, schedule, latents, width)
        if width % HEAD_CHANNELS:
            raise ValueError(f"heads of {HEAD_CHANNELS} channels need a width of a multiple of that, not {width}")
        steps = range(schedule.steps)
        self.tokens = nn.ModuleList([arithmetic.pointwise(width, 3 * width, FEATURE_BITS) for _ in steps])
        self.leaves = nn.ModuleList([arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3) for _ in steps])

    def forward(self, step: int, hyper: Tensor, known: Known, memory: Memory) -> Tensor:
        x = self.seen(step, hyper, known)
        query, key, value = self.tokens[step](x).chunk(3, 1)
        attended = self.arithmetic.attend_all(query, key, value, HEAD_CHANNELS)
        x = self.arithmetic.add(x, self.leaves[step](attended))
        features: Tensor = self.blocks[step](x)
        return features
