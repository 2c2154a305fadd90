"""The context models by name: a schedule, and the network that computes the parameters of its steps.

A new one is a file and a row here. `PriorConfig.schedule` and recipes name the row.

A network is a `known.ContextNetwork` that predicts step after step of a schedule. Its parts become parts of the prior,
by their own names.

```python
def forward(self, step: int, hyper: Tensor, known: Known, memory: Memory) -> Tensor
```
It returns features (B, P, h', w') on the step's grid, of which its pointwise layer `heads[step]` makes means and
log-scales (B, 2 C, h', w') of the step's C channels, means first, with MEAN_BITS places. hyper is (B, P, h, w); through
`known` it sees the latents of earlier steps; `memory`, empty before the first step, is its own from step to step.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .arithmetic import Arithmetic
from .channel_global import ChannelGlobal
from .channel_transformer import ChannelTransformer
from .known import ContextNetwork
from .linear_context import LinearContext
from .magnitude_context import MagnitudeContext, ProgressiveMagnitudes
from .masked_transformer import MaskedTransformer
from .progressive_context import ProgressiveContext
from .schedule import (
    CHANNEL_WISE,
    CHECKERBOARD,
    EVEN_SPACE_CHANNEL,
    FOUR_STEP,
    MASKED,
    ONE_STEP,
    PROGRESSIVE,
    PROGRESSIVE_FINE,
    SPACE_CHANNEL,
    TWO_STEP,
    Schedule,
)
from .spatial_context import SpatialContext


@dataclass(frozen=True, slots=True)
class ContextModel:
    """`network` takes the arithmetic, the schedule, the latents M and the width P.

    `hyper`: whether anything depends on z. If not, training learns not to code z.
    """

    schedule: Schedule
    network: Callable[[Arithmetic, Schedule, int, int], ContextNetwork]
    hyper: bool = True


_SPATIAL = (ONE_STEP, CHECKERBOARD, TWO_STEP, FOUR_STEP, CHANNEL_WISE, SPACE_CHANNEL)
CONTEXTS = {
    "factorised": ContextModel(ONE_STEP, SpatialContext, hyper=False),
    **{schedule.name: ContextModel(schedule, SpatialContext) for schedule in _SPATIAL},
    PROGRESSIVE.name: ContextModel(PROGRESSIVE, ProgressiveContext),
    PROGRESSIVE_FINE.name: ContextModel(PROGRESSIVE_FINE, ProgressiveContext),
    "masked-transformer": ContextModel(MASKED, MaskedTransformer),
    "magnitudes": ContextModel(FOUR_STEP, MagnitudeContext),
    "progressive-magnitudes": ContextModel(PROGRESSIVE, ProgressiveMagnitudes),
    "linear-attention": ContextModel(FOUR_STEP, LinearContext),
    "channel-global": ContextModel(EVEN_SPACE_CHANNEL, ChannelGlobal),
    "channel-transformer": ContextModel(CHANNEL_WISE, ChannelTransformer),
}
