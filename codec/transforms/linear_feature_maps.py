"""Attention as a product of feature maps: sums of k v^T first, so that no matrix of n x n appears.

With maps f and g the weight of position j for i is f(q_i) g(k_j) over its sum; q, k, v are (B, heads, n, d). Means
stand where the papers have sums, so that no number grows with the plane.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear_heads import HeadNorm

_EPSILON = 1e-6
# For a sum of zeros; sums of weights are far above it.
_TINY = 1e-20
_FOCUS = 3


def kernelised(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Weights q_i k_j over their sum; q and k are feature maps, (B, heads, n, m) and not negative."""
    summary = k.transpose(-1, -2) @ v / k.shape[-2]  # (B, heads, m, d)
    total = q @ k.mean(-2).unsqueeze(-1)  # (B, heads, n, 1)
    return q @ summary / (total + _TINY)


def elu_map(x: Tensor) -> Tensor:
    """elu(x) + 1 > 0, of any shape."""
    # As a sum of its halves it keeps all digits of small values, which 1 added to -1 + exp(x) would lose.
    return F.relu(x) + x.clamp_max(0).exp()


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis; zeros stay zeros."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + _EPSILON)


def focused_map(x: Tensor) -> Tensor:
    """The rectified x to the power of _FOCUS, at the length it had before."""
    x = F.relu(x) + _EPSILON
    # The power of the largest is 1: cubes of small numbers would underflow. The scale cancels, hence needs no gradient.
    powered = (x / x.detach().amax(-1, keepdim=True)).pow(_FOCUS)
    return powered * (_length(x) / _length(powered))


def _length(x: Tensor) -> Tensor:
    return x.square().sum(-1, keepdim=True).sqrt()


class Elu(nn.Module):
    """elu(x) + 1 for both maps (Katharopoulos et al., "Transformers are RNNs", 2020)."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        return kernelised(elu_map(q), elu_map(k), v)


class Focused(nn.Module):
    """Powers that sharpen the direction and keep the length (Han et al., "FLatten Transformer", 2023).

    The depthwise convolution of v beside it, which restores the rank, is that of `HeadedAttention`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        scale = F.softplus(self.scale).reshape(q.shape[1], 1, -1)  # (heads, 1, d)
        return kernelised(focused_map(q / scale), focused_map(k / scale), v)


class Hedgehog(nn.Module):
    """Learned maps that imitate the softmax (Zhang et al., "The Hedgehog & the Porcupine", 2024)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        width = channels // heads
        self.of_q = nn.Parameter(torch.eye(width).repeat(heads, 1, 1))
        self.of_k = nn.Parameter(torch.eye(width).repeat(heads, 1, 1))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        return kernelised(hedgehog_map(q @ self.of_q), hedgehog_map(k @ self.of_k), v)


def hedgehog_map(x: Tensor) -> Tensor:
    """(..., d) -> (..., 2d): the softmax of x and that of -x, over the features."""
    return torch.cat([x.softmax(-1), (-x).softmax(-1)], -1)


class TransNormer(nn.Module):
    """No denominator, the output is normalised instead (Qin et al., "The Devil in Linear Transformer", 2022).

    Of the two attentions of the paper this is NormAttention; its DiagAttention is softmax in windows.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm = HeadNorm(channels, heads)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(unnormalised(elu_map(q), elu_map(k), v))
        return normed


def unnormalised(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Weights q_i k_j / n."""
    return q @ (k.transpose(-1, -2) @ v / k.shape[-2])
