"""The network of lossless coding, in whichever arithmetic it is given: what a sample will be, from known ones.

```
known planes ─► enter ─► (+ level) ─► block ─► block ─► features ─┬─► luma ─► mean, scale of Y
                                                                  ├─► (with what Y was off) ─► of Co
                                                                  └─► (with what both were off) ─► of Cg
```

One such network for each phase of `interlacing`; all levels share them. Interlaced context models of learned lossless
coding: Zhang et al., "Parallel Neural Local Lossless Compression" (2022), and, handmade, FLIF.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .fixed import FEATURE_BITS, MEAN_BITS
from .interlacing import PHASES, Surroundings

COLOURS = 3  # Y, Co, Cg
MARGIN = 3  # places that the network sees around one: a 3x3 layer and two blocks
DEEPEST = 4  # levels from here on are alike; a level's place on the quality axis is its number of knots
_HIDDEN = 32

# Differences of samples, with MEAN_BITS binary places, to features: a quarter of them on the scale of 8 bits.
ToFeatures = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterlacedConfig:
    """Sizes of the network: P feature channels."""

    width: int


class PhaseNetwork(nn.Module):
    """Means and log-scales of the samples of one phase, of which `known` planes of three colours each are known."""

    def __init__(self, arithmetic: Arithmetic, known: int, width: int) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.enter = arithmetic.convolution(COLOURS * (known + 1), width, FEATURE_BITS, FEATURE_BITS)
        self.level = arithmetic.knots(width, FEATURE_BITS)
        self.blocks = nn.ModuleList([PriorBlock(arithmetic, width) for _ in range(2)])
        self.luma = arithmetic.pointwise(width, 2, MEAN_BITS, start=0.05)
        # Of each colour before a chroma one: what it was off, and the magnitude of that.
        self.mixes = nn.ModuleList(
            [arithmetic.pointwise(width + 2 * before, _HIDDEN, FEATURE_BITS) for before in range(1, COLOURS)]
        )
        self.chroma = nn.ModuleList(
            [arithmetic.pointwise(_HIDDEN, 2, MEAN_BITS, start=0.05) for _ in range(1, COLOURS)]
        )

    def features(
        self, phase: int, around: Surroundings, level: Tensor | int, feature: ToFeatures
    ) -> tuple[Tensor, Tensor]:
        """(base (B, 3, h, w) with MEAN_BITS places, features (B, P, h, w)) of what has those surroundings.

        level: in float arithmetic (1,) in [0, 1], in exact arithmetic a gain index, as of a quality.
        """
        planes, base = around.planes(), around.base(phase)
        scaled = [feature(planes[0] * 8), *(feature(plane * (1 << MEAN_BITS) - base) for plane in planes)]
        x = self.arithmetic.leaky(self.arithmetic.add(self.enter(torch.cat(scaled, 1)), self.level(level)))
        for block in self.blocks:
            x = block(x)
        inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        return base[inner], x[inner]

    def parameters_of(self, colour: int, features: Tensor, missed: list[Tensor]) -> tuple[Tensor, Tensor]:
        """(correction of the base, log-scale), each (B, 1, h, w) with MEAN_BITS places on the scale of 8 bits.

        missed: of each colour before, samples less means, as features (B, 1, h, w).
        """
        if colour == 0:
            correction, log_scale = self.luma(features).chunk(2, 1)
            return correction, log_scale
        seen = [features, *missed, *(self.arithmetic.magnitude(value) for value in missed)]
        hidden = self.arithmetic.leaky(self.mixes[colour - 1](torch.cat(seen, 1)))
        correction, log_scale = self.chroma[colour - 1](hidden).chunk(2, 1)
        return correction, log_scale


class Interlaced(nn.Module):
    """The networks of all phases."""

    def __init__(self, arithmetic: Arithmetic, config: InterlacedConfig) -> None:
        super().__init__()
        self.config = config
        self.phases = nn.ModuleList([PhaseNetwork(arithmetic, phase + 1, config.width) for phase in range(PHASES)])

    def phase(self, index: int) -> PhaseNetwork:
        """The network of a phase."""
        network = self.phases[index]
        assert isinstance(network, PhaseNetwork)
        return network
