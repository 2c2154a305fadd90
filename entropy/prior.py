"""The entropy model: factorised z, hyper synthesis and spatial-channel context, in whichever arithmetic it is given.

```
z ─► enter ─► 2x ─► block ─► 2x ─► (+ quality) ─► block ─► hyper (B, P, H, W)
                                                             │
 step 0:  hyper ────────────────────────────► block ─► head ─► mean, row
 step s:  hyper + context_s(latents so far) ─► block ─► head ─► mean, row
```

Mean-scale hyperprior: Minnen et al., "Joint Autoregressive and Hierarchical Priors" (2018); gated depthwise blocks
as in Li et al., DCVC-FM (2024).
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .fixed import FEATURE_BITS, MEAN_BITS
from .schedule import SCHEDULES, Schedule

HYPER_STRIDE = 4

# Float arithmetic: qualities (B,) in [0, 1]. Exact arithmetic: a gain index.
Quality = Tensor | int


@dataclass(frozen=True, slots=True)
class PriorConfig:
    """Sizes of the entropy model: M latent, P hidden and Z hyper-latent channels.

    `whole_means`: the latents are whole numbers that must come back as they are, so their means are rounded.
    """

    latents: int
    width: int
    hyper: int
    schedule: str = "two-step"
    whole_means: bool = False


class PriorBlock(nn.Module):
    """Depthwise 3x3 mixing and a gated feed-forward, each residual; (B, P, H, W) -> same."""

    def __init__(self, arithmetic: Arithmetic, width: int) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.enter = arithmetic.pointwise(width, width, FEATURE_BITS)
        self.mix = arithmetic.depthwise(width)
        self.leave = arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3)
        self.expand = arithmetic.pointwise(width, 2 * width, FEATURE_BITS)
        self.reduce = arithmetic.pointwise(width, width, FEATURE_BITS, start=0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.arithmetic.add(x, self.leave(self.mix(F.relu(self.enter(x)))))
        gate, value = self.expand(x).chunk(2, 1)
        return self.arithmetic.add(x, self.reduce(self.arithmetic.gate(gate, value)))


class LatentPrior(nn.Module):
    """Parameters of every latent from what is already known. See the module's diagram.

    In float arithmetic features are real numbers, in exact arithmetic integers with the binary places of `fixed`.
    The `(mean, log_scale)` pairs have MEAN_BITS places.
    """

    def __init__(self, arithmetic: Arithmetic, config: PriorConfig) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.config = config
        self.schedule: Schedule = SCHEDULES[config.schedule]
        width, latents = config.width, config.latents
        self.z_mean = arithmetic.knots(config.hyper, MEAN_BITS)
        self.z_scale = arithmetic.knots(config.hyper, MEAN_BITS)
        self.enter = arithmetic.pointwise(config.hyper, 4 * width, FEATURE_BITS)
        self.coarse = PriorBlock(arithmetic, width)
        self.split = arithmetic.pointwise(width, 4 * width, FEATURE_BITS)
        self.quality = arithmetic.knots(width, FEATURE_BITS)
        self.fine = PriorBlock(arithmetic, width)
        steps = range(self.schedule.steps)
        self.contexts = nn.ModuleList([arithmetic.pointwise(latents, width, FEATURE_BITS) for _ in steps[1:]])
        self.blocks = nn.ModuleList([PriorBlock(arithmetic, width) for _ in steps])
        self.heads = nn.ModuleList([arithmetic.pointwise(width, 2 * latents, MEAN_BITS, start=0.1) for _ in steps])

    def hyper_latents(self, q: Quality) -> tuple[Tensor, Tensor]:
        """(mean, log_scale) of z, each (B, Z, 1, 1): the factorised prior at a quality."""
        return self.z_mean(q), self.z_scale(q)

    def hyper_synthesis(self, z_hat: Tensor, q: Quality, size: tuple[int, int]) -> Tensor:
        """z_hat (B, Z, ceil(h/4), ceil(w/4)) as features -> hyper (B, P, h, w) with (h, w) = size."""
        x = F.pixel_shuffle(self.enter(z_hat), 2)
        x = F.pixel_shuffle(self.split(self.coarse(x)), 2)
        x = x[:, :, : size[0], : size[1]]
        hyper: Tensor = self.fine(self.arithmetic.add(x, self.quality(q)))
        return hyper

    def step(self, index: int, hyper: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
        """(mean, log_scale), each (B, M, h, w), for coding step `index`.

        known: the latents of earlier steps as context features (B, M, h, w), zero where not yet known; None in
        step 0.
        """
        x = hyper
        if index > 0:
            assert known is not None
            x = self.arithmetic.add(x, self.contexts[index - 1](known))
        mean, log_scale = self.heads[index](self.blocks[index](x)).chunk(2, 1)
        return mean, log_scale
