"""Linear attention as a recurrence with decay, along the raster and along its reverse: gated (GLA) and retention.

```
S_t = diag(a_t) S_t-1 + k_t v_t^T        o_t = q_t S_t        S (d, d), 0 < a <= 1, a = exp(log_decay)
```
Chunks of the sequence are matrix products; only the states between chunks are computed one after the other. Decays are
differences of logarithms, so that no length of the plane over- or underflows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .linear_heads import HeadNorm, split_heads

_CHUNK = 16
# The lowest log-decay of one step: over half a chunk it stays within the exponents of float32.
_LOWEST_LOG = -5.0
# Gates begin near 1 and forget slowly, as in GLA.
_GATE_TEMPERATURE = 16.0


def there_and_back(x: Tensor) -> Tensor:
    """(B, heads, n, d) -> (2B, heads, n, d): the sequences, then their reverses."""
    return torch.cat([x, x.flip(2)])


def averaged(x: Tensor) -> Tensor:
    """What came of `there_and_back`, (2B, heads, n, d) -> (B, heads, n, d): the mean of both directions."""
    there, back = x.chunk(2)
    return (there + back.flip(2)) / 2


def chunked(x: Tensor, size: int) -> Tensor:
    """(B, heads, n, d) -> (B, heads, chunks, size, d), zeros at the end."""
    padded = F.pad(x, (0, 0, 0, -x.shape[2] % size))
    return padded.reshape(*x.shape[:2], -1, size, x.shape[3])


def scan_chunks(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """The recurrence in chunks; log_decay, -5 to 0, is (B, heads, n, d), with 1 for B or d where all are the same."""
    length = q.shape[2]
    q, k, v, log_decay = (chunked(t, _CHUNK) for t in (q, k, v, log_decay))
    decay = log_decay.cumsum(-2)  # from before the chunk to each position
    middle = decay[..., _CHUNK // 2 - 1 : _CHUNK // 2, :]
    last = decay[..., -1:, :]
    within = (q * (decay - middle).exp()) @ (k * (middle - decay).exp()).transpose(-1, -2)
    written = (k * (last - decay).exp()).transpose(-1, -2) @ v  # (B, heads, chunks, d, d)
    kept = last.exp().transpose(-1, -2)  # (B, heads, chunks, d, 1)
    state, before = torch.zeros_like(written[:, :, 0]), []
    for keep, write in zip(kept.unbind(2), written.unbind(2), strict=True):
        before.append(state)
        state = keep * state + write
    out = within.tril() @ v + (q * decay.exp()) @ torch.stack(before, 2)
    return out.flatten(2, 3)[:, :, :length]


def scan_steps(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """The recurrence as it is written, a position at a time: the reference of `scan_chunks`, with its arguments."""
    state, out = torch.zeros_like(k[:, :, 0, :, None] * v[:, :, 0, None, :]), []
    for t in range(q.shape[2]):
        state = log_decay[:, :, t, :, None].exp() * state + k[:, :, t, :, None] * v[:, :, t, None, :]
        out.append((q[:, :, t, None, :] @ state).squeeze(2))
    return torch.stack(out, 2)


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
        there, back = (split_heads(half, heads) for half in logs.clamp_min(_LOWEST_LOG).chunk(2, 1))
        log_decay = torch.cat([there, back.flip(2)])
        q = q * q.shape[-1] ** -0.5
        scanned = averaged(scan_chunks(there_and_back(q), there_and_back(k), there_and_back(v), log_decay))
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
        scanned = scan_chunks(there_and_back(q), there_and_back(k), there_and_back(v), log_decay)
        normed: Tensor = self.norm(averaged(scanned))
        return normed
