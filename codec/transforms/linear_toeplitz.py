"""Kernelised attention with a bias for every offset, which on a plane is a convolution and runs by FFT.

The weight of position j for i is c(i - j) f(q_i) f(k_j) over its sum, c = exp(bias). The matrix of c is Toeplitz in
both axes, so every product f(k)_m v_c, and f(k)_m for the sum, is convolved with one kernel per head: O(n log n).
Beyond a reach all offsets share one bias, so that any plane has its biases and the FFT needs no more than that rim.
"""

import torch
from torch import Tensor, nn

from .linear_feature_maps import unit

_REACH = 8
# Features per head; each costs d + 1 convolutions over the plane.
_FEATURES = 8


def toeplitz_attention(q: Tensor, k: Tensor, v: Tensor, near: Tensor, far: Tensor, height: int, width: int) -> Tensor:
    """Of feature maps q and k (B, heads, H * W, m), positive, and v (B, heads, H * W, d): (B, heads, H * W, d).

    far (heads, 1, 1) is c of all distant offsets, and near (heads, 2r + 1, 2r + 1) that of -r ... r on both axes.
    """
    values = torch.cat([v, torch.ones_like(v[..., :1])], -1).transpose(-1, -2)  # (B, heads, d + 1, n)
    everywhere = values @ k * far  # (B, heads, d + 1, m)
    summed = everywhere @ q.transpose(-1, -2)  # (B, heads, d + 1, n)
    # One feature at a time: all at once would take m times the memory.
    for q_feature, k_feature in zip(q.unbind(-1), k.unbind(-1), strict=True):
        products = (k_feature.unsqueeze(2) * values).reshape(*values.shape[:-1], height, width)
        around = _convolved(products, (near - far)[:, None])
        summed = summed + q_feature.unsqueeze(2) * around.flatten(-2)
    summed = summed.transpose(-1, -2)
    return summed[..., :-1] / summed[..., -1:]


def _convolved(planes: Tensor, kernel: Tensor) -> Tensor:
    """(..., H, W) with a kernel (..., 2r + 1, 2r + 1), zeros outside of the plane, by FFT."""
    height, width = planes.shape[-2:]
    reach = kernel.shape[-1] // 2
    # A rim of the reach keeps one edge from the other; a multiple of 8 is a quick length.
    rows, columns = (-(-(size + reach) // 8) * 8 for size in (height, width))
    inside = kernel[..., max(0, reach - height + 1) : reach + height, max(0, reach - width + 1) : reach + width]
    centred = torch.zeros(*kernel.shape[:-2], rows, columns, dtype=kernel.dtype, device=kernel.device)
    centred[..., : inside.shape[-2], : inside.shape[-1]] = inside
    centred = centred.roll((-(inside.shape[-2] // 2), -(inside.shape[-1] // 2)), (-2, -1))
    spectrum = torch.fft.rfft2(planes, s=(rows, columns)) * torch.fft.rfft2(centred)
    convolved: Tensor = torch.fft.irfft2(spectrum, s=(rows, columns))[..., :height, :width]
    return convolved


def positive_features(x: Tensor, directions: Tensor) -> Tensor:
    """exp(w x - |x|^2 / 2) of x brought to length 1: (B, heads, n, d), w (heads, d, m) -> (B, heads, n, m)."""
    x = unit(x)
    return torch.exp(x @ directions - x.square().sum(-1, keepdim=True) / 2)


class Toeplitz(nn.Module):
    """Relative positions through FFT (Luo et al., "Stable, Fast and Accurate: Kernelized Attention with Relative
    Positional Encoding", 2021), here on two axes; the directions of the features are drawn once and then learnt."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(heads, channels // heads, _FEATURES))
        self.near = nn.Parameter(torch.zeros(heads, 2 * _REACH + 1, 2 * _REACH + 1))
        self.far = nn.Parameter(torch.zeros(heads, 1, 1))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        q, k = positive_features(q, self.directions), positive_features(k, self.directions)
        return toeplitz_attention(q, k, v, self.near.exp(), self.far.exp(), x.shape[2], x.shape[3])
