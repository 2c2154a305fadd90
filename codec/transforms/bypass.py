"""The linear bypass: an analytic transform codec that the learned branches start from (DESIGN: DCT augmentation)."""

import torch
from torch import Tensor

from .front import BLOCK, COLOUR_SPREAD, dct_matrix

# Correlation of neighbouring pixels in the separable first-order model of a photograph.
_CORRELATION = 0.95


def merge_weights(latents: int, spread: Tensor) -> Tensor:
    """Rows that take 2x2 unshuffled DCT channels to the strongest Haar-merged bands.

    Args:
        latents: number of rows M, at most 768.
        spread: (192,) what the front end divides each DCT channel by; undone here, so that a latent is in pixel
            units: 8 times the coefficient of an orthonormal 16x16 transform of values in [0, 1].

    Returns:
        (M, 768) with orthogonal rows, strongest band first. The columns are ordered as `pixel_unshuffle(x, 2)`
        orders them: DCT channel, then vertical, then horizontal position.
    """
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) / 2**0.5  # sum and difference
    variance = _merged_variance(pair)  # (8, 2)
    strength = torch.einsum(
        "o,up,vq->ouvpq", torch.tensor(COLOUR_SPREAD, dtype=torch.float64).square(), variance, variance
    ).flatten()  # (768,): colour, u, v, vertical Haar, horizontal Haar
    chosen = torch.argsort(strength, descending=True, stable=True)[:latents]
    haar = torch.einsum("pi,qj->pqij", pair, pair).reshape(4, 4)  # (vertical, horizontal) band x position
    rows = torch.zeros(latents, 4 * spread.numel(), dtype=torch.float64)
    for row, band in enumerate(chosen.tolist()):
        channel, merged = divmod(band, 4)
        rows[row, 4 * channel : 4 * channel + 4] = haar[merged] * 8 * float(spread[channel])
    return rows.float()


def _merged_variance(pair: Tensor) -> Tensor:
    """Variance of each (frequency, Haar band) pair of two neighbouring 8-point DCTs under the correlation model."""
    n = 2 * BLOCK
    position = torch.arange(n, dtype=torch.float64)
    covariance = _CORRELATION ** (position[:, None] - position[None]).abs()
    basis = torch.einsum("ps,ki->kpsi", pair, dct_matrix(BLOCK)).reshape(BLOCK, 2, n)
    return torch.einsum("kpi,ij,kpj->kp", basis, covariance, basis)
