"""Spatial-channel context that also sees how large the known latents are.

The scale of a latent follows the magnitudes of its neighbours, of either sign. The first layer of a context is linear
and narrower than the latents, so that nothing after it can tell their magnitudes: they enter beside the values,
compressed.
"""

import torch
from torch import Tensor

from .spatial_context import SpatialContext


class MagnitudeContext(SpatialContext):
    """A `contexts.Network` for any schedule without strides."""

    inputs = 2

    def input(self, known: Tensor) -> Tensor:
        return torch.cat([known, self.arithmetic.magnitude(known)], 1)
