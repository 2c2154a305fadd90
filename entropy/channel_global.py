"""Slices in checkerboard order, with attention over earlier slices and over the whole plane.

```
step 2k, 2k + 1:  x = hyper + context(channels known so far)      anchors of slice k, then the places between them
                  x + leave(attention at each place to slices 0 ... k)  + leave(linear attention over the plane)
                                                                             ─► block ─► head ─► mean, row
```
After the adaptive channel-wise and global-inter attention context (ACGC) of Wang et al., "S2LIC" (2024). Theirs finds
what is far away by deformable attention, whose sampling places are real numbers; here all places are seen, by integers.
"""

import torch
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .channel_transformer import HEAD_CHANNELS
from .fixed import FEATURE_BITS
from .known import Known
from .memory import Memory
from .schedule import Schedule
from .spatial_context import SpatialContext


class ChannelGlobal(SpatialContext):
    """A `ContextNetwork` for slices of two steps each."""

    local = False

    def __init__(self, arithmetic: Arithmetic, schedule: Schedule, latents: int, width: int) -> None:
        super().__init__(arithmetic, schedule, latents, width)
        if width % HEAD_CHANNELS:
            raise ValueError(f"heads of {HEAD_CHANNELS} channels need a width of a multiple of that, not {width}")
        steps = range(schedule.steps)
        self.channel_tokens = nn.ModuleList([arithmetic.pointwise(width, 3 * width, FEATURE_BITS) for _ in steps])
        self.plane_tokens = nn.ModuleList([arithmetic.pointwise(width, 3 * width, FEATURE_BITS) for _ in steps])
        self.leaves = nn.ModuleList([arithmetic.pointwise(2 * width, width, FEATURE_BITS, start=0.3) for _ in steps])

    def forward(self, step: int, hyper: Tensor, known: Known, memory: Memory) -> Tensor:
        x = self.seen(step, hyper, known)
        query, key, value = self.channel_tokens[step](x).chunk(3, 1)
        keys, values = (memory.setdefault(name, []) for name in ("keys", "values"))
        # A slice has one token: the second step, which knows its anchors, puts a better one in its place.
        keys[step // 2 :], values[step // 2 :] = [key], [value]
        across = self.arithmetic.attend(query, keys, values, HEAD_CHANNELS)
        query, key, value = self.plane_tokens[step](x).chunk(3, 1)
        far = self.arithmetic.attend_all(query, key, value, HEAD_CHANNELS)
        x = self.arithmetic.add(x, self.leaves[step](torch.cat([across, far], 1)))
        features: Tensor = self.blocks[step](x)
        return features
