"""Shifted-window attention, of the first and of the second Swin transformer.

Every other block shifts its grid of windows by half a window. Liu et al., "Swin Transformer" (ICCV 2021): relative
position bias from a table. Liu et al., "Swin Transformer V2" (CVPR 2022): scaled cosine attention, bias from a small
network over log-spaced distances, normalisation after each part; the block of S2LIC (Wang et al. 2024).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.window_attention import window_attention
from .feed_forward import GatedFeedForward
from .token_block import ChannelNorm, TokenBlock, heads_of
from .windows import Windows, join_heads, split_heads

WINDOW = 8
_BIAS_RANGE = 16.0
_BIAS_HIDDEN = 64
_MOST_SHARPNESS = math.log(100.0)


class _Windowed(nn.Module):
    """Attention within windows, (B, N, H, W) -> same; `attend` mixes the values of each."""

    index: Tensor

    def __init__(self, channels: int, heads: int, windows: Windows) -> None:
        super().__init__()
        self.heads = heads
        self.windows = windows
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.leave = nn.Conv2d(channels, channels, 1)
        self.register_buffer("index", distance_index(*windows.size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.windows.cut(self.qkv(x)).chunk(3, 2))
        seen = self.attend(q, k, v, self.windows.outside(x.shape[2], x.shape[3], x.device))
        joined: Tensor = self.leave(self.windows.join(join_heads(seen), x.shape[2], x.shape[3]))
        return joined

    def attend(self, q: Tensor, k: Tensor, v: Tensor, outside: Tensor | None) -> Tensor:
        """q, k, v (B * windows, heads, L, d) and outside of `Windows` -> (B * windows, heads, L, d)."""
        raise NotImplementedError


class WindowAttention(_Windowed):
    """That of the first Swin, with a bias for every distance of two positions."""

    def __init__(self, channels: int, heads: int, windows: Windows) -> None:
        super().__init__(channels, heads, windows)
        rows, columns = windows.size
        self.bias = nn.Parameter(torch.zeros(heads, (2 * rows - 1) * (2 * columns - 1)))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, outside: Tensor | None) -> Tensor:
        return window_attention(q, k, v, self.bias[:, self.index], outside)


class CosineWindowAttention(_Windowed):
    """That of Swin V2: cosines, and a bias by a small network over the distances."""

    distances: Tensor

    def __init__(self, channels: int, heads: int, windows: Windows) -> None:
        super().__init__(channels, heads, windows)
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
        self.bias = nn.Sequential(nn.Linear(2, _BIAS_HIDDEN), nn.ReLU(), nn.Linear(_BIAS_HIDDEN, heads, bias=False))
        self.register_buffer("distances", log_distances(*windows.size), persistent=False)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, outside: Tensor | None) -> Tensor:
        # In single precision: differences of cosines decide, and are multiplied by up to a hundred.
        with torch.autocast(q.device.type, enabled=False):
            q, k = F.normalize(q.float(), dim=-1), F.normalize(k.float(), dim=-1)
            table = _BIAS_RANGE * torch.sigmoid(self.bias(self.distances))  # (distances, heads)
            sharp = self.sharpness.clamp_max(_MOST_SHARPNESS).exp()
            return window_attention(q * (sharp * q.shape[-1] ** 0.5), k, v, table.t()[:, self.index], outside)


class SwinV2Block(nn.Module):
    """x + norm(attention(x)), then x + norm(feed_forward(x)); (B, N, H, W) -> same."""

    def __init__(self, channels: int, index: int) -> None:
        super().__init__()
        self.mixer = CosineWindowAttention(channels, heads_of(channels), alternating(WINDOW, index))
        self.norm_mixer = ChannelNorm(channels)
        self.feed_forward = GatedFeedForward(channels)
        self.norm_feed = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm_mixer(self.mixer(x))
        fed: Tensor = x + self.norm_feed(self.feed_forward(x))
        return fed


def swin_block(channels: int, index: int) -> nn.Module:
    """The first Swin's block, its windows shifted where the index is odd."""
    return TokenBlock(channels, WindowAttention(channels, heads_of(channels), alternating(WINDOW, index)))


def alternating(window: int, index: int) -> Windows:
    """Square windows, shifted by half for every other block."""
    shift = window // 2 if index % 2 else 0
    return Windows((window, window), (shift, shift))


def distance_index(rows: int, columns: int) -> Tensor:
    """(L, L) int64: for query and key in a window, which of its (2 rows - 1)(2 columns - 1) distances they have."""
    y, x = torch.arange(rows).repeat_interleave(columns), torch.arange(columns).repeat(rows)
    down, right = y[:, None] - y + rows - 1, x[:, None] - x + columns - 1
    return down * (2 * columns - 1) + right


def log_distances(rows: int, columns: int) -> Tensor:
    """((2 rows - 1)(2 columns - 1), 2) float32: vertical and horizontal distance, log-spaced, about -1 to 1."""
    y, x = torch.arange(1.0 - rows, rows), torch.arange(1.0 - columns, columns)
    grid = torch.stack(torch.meshgrid(y / max(rows - 1, 1), x / max(columns - 1, 1), indexing="ij"), -1).flatten(0, 1)
    return grid.sign() * torch.log2(1 + 8 * grid.abs()) / 3.0
