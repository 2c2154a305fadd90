"""Fixed front end: orthonormal opponent colour and 8x8 block DCT, 192 channels at an eighth of the resolution."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 8
CHANNELS = 3 * BLOCK * BLOCK

# Luminance-like, red-blue and green-magenta axes, orthonormal, so that squared error in coefficients is
# squared error in RGB.
_COLOUR = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (-1.0, 2.0, -1.0))
# Typical standard deviation of the two colour axes against the first one.
COLOUR_SPREAD = (1.0, 0.5, 0.35)


def colour_matrix() -> Tensor:
    """Orthonormal RGB -> opponent matrix, (3, 3) float64."""
    matrix = torch.tensor(_COLOUR, dtype=torch.float64)
    return matrix / matrix.square().sum(1, keepdim=True).sqrt()


def dct_matrix(n: int) -> Tensor:
    """Orthonormal DCT-II of length n, one basis vector a row, (n, n) float64."""
    k = torch.arange(n, dtype=torch.float64)[:, None]
    i = torch.arange(n, dtype=torch.float64)[None]
    basis = torch.cos(math.pi * (2 * i + 1) * k / (2 * n)) * math.sqrt(2 / n)
    basis[0] /= math.sqrt(2)
    return basis


class Front(nn.Module):
    """RGB planes to frequency-normalised DCT channels and back.

    Channel order is colour axis, then vertical, then horizontal frequency. `forward` maps (B, 3, H, W) in [0, 1]
    to (B, 192, H/8, W/8); `inverse` undoes it. H and W are multiples of 8.
    """

    basis: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        dct = dct_matrix(BLOCK)
        basis = torch.einsum("oc,ui,vj->ouvcij", colour_matrix(), dct, dct)
        self.register_buffer("basis", basis.reshape(CHANNELS, CHANNELS).float(), persistent=False)
        self.register_buffer("spread", band_spread().float(), persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        patches = F.pixel_unshuffle(rgb - 0.5, BLOCK)  # (B, 192, H/8, W/8)
        return F.conv2d(patches, (self.basis / self.spread[:, None])[:, :, None, None])

    def inverse(self, bands: Tensor) -> Tensor:
        patches = F.conv2d(bands, (self.basis * self.spread[:, None]).t()[:, :, None, None])
        return F.pixel_shuffle(patches, BLOCK) + 0.5


def band_spread() -> Tensor:
    """Rough standard deviation of each DCT channel of a photograph, in units of the [0, 1] range; (192,) float64."""
    k = torch.arange(BLOCK, dtype=torch.float64)
    radius = torch.sqrt(k[:, None] ** 2 + k[None] ** 2).flatten()
    return torch.cat([1.6 / (1 + radius) * g for g in COLOUR_SPREAD])
