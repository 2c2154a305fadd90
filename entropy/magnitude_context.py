"""Contexts that also see how large the known latents are.

The scale of a latent follows the magnitudes of its neighbours, of either sign. The first layer of a context is linear
and narrower than the latents, so that nothing after it can tell their magnitudes: they enter beside the values,
compressed.
"""

import torch
from torch import Tensor

from .arithmetic import Arithmetic
from .progressive_context import ProgressiveContext
from .spatial_context import SpatialContext


def with_magnitudes(arithmetic: Arithmetic, known: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 2 C, h, w): values, then compressed magnitudes."""
    return torch.cat([known, arithmetic.magnitude(known)], 1)


class MagnitudeContext(SpatialContext):
    """A `ContextNetwork` for any schedule without strides."""

    inputs = 2

    def input(self, known: Tensor) -> Tensor:
        return with_magnitudes(self.arithmetic, known)


class ProgressiveMagnitudes(ProgressiveContext):
    """Likewise from coarse to fine."""

    inputs = 2

    def input(self, known: Tensor) -> Tensor:
        return with_magnitudes(self.arithmetic, known)
