"""Linear attention with the delta rule: a key replaces what the state held for it, instead of adding to it.

```
S_t = S_t-1 + b_t k_t (v_t - k_t^T S_t-1)^T        o_t = q_t S_t        S (d, d), |k| = 1, 0 < b < 1
```
In a chunk the differences U = v - k^T S solve a triangular system (the WY form of products of Householder matrices), so
that only the states between chunks are computed one after the other.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.linear_scan import chunked
from .linear_feature_maps import unit
from .linear_gated import averaged, there_and_back
from .linear_heads import HeadNorm, split_heads

_CHUNK = 32


def delta_chunks(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
    """The recurrence in chunks: q, k, v (B, heads, n, d) and beta (B, heads, n, 1) -> (B, heads, n, d)."""
    length, width = q.shape[2], v.shape[-1]
    q, k, v, beta = (chunked(t, _CHUNK) for t in (q, k, v, beta))
    overlaps = (beta * k @ k.transpose(-1, -2)).tril(-1)
    right = torch.cat([beta * v, beta * k], -1)
    solved = torch.linalg.solve_triangular(overlaps, right, upper=False, unitriangular=True)
    fresh, erased = solved.split([width, k.shape[-1]], -1)
    scores = (q @ k.transpose(-1, -2)).tril()
    state, out = torch.zeros_like(k[:, :, 0].transpose(-1, -2) @ v[:, :, 0]), []
    parts = (t.unbind(2) for t in (q, k, fresh, erased, scores))
    for q_now, k_now, fresh_now, erased_now, scores_now in zip(*parts, strict=True):
        written = fresh_now - erased_now @ state
        out.append(q_now @ state + scores_now @ written)
        state = state + k_now.transpose(-1, -2) @ written
    return torch.cat(out, 2)[:, :, :length]


def delta_steps(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
    """The recurrence as it is written, a position at a time: the reference of `delta_chunks`, with its arguments."""
    state, out = torch.zeros_like(k[:, :, 0, :, None] * v[:, :, 0, None, :]), []
    for t in range(q.shape[2]):
        key = k[:, :, t, :, None]  # (B, heads, d, 1)
        held = key.transpose(-1, -2) @ state
        state = state + key @ (beta[:, :, t, None, :] * (v[:, :, t, None, :] - held))
        out.append((q[:, :, t, None, :] @ state).squeeze(2))
    return torch.stack(out, 2)


class Delta(nn.Module):
    """Along the raster and its reverse; causal in the paper (Yang et al., "Parallelizing Linear Transformers with the
    Delta Rule over Sequence Length", 2024)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.beta = nn.Conv2d(channels, heads, 1)
        self.norm = HeadNorm(channels, heads)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        q, k = unit(F.silu(q)), unit(F.silu(k))
        beta = split_heads(self.beta(x), q.shape[1]).sigmoid()  # (B, heads, n, 1)
        scanned = delta_chunks(there_and_back(q), there_and_back(k), there_and_back(v), there_and_back(beta))
        normed: Tensor = self.norm(averaged(scanned))
        return normed
