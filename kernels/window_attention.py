"""Softmax attention within windows with a bias for every pair of places: Liu et al., "Swin Transformer" (ICCV 2021)."""

from collections.abc import Callable

import torch
from torch import Tensor

from .triton_ready import Trial, near, triton_pays

MOST_PLACES = 128  # of a window, for the kernel


def window_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, outside: Tensor | None = None) -> Tensor:
    """q, k, v (B * windows, heads, L, d) and bias (heads, L, L) -> (B * windows, heads, L, d).

    Scores are divided by the root of d. `outside` (windows, L) is true for tokens that are keys for nobody; no window
    has only such. On a GPU by Triton, where that gives what `reference` gives, and faster.
    """
    if q.is_cuda and q.shape[2] <= MOST_PLACES and triton_pays("window attention", q.device, trial):
        from .triton_window_attention import attention

        return attention(q, k, v, bias, outside)
    return reference(q, k, v, bias, outside)


def reference(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, outside: Tensor | None = None) -> Tensor:
    """As `window_attention`, by operations of PyTorch."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3) + bias
    if outside is not None:
        grouped = scores.view(-1, len(outside), *scores.shape[1:])
        scores = grouped.masked_fill(outside[:, None, None], -torch.inf).view_as(scores)
    mixed: Tensor = scores.softmax(-1).to(v.dtype) @ v
    return mixed


def trial(device: torch.device) -> Trial:
    """Attention and its gradients, by Triton and by `reference`."""
    from .triton_window_attention import attention

    generator = torch.Generator().manual_seed(0)

    def made(windows: int) -> list[Tensor]:
        shapes = [(windows, 2, 64, 16)] * 3 + [(2, 64, 64)]
        return [torch.randn(shape, generator=generator).to(device).requires_grad_() for shape in shapes]

    outside = torch.zeros(3, 64, dtype=torch.bool, device=device)
    outside[1, 40:] = True

    def run(attend: Callable[..., Tensor], values: list[Tensor]) -> list[Tensor]:
        out = attend(*values, outside)
        return [out, *torch.autograd.grad(out.square().sum(), values)]

    small, large = made(6), made(1536)
    found = zip(run(attention, small), run(reference, small), strict=True)
    agrees = all(near(a, b) for a, b in found)
    moved = 12 * large[0].nbytes  # q, k, v and out forward; with their gradients and the sum of squares backward
    return Trial(agrees, lambda: run(attention, large), lambda: run(reference, large), moved)
