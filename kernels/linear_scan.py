"""Linear attention as a recurrence with decay, along a sequence: gated (GLA), retention.

```
S_t = diag(a_t) S_t-1 + k_t v_t^T        o_t = q_t S_t        S (d, d), 0 < a <= 1, a = exp(log_decay)
```
Chunks of the sequence are matrix products; only the states between chunks are computed one after the other. Decays are
differences of logarithms, so that no length of the sequence over- or underflows. Yang et al., "Gated Linear Attention
Transformers with Hardware-Efficient Training" (2024).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .triton_ready import Trial, near, triton_pays

CHUNK = 16
# The lowest log-decay of one step: over half a chunk it stays within the exponents of float32.
LOWEST_LOG = -5.0


def scan(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """q, k, v (B, heads, n, d) -> (B, heads, n, d).

    log_decay, LOWEST_LOG to 0, is (B, heads, n, d), with 1 for B or d where all are the same. On a GPU forward by
    Triton, where that gives what `scan_chunks` gives, and faster; gradients are of `scan_chunks`.
    """
    if q.is_cuda and triton_pays("linear scan", q.device, trial):
        found: Tensor = _Scan.apply(q, k, v, log_decay)  # type: ignore[no-untyped-call]
        return found
    return scan_chunks(q, k, v, log_decay)


def chunked(x: Tensor, size: int) -> Tensor:
    """(B, heads, n, d) -> (B, heads, chunks, size, d), zeros at the end."""
    padded = F.pad(x, (0, 0, 0, -x.shape[2] % size))
    return padded.reshape(*x.shape[:2], -1, size, x.shape[3])


def scan_chunks(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """As `scan`, by operations of PyTorch."""
    length = q.shape[2]
    q, k, v, log_decay = (chunked(t, CHUNK) for t in (q, k, v, log_decay))
    decay = log_decay.cumsum(-2)  # from before the chunk to each position
    middle = decay[..., CHUNK // 2 - 1 : CHUNK // 2, :]
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
    """The recurrence as it is written, a position at a time: the reference of all, with their arguments."""
    state, out = torch.zeros_like(k[:, :, 0, :, None] * v[:, :, 0, None, :]), []
    for t in range(q.shape[2]):
        state = log_decay[:, :, t, :, None].exp() * state + k[:, :, t, :, None] * v[:, :, t, None, :]
        out.append((q[:, :, t, None, :] @ state).squeeze(2))
    return torch.stack(out, 2)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        from .triton_linear_scan import scan_forward

        ctx.save_for_backward(*inputs)
        return scan_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            inputs = [part.detach().requires_grad_() for part in ctx.saved_tensors]
            return torch.autograd.grad(scan_chunks(*inputs), inputs, gradients[0])


def trial(device: torch.device) -> Trial:
    """The scan forward, by Triton and by `scan_chunks`."""
    from .triton_linear_scan import scan_forward

    generator = torch.Generator().manual_seed(0)

    def made(length: int) -> list[Tensor]:
        parts = [torch.randn(2, 3, length, 24, generator=generator) for _ in range(3)]
        parts.append(LOWEST_LOG * torch.rand(2, 3, length, 24, generator=generator))
        return [part.to(device) for part in parts]

    small, large = made(70), made(6144)
    agrees = near(scan_forward(*small), scan_chunks(*small))
    return Trial(agrees, lambda: scan_forward(*large), lambda: scan_chunks(*large), 5 * large[0].nbytes)
