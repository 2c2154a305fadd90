"""Linear attention as a recurrence with decay (`kernels.linear_scan`), along the raster and along its reverse."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.linear_scan import LOWEST_LOG, scan
from .linear_heads import HeadNorm, split_heads

# Gates begin near 1 and forget slowly, as in GLA.
_GATE_TEMPERATURE = 16.0


def there_and_back(x: Tensor) -> Tensor:
    """(B, heads, n, d) -> (2B, heads, n, d): the sequences, then their reverses."""
    return torch.cat([x, x.flip(2)])


def averaged(x: Tensor) -> Tensor:
    """What came of `there_and_back`, (2B, heads, n, d) -> (B, heads, n, d): the mean of both directions."""
    there, back = x.chunk(2)
    return (there + back.flip(2)) / 2


class Gated(nn.Module):
    """Decay per position and channel, and a gate between the scans and their local input x.

    Yang et al., "Gated Linear Attention Transformers with Hardware-Efficient Training", 2024; two directions with gates
    of their own and the mixture with 2D detail are of Liao et al., "ViG", 2024.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.decay = nn.Sequential(nn.Conv2d(channels, _rank(channels), 1), nn.Conv2d(_rank(channels), 2 * channels, 1))
        self.share = nn.Conv2d(channels, channels, 1)
        self.norm_scan = HeadNorm(channels, heads)
        self.norm_local = HeadNorm(channels, heads)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        heads = q.shape[1]
        logs = F.logsigmoid(self.decay(x)) / _GATE_TEMPERATURE
        there, back = (split_heads(half, heads) for half in logs.clamp_min(LOWEST_LOG).chunk(2, 1))
        log_decay = torch.cat([there, back.flip(2)])
        q = q * q.shape[-1] ** -0.5
        scanned = averaged(scan(there_and_back(q), there_and_back(k), there_and_back(v), log_decay))
        share = split_heads(self.share(x), heads).sigmoid()
        mixed: Tensor = share * self.norm_scan(scanned) + (1 - share) * self.norm_local(split_heads(x, heads))
        return mixed


def _rank(channels: int) -> int:
    return min(channels, 16)


class Retention(nn.Module):
    """A fixed decay for every head (Hatamizadeh et al., "ViR: Vision Retention Networks", 2023), in both directions.

    1 - 2^-5, 1 - 2^-6, ... as in Sun et al., "Retentive Network", 2023.
    """

    log_decay: Tensor

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        logs = torch.log1p(-(2.0 ** (-5 - torch.arange(heads, dtype=torch.float64))))
        self.register_buffer("log_decay", logs[None, :, None, None].float(), persistent=False)
        self.norm = HeadNorm(channels, heads)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        q = q * q.shape[-1] ** -0.5
        log_decay = self.log_decay.expand(-1, -1, q.shape[2], -1)
        scanned = scan(there_and_back(q), there_and_back(k), there_and_back(v), log_decay)
        normed: Tensor = self.norm(averaged(scanned))
        return normed
