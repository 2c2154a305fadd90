"""Linear because attention stays near: a circle around every query (CLEAR), or a share of the channels (CARE)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear_feature_maps import Elu
from .linear_heads import HeadedAttention
from .token_block import HEAD_CHANNELS

_RADIUS = 4
# Queries go in tiles of so many a side; a tile's keys are those of the tile and a rim of _RADIUS.
_TILE = 8
_REACH = _TILE + 2 * _RADIUS


def clear_attention(q: Tensor, k: Tensor, v: Tensor, height: int, width: int) -> Tensor:
    """Softmax over the keys within _RADIUS of the query's place, (B, heads, H * W, d) -> same."""
    allowed = _allowed(height, width, q.device)  # (tiles, queries, keys)
    queries = _tiles(q, height, width, 0)  # (B, heads, tiles, queries, d)
    keys, values = _tiles(k, height, width, _RADIUS), _tiles(v, height, width, _RADIUS)
    scores = queries @ keys.transpose(-1, -2) * q.shape[-1] ** -0.5
    # Not -inf: queries of the padding may have no key at all, and their NaN would reach the gradient.
    mixed = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min).softmax(-1) @ values
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    mixed = mixed.reshape(*q.shape[:2], rows, columns, _TILE, _TILE, q.shape[3]).transpose(3, 4)
    plane: Tensor = mixed.reshape(*q.shape[:2], rows * _TILE, columns * _TILE, q.shape[3])
    return plane[:, :, :height, :width].flatten(2, 3)


def _tiles(x: Tensor, height: int, width: int, rim: int) -> Tensor:
    """(B, heads, H * W, d) -> (B, heads, tiles, positions of a tile and its rim, d), zeros outside of the plane."""
    bottom, right = -height % _TILE + rim, -width % _TILE + rim
    plane = F.pad(x.reshape(*x.shape[:2], height, width, -1), (0, 0, rim, right, rim, bottom))
    size = _TILE + 2 * rim
    tiles = plane.unfold(2, size, _TILE).unfold(3, size, _TILE)  # (B, heads, rows, columns, d, size, size)
    flat: Tensor = tiles.flatten(5).transpose(-1, -2).flatten(2, 3)
    return flat


def _allowed(height: int, width: int, device: torch.device) -> Tensor:
    """Whether a query may attend to a key, (tiles, queries, keys): near enough, and in the plane."""
    query, key = torch.arange(_TILE, device=device) + _RADIUS, torch.arange(_REACH, device=device)
    squares = (query[:, None] - key).square()  # along one axis
    near = squares[:, None, :, None] + squares[None, :, None, :] <= _RADIUS**2
    plane = torch.ones(1, 1, height * width, 1, device=device)
    inside = _tiles(plane, height, width, _RADIUS)[0, 0, :, :, 0] > 0  # (tiles, keys)
    return near.flatten(2).flatten(0, 1) & inside[:, None]


class Clear(nn.Module):
    """Attention in a circle around every query (Liu et al., "CLEAR: Conv-Like Linearization Revs Pre-Trained Diffusion
    Transformers Up", 2024)."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        return clear_attention(q, k, v, x.shape[2], x.shape[3])


class Care(nn.Module):
    """A third of the channels through linear attention, the rest through a convolution; each then gates the other.

    Zhou et al., "CARE Transformer: Mobile-Friendly Linear Visual Transformer via Decoupled Dual Interaction", 2025.
    Their second interaction, with a memory handed from block to block, has no place in the socket.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        third = max(1, channels // 3)
        self.attended = third if third < HEAD_CHANNELS else third - third % HEAD_CHANNELS
        rest = channels - self.attended
        self.attention = HeadedAttention(self.attended, Elu())
        self.convolution = nn.Conv2d(rest, rest, 5, padding=2, groups=rest)
        self.gate_far = nn.Conv2d(rest, self.attended, 1)
        self.gate_near = nn.Conv2d(self.attended, rest, 1)
        self.fuse = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.leave = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        far, near = x[:, : self.attended], x[:, self.attended :]
        far, near = self.attention(far), self.convolution(near)
        exchanged = torch.cat([far * self.gate_far(near).sigmoid(), near * self.gate_near(far).sigmoid()], 1)
        left: Tensor = self.leave(self.fuse(exchanged))
        return left
