"""Iterative encoding: the latents of one picture, improved by gradient on what the picture costs.

```
y, z ─► anneal (entropy model's float twin) ─► y_hat ─► synthesis ─► squared error ─┐
 ▲                    └─► bits ──────────────────────────────────────────────────── (+) ─► Adam ─┐
 └───────────────────────────────────────────────────────────────────────────────────────────────┘
```

The analysis answers for all pictures at once; this answers for one (Yang, Bamler and Mandt 2020), and the decoder is as
it was. Yang and Mandt (ICCV 2023) pair decoders of one or two layers with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.optim.adam import adam

from ..entropy.annealing import Annealed
from ..entropy.fixed import HYPER_STRIDE
from ..entropy.prior import LatentPrior
from ..entropy.rate import latent_rate
from .model import Transforms
from .quality import weight_of
from .transforms.stride import STRIDE

_LEARNING_RATE = 0.01  # quantisation steps
_MOMENTS = (0.9, 0.95)
_TEMPERATURES = (0.5, 0.05)  # at the first and the last iteration
_SEED = 0  # of the noise: the same picture gives the same file
# Large pictures are refined area by area, so that memory does not grow with them: latents a side at most, and how much
# of their surroundings is seen with them.
_AREA = 12 * HYPER_STRIDE
_MARGIN = 2 * HYPER_STRIDE


@dataclass(frozen=True, slots=True)
class Refiner:
    """What it takes to refine the latents of a model. Latents of rows below `first_row` are not coded."""

    transforms: Transforms
    twin: LatentPrior
    first_row: int
    lambdas: tuple[float, float]

    def __call__(self, rgb: Tensor, y: Tensor, z: Tensor, q: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        """Better y (1, M, h, w) and z, each of its shape, after so many iterations.

        rgb (1, 3, H, W) in [0, 1] with h = ceil(H/16), w = ceil(W/16), q (1,). What is beyond the border is free.
        """
        y, z = y.clone(), z.clone()
        for rows, columns in product(_spans(y.shape[2]), _spans(y.shape[3])):
            target = rgb[:, :, rows.seen(STRIDE), columns.seen(STRIDE)]
            # Views: what is refined in the parts is refined in the whole.
            y_part, z_part = y[:, :, rows.seen(), columns.seen()], z[:, :, rows.hyper_seen(), columns.hyper_seen()]
            moving = torch.zeros(y_part.shape[2:], dtype=torch.bool, device=y.device)
            moving[rows.own, columns.own] = True
            hyper_moving = moving[::HYPER_STRIDE, ::HYPER_STRIDE]
            better_y, better_z = self._refined(target, y_part, z_part, q, iterations, moving)
            y_part.copy_(torch.where(moving, better_y, y_part))
            z_part.copy_(torch.where(hyper_moving, better_z, z_part))
        return y, z

    def _refined(
        self, target: Tensor, y: Tensor, z: Tensor, q: Tensor, iterations: int, moving: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same for a part of a picture of which some latents, `moving` (h, w), may change."""
        y, z = y.clone().requires_grad_(), z.clone().requires_grad_()
        optimiser = _Adam([y, z])
        weight = weight_of(q, self.lambdas)
        first, last = _TEMPERATURES
        with torch.random.fork_rng(devices=[] if y.device.type == "cpu" else [y.device]):
            torch.manual_seed(_SEED)
            for iteration in range(iterations):
                done = iteration / iterations
                quantise = Annealed(first * (last / first) ** done, self.first_row)
                y_hat, y_bits, z_bits = latent_rate(self.twin, y, z, q, quantise)
                rgb = self.transforms.synthesis(y_hat, q)[:, :, : target.shape[2], : target.shape[3]]
                squared_error = (rgb - target).square().mean(1).sum((1, 2)) * 255**2
                cost = weight * squared_error + y_bits + z_bits
                y_slope, z_slope = torch.autograd.grad(cost, (y, z))
                optimiser.step([y_slope * moving, z_slope], _LEARNING_RATE * min(1.0, 2 * (1 - done)))
        return y.detach(), z.detach()


class _Adam:
    """torch's Adam by its functional form: the class would import the compiler, which takes seconds."""

    def __init__(self, values: list[Tensor]) -> None:
        self._values = values
        self._means = [torch.zeros_like(value) for value in values]
        self._squares = [torch.zeros_like(value) for value in values]
        self._steps = [torch.zeros(()) for _ in values]

    @torch.no_grad()
    def step(self, slopes: list[Tensor], learning_rate: float) -> None:
        adam(
            self._values,
            slopes,
            self._means,
            self._squares,
            [],
            self._steps,
            amsgrad=False,
            beta1=_MOMENTS[0],
            beta2=_MOMENTS[1],
            lr=learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


@dataclass(frozen=True, slots=True)
class _Span:
    """Latents along one side of the picture: those to refine, and those seen with them."""

    start: int
    stop: int
    seen_start: int
    seen_stop: int

    @property
    def own(self) -> slice:
        """Those to refine, counted from the first that is seen."""
        return slice(self.start - self.seen_start, self.stop - self.seen_start)

    def seen(self, scale: int = 1) -> slice:
        """Those that are seen, or their pixels."""
        return slice(scale * self.seen_start, scale * self.seen_stop)

    def hyper_seen(self) -> slice:
        """Their hyper-latents."""
        return slice(self.seen_start // HYPER_STRIDE, -(-self.seen_stop // HYPER_STRIDE))


def _spans(length: int) -> Iterator[_Span]:
    """Equal parts of at most _AREA that begin at whole hyper-latents."""
    parts = -(-length // _AREA)
    step = HYPER_STRIDE * -(-length // (parts * HYPER_STRIDE))
    for start in range(0, length, step):
        stop = min(start + step, length)
        yield _Span(start, stop, max(0, start - _MARGIN), min(length, stop + _MARGIN))
