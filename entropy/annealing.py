"""Stochastic Gumbel annealing: rounding that begins as a gamble between two neighbours and hardens step by step.

Yang, Bamler and Mandt, "Improving Inference for Neural Image Compression" (NeurIPS 2020), section 3.3: each value takes
its lower or upper integer with odds exp(-atanh(distance) / temperature), sampled as a relaxed one-hot of the same
temperature, so that gradients flow and the samples become whole numbers as it falls.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .fixed import ROW_CENTRE, ROW_GAIN

_EDGE = 1e-4  # atanh is infinite at 1


@dataclass(frozen=True, slots=True)
class Annealed:
    """A `rate.Quantise` at a temperature above zero. Latents of rows below `first_row` are not coded: they are zero."""

    temperature: float
    first_row: int

    def __call__(self, distance: Tensor, log_scale: Tensor) -> Tensor:
        lower = distance.detach().floor()
        share = (distance - lower).clamp(_EDGE, 1 - _EDGE)
        odds = (torch.atanh(share) - torch.atanh(1 - share)) / self.temperature
        # The difference of two Gumbel variables is logistic.
        uniform = torch.rand_like(distance).clamp(1e-6, 1 - 1e-6)
        sample = lower + torch.sigmoid((odds + torch.logit(uniform)) / self.temperature)
        return sample.masked_fill(ROW_CENTRE + ROW_GAIN * log_scale.detach() < self.first_row - 0.5, 0.0)
