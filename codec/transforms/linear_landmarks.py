"""Attention through a fixed number of landmarks: the Gaussian kernel of SOFT by a Nystrom approximation.

```
S = P A^-1 P^T    P (n, m): positions to landmarks,  A (m, m): landmarks to landmarks,  S / sqrt(rows x columns) @ v
```
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear_heads import merge_heads, split_heads

# Landmarks are means over a grid of at most so many cells a side, 49 in all as in the paper.
_GRID = 7
_ITERATIONS = 20


def gaussian(a: Tensor, b: Tensor) -> Tensor:
    """exp(-|a_i - b_j|^2 / (2 sqrt(d))): (..., n, d), (..., m, d) -> (..., n, m)."""
    squares = a.square().sum(-1).unsqueeze(-1) + b.square().sum(-1).unsqueeze(-2) - 2 * a @ b.transpose(-1, -2)
    return torch.exp(squares.clamp_min(0) * (-0.5 * a.shape[-1] ** -0.5))


def newton_inverse(a: Tensor) -> Tensor:
    """Of symmetric matrices (..., m, m) by Newton-Raphson; the least eigenvalues are not inverted to the full."""
    with torch.no_grad():
        # No eigenvalue exceeds the largest sum of a row, so that every step converges.
        inverse = a / a.abs().sum(-1).amax(-1)[..., None, None].square()
        for _ in range(_ITERATIONS):
            inverse = 2 * inverse - inverse @ a @ inverse
    # With the inverse held constant one more step has the gradient of the true inverse, -A^-1 dA A^-1.
    return 2 * inverse - inverse @ a @ inverse


def landmarks(x: Tensor, height: int, width: int) -> Tensor:
    """Means of a grid over the plane: (B, heads, H * W, d) -> (B, heads, m, d), m at most 49."""
    means = F.adaptive_avg_pool2d(merge_heads(x, height, width), (min(height, _GRID), min(width, _GRID)))
    return split_heads(means, x.shape[1])


def soft_attention(q: Tensor, v: Tensor, height: int, width: int) -> Tensor:
    """q, which is k too, and v (B, heads, H * W, d) -> same."""
    centres = landmarks(q, height, width)
    to_centres = gaussian(q, centres)  # (B, heads, n, m)
    inverse = newton_inverse(gaussian(centres, centres))
    rows = to_centres @ (inverse @ to_centres.sum(-2).unsqueeze(-1))  # (B, heads, n, 1)
    # Exact rows hold 1 for the position itself and nothing negative.
    weight = rows.clamp_min(1).rsqrt()
    return weight * (to_centres @ (inverse @ (to_centres.transpose(-1, -2) @ (weight * v))))


class Soft(nn.Module):
    """Without softmax, a symmetric Gaussian kernel (Lu et al., "SOFT", 2021), normalised from both sides as in their
    "Softmax-free Linear Transformers" (2022)."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        return soft_attention(q, v, x.shape[2], x.shape[3])
