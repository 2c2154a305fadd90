"""The entropy model: factorised z, hyper synthesis and a context model, in whichever arithmetic it is given.

```
z ─► enter ─► 2x ─► block ─► 2x ─► (+ quality) ─► block ─► hyper (B, P, H, W)
                                                             │
 step s:          hyper, latents so far ─► network of the context model ─► mean, row
```

Mean-scale hyperprior: Minnen et al., "Joint Autoregressive and Hierarchical Priors" (2018); the context models are in
`contexts`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import Arithmetic
from .blocks import PriorBlock
from .contexts import CONTEXTS
from .fixed import FEATURE_BITS, HYPER_STRIDE, MEAN_BITS
from .known import ContextNetwork, KnownPlane
from .memory import Memory
from .past import Past
from .schedule import Schedule

# Float arithmetic: qualities (B,) in [0, 1]. Exact arithmetic: a gain index.
Quality = Tensor | int


@dataclass(frozen=True, slots=True)
class PriorConfig:
    """Sizes of the entropy model: M latent, P hidden and Z hyper-latent channels.

    `schedule` names one of `contexts.CONTEXTS`. `whole_means`: the latents are whole numbers that must come back as
    they are, so their means are rounded. `past`: frames of a clip, whose parameters also follow from earlier frames.
    """

    latents: int
    width: int
    hyper: int
    schedule: str = "two-step"
    whole_means: bool = False
    past: bool = False


class LatentPrior(nn.Module):
    """Parameters of every latent from what is already known. See the module's diagram.

    In float arithmetic features are real numbers, in exact arithmetic integers with the binary places of `fixed`.
    The `(mean, log_scale)` pairs have MEAN_BITS places.
    """

    context: ContextNetwork
    heads: nn.ModuleList

    def __init__(self, arithmetic: Arithmetic, config: PriorConfig) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.config = config
        width, latents = config.width, config.latents
        self.z_mean = arithmetic.knots(config.hyper, MEAN_BITS)
        self.z_scale = arithmetic.knots(config.hyper, MEAN_BITS)
        self.enter = arithmetic.pointwise(config.hyper, 4 * width, FEATURE_BITS)
        self.coarse = PriorBlock(arithmetic, width)
        self.split = arithmetic.pointwise(width, 4 * width, FEATURE_BITS)
        self.quality = arithmetic.knots(width, FEATURE_BITS)
        self.fine = PriorBlock(arithmetic, width)
        if config.past:
            self.past = Past(arithmetic, latents, width)
        model = CONTEXTS[config.schedule]
        if not all(model.schedule.channels(step, latents) for step in range(model.schedule.steps)):
            raise ValueError(f"{latents} latent channels are too few for the slices of {config.schedule}")
        self.schedule: Schedule = model.schedule
        self.has_hyper = model.hyper
        network = model.network(arithmetic, self.schedule, latents, width)
        # Its parts are the prior's, by their own names, as in the files of all versions.
        object.__setattr__(self, "context", network)
        for name, part in network.named_children():
            self.add_module(name, part)

    def hyper_latents(self, q: Quality) -> tuple[Tensor, Tensor]:
        """(mean, log_scale) of z, each (B, Z, 1, 1): the factorised prior at a quality."""
        return self.z_mean(q), self.z_scale(q)

    def hyper_synthesis(
        self, z_hat: Tensor, q: Quality, size: tuple[int, int], rows: range | None = None, past: Tensor | None = None
    ) -> Tensor:
        """z_hat (B, Z, ceil(h/4), ceil(w/4)) as features -> hyper (B, P, h, w) with (h, w) = size, or rows of it.

        past: what `Past` makes of earlier frames, (B, P, h, w).
        """
        rows = rows or range(size[0])
        # Each block sees one row further, of its own resolution.
        fine = range(max(rows.start - 1, 0), min(rows.stop + 1, size[0]))
        first, end = max(fine.start - 2, 0) // HYPER_STRIDE, -(-(fine.stop + 2) // HYPER_STRIDE)
        seen = slice(fine.start - HYPER_STRIDE * first, fine.stop - HYPER_STRIDE * first)
        wanted = slice(rows.start - fine.start, rows.stop - fine.start)
        earlier = None if past is None else past[:, :, fine.start : fine.stop]
        return self.hyper_features(z_hat[:, :, first:end], q, seen, slice(size[1]), wanted, earlier)

    def hyper_features(
        self, z_hat: Tensor, q: Quality, rows: slice, columns: slice, wanted: slice, past: Tensor | None = None
    ) -> Tensor:
        """The same of these z_hat alone: of their latents some rows and columns, and of those rows the wanted ones.

        past: of these rows and columns.
        """
        x = F.pixel_shuffle(self.enter(z_hat if self.has_hyper else torch.zeros_like(z_hat)), 2)
        x = F.pixel_shuffle(self.split(self.coarse(x)), 2)
        x = self.arithmetic.add(x[:, :, rows, columns], self.quality(q))
        if past is not None:
            x = self.arithmetic.add(x, past)
        hyper: Tensor = self.fine(x, wanted)
        return hyper

    def step(self, index: int, hyper: Tensor, known: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """(mean, log_scale), each of the shape of the step's view of the latents (`Schedule.view`).

        Arguments as those of `contexts`, but known is features (B, M, h, w), zero where not yet known.
        """
        features = self.context(index, hyper, KnownPlane(self.context, known), memory)
        mean, log_scale = self.heads[index](features).chunk(2, 1)
        return mean, log_scale
