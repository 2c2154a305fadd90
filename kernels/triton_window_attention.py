"""Window attention on a GPU, forward and backward, without the matrix of scores ever in memory.

One program is one window of one head, whose L x L scores are held in registers: L is 64, or as many as fit. Forward
moves 4 L d numbers and does 2 L L d multiply-accumulates: 32 a number with L = 64, below what a GPU needs to be
bound by arithmetic, so it runs at the speed of memory; unfused, scores are written and read four times, each L / d
times as much. Backward keeps the logarithm of the sum of each row, recomputes the scores and moves 8 L d numbers.
Gradients of the bias are summed over windows in a fixed order: programs take every so many-th window of a head, and
what they sum is added up after them (the arithmetic is of Dao, "FlashAttention-2", 2023).
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .triton_launch import tuned

_PARTS = 64  # programs a head that share the windows of a backward pass


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, outside: Tensor | None = None) -> Tensor:
    """As `window_attention.reference`, sums in float32; d and L at most 128."""
    found: Tensor = _Attention.apply(q, k, v, bias, outside)  # type: ignore[no-untyped-call]
    return found


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, outside: Tensor | None) -> Tensor:
        q, k, v, bias = (part.contiguous() for part in (q, k, v, bias))
        windows, heads, length, width = q.shape
        hidden = (q.new_zeros(1, length) if outside is None else outside).to(torch.int8)
        out, sums = torch.empty_like(v), torch.empty(windows, heads, length, dtype=torch.float32, device=q.device)
        sizes = {"L": _power(length), "D": _power(width)}
        _forward[lambda _: (windows, heads)](
            q, k, v, bias, hidden, out, sums, len(hidden), heads, length, width, width**-0.5, **sizes
        )
        ctx.save_for_backward(q, k, v, bias, hidden, out, sums)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, bias, hidden, out, sums = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        windows, heads, length, width = q.shape
        parts = min(_PARTS, windows)
        d_q, d_k, d_v = (torch.empty_like(part) for part in (q, k, v))
        d_bias = torch.empty(parts, heads, length, length, dtype=torch.float32, device=q.device)
        sizes = {"L": _power(length), "D": _power(width)}
        _backward[lambda _: (parts, heads)](
            q, k, v, bias, hidden, out, sums, gradient, d_q, d_k, d_v, d_bias,
            windows, parts, len(hidden), heads, length, width, width**-0.5, **sizes,
        )  # fmt: skip
        return d_q, d_k, d_v, d_bias.sum(0).to(bias.dtype), None


def _power(size: int) -> int:
    """The block that holds a size: a power of two, 16 or more as matrix products want it."""
    return max(16, int(triton.next_power_of_2(size)))


@triton.jit  # type: ignore[untyped-decorator]
def _scores(q, k, bias, hidden, head, outside, length, scale, L: tl.constexpr):  # type: ignore[no-untyped-def]
    """(L, L) of a window: scaled products and bias, nothing for keys outside."""
    place = tl.arange(0, L)
    inside = place < length
    both = inside[:, None] & inside[None, :]
    at = head * length * length + place[:, None] * length + place[None, :]
    found = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    found += tl.load(bias + at, both, other=0.0).to(tl.float32)
    hides = tl.load(hidden + outside * length + place, inside, other=1)
    return tl.where((hides == 0)[None, :], found, -float("inf"))


@tuned(["length", "width"], {"num_warps": 4}, {"num_warps": 2}, {"num_warps": 8})
@triton.jit  # type: ignore[untyped-decorator]
def _forward(  # type: ignore[no-untyped-def]
    q, k, v, bias, hidden, out, sums, groups, heads, length, width, scale, L: tl.constexpr, D: tl.constexpr
):
    window, head = tl.program_id(0), tl.program_id(1)
    place, channel = tl.arange(0, L), tl.arange(0, D)
    held = (place < length)[:, None] & (channel < width)[None, :]
    at = (window * heads + head) * length * width + place[:, None] * width + channel[None, :]
    own_q, own_k = tl.load(q + at, held, other=0.0), tl.load(k + at, held, other=0.0)
    own_v = tl.load(v + at, held, other=0.0)
    scores = _scores(own_q, own_k, bias, hidden, head, window % groups, length, scale, L)
    largest = tl.max(scores, 1)
    weights = tl.exp(scores - largest[:, None])
    total = tl.sum(weights, 1)
    mixed = tl.dot(weights.to(own_v.dtype), own_v, input_precision="ieee") / total[:, None]
    tl.store(out + at, mixed.to(out.dtype.element_ty), held)
    tl.store(sums + (window * heads + head) * length + place, largest + tl.log(total), place < length)


@tuned(["length", "width"], {"num_warps": 4}, {"num_warps": 8})
@triton.jit  # type: ignore[untyped-decorator]
def _backward(  # type: ignore[no-untyped-def]
    q, k, v, bias, hidden, out, sums, gradient, d_q, d_k, d_v, d_bias,
    windows, parts, groups, heads, length, width, scale, L: tl.constexpr, D: tl.constexpr,
):  # fmt: skip
    part, head = tl.program_id(0), tl.program_id(1)
    place, channel = tl.arange(0, L), tl.arange(0, D)
    inside = place < length
    held = inside[:, None] & (channel < width)[None, :]
    of_bias = tl.zeros((L, L), tl.float32)
    for window in range(part, windows, parts):
        at = (window * heads + head) * length * width + place[:, None] * width + channel[None, :]
        own_q, own_k = tl.load(q + at, held, other=0.0), tl.load(k + at, held, other=0.0)
        own_v, above = tl.load(v + at, held, other=0.0), tl.load(gradient + at, held, other=0.0)
        mixed = tl.load(out + at, held, other=0.0).to(tl.float32)
        row = tl.load(sums + (window * heads + head) * length + place, inside, other=0.0)
        scores = _scores(own_q, own_k, bias, hidden, head, window % groups, length, scale, L)
        weights = tl.where(inside[:, None], tl.exp(scores - row[:, None]), 0.0)
        of_weights = tl.dot(above, tl.trans(own_v), input_precision="ieee")
        of_scores = weights * (of_weights - tl.sum(above.to(tl.float32) * mixed, 1)[:, None])
        of_bias += of_scores
        of_q = tl.dot(of_scores.to(own_k.dtype), own_k, input_precision="ieee") * scale
        of_k = tl.dot(tl.trans(of_scores).to(own_q.dtype), own_q, input_precision="ieee") * scale
        of_v = tl.dot(tl.trans(weights).to(above.dtype), above, input_precision="ieee")
        tl.store(d_q + at, of_q.to(d_q.dtype.element_ty), held)
        tl.store(d_k + at, of_k.to(d_k.dtype.element_ty), held)
        tl.store(d_v + at, of_v.to(d_v.dtype.element_ty), held)
    both = inside[:, None] & inside[None, :]
    where = (part * heads + head) * length * length + place[:, None] * length + place[None, :]
    tl.store(d_bias + where, of_bias, both)
