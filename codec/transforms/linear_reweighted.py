"""Linear attentions whose weights are made to compete, to differ, or to span more: InLine, RALA and Flow-Attention.

q, k, v are (B, heads, n, d); the input x, where a rule takes it, is (B, N, H, W).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear_feature_maps import elu_map, kernelised
from .linear_heads import split_heads

_EPSILON = 1e-6


def inline_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Weights (s_ij - mean_j s_ij + 1) / n with s = q k / sqrt(d): they sum to 1 and are different for different q."""
    q = q * q.shape[-1] ** -0.5
    mean_v = v.mean(-2, keepdim=True)
    return q @ (k.transpose(-1, -2) @ v / k.shape[-2]) + (1 - q @ k.mean(-2).unsqueeze(-1)) * mean_v


class Inline(nn.Module):
    """Subtraction in place of division, and 3x3 weights from the mean of the plane (Han et al., "Bridging the Divide:
    Reconsidering Softmax and Linear Attention", 2024)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels, channels, 1, groups=heads),
            nn.GELU(),
            nn.Conv2d(channels, 9 * channels, 1, groups=heads),
        )

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        taps = self.residual(x.mean((2, 3), keepdim=True)).reshape(batch * channels, 1, 3, 3)
        plane = v.transpose(2, 3).reshape(1, batch * channels, height, width)
        local = F.conv2d(plane, taps, padding=1, groups=batch * channels).reshape(batch, channels, height, width)
        return inline_attention(q, k, v) + split_heads(local, q.shape[1])


def rala_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Of feature maps q and k; keys weigh more that the mean query asks for: n softmax_j(mean(q) k_j / sqrt(d))."""
    asked = q.mean(-2, keepdim=True) @ k.transpose(-1, -2) * q.shape[-1] ** -0.5  # (B, heads, 1, n)
    return kernelised(q, k * asked.softmax(-1).transpose(-1, -2) * k.shape[-2], v)


class Rala(nn.Module):
    """Two ranks augmented: of the sum of k v^T by weights of keys, of the output by a modulation from x (Fan et al.,
    "Breaking the Low-Rank Dilemma of Linear Attention", 2024)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.modulation = nn.Conv2d(channels, channels, 1)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        return rala_attention(elu_map(q), elu_map(k), v) * split_heads(self.modulation(x), q.shape[1])


def flow_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Capacities q_i k_j > 0: sources compete for a fixed outflow, and sinks take a share by their conserved inflow."""
    incoming = q @ (k.sum(-2).unsqueeze(-1) + _EPSILON)  # (B, heads, n, 1)
    outgoing = k @ (q.sum(-2).unsqueeze(-1) + _EPSILON)
    conserved_sink = q @ (k / outgoing).sum(-2).unsqueeze(-1)
    # Limited in the authors' code too: the softmax below is over the whole plane.
    conserved_source = (k @ (q / incoming).sum(-2).unsqueeze(-1)).clamp(-1, 1)
    competing = v * conserved_source.softmax(-2) * k.shape[-2]
    return q / incoming @ (k.transpose(-1, -2) @ competing) * conserved_sink.sigmoid()


class Flow(nn.Module):
    """Conservation of flow at sinks and at sources (Wu et al., "Flowformer", 2022), not causal."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        return flow_attention(torch.sigmoid(q), torch.sigmoid(k), v)
