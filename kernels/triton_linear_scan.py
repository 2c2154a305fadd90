"""The chunked scan of `linear_scan` on a GPU: the state stays in registers from chunk to chunk.

One program walks one sequence of one head for some columns of v: a chunk of 16 costs 2 * 16 d (16 + d) multiply-
accumulates and moves 5 * 16 d numbers, which at d = 32 is 19 a number, so it runs at the speed of memory if enough
programs do: B times heads times d / COLUMNS of them. PyTorch's operations write and read the states of all chunks, d
/ 16 times as much as the sequence, and start 20 kernels.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .triton_launch import tuned

_CHUNK = tl.constexpr(16)


def scan_forward(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Tensor:
    """As `linear_scan.scan_chunks`, without gradients; d at most 128."""
    q, k, v = (part.contiguous() for part in (q, k, v))
    log_decay = log_decay.expand(q.shape)
    batch, heads, length, width = q.shape
    out = torch.empty_like(v)
    block = max(16, triton.next_power_of_2(width))
    _scan[lambda sizes: (batch * heads, triton.cdiv(width, sizes["COLUMNS"]))](
        q, k, v, log_decay, out, heads, length, width, *log_decay.stride(), D=block
    )
    return out


@tuned(["width"], {"COLUMNS": 16, "num_warps": 1}, {"COLUMNS": 16, "num_warps": 4}, {"COLUMNS": 32, "num_warps": 4})
@triton.jit  # type: ignore[untyped-decorator]
def _scan(  # type: ignore[no-untyped-def]
    q, k, v, log_decay, out, heads, length, width, by_batch, by_head, by_place, by_channel,
    D: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(0)
    place, channel = tl.arange(0, _CHUNK), tl.arange(0, D)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    first = sequence * length * width
    decays = log_decay + (sequence // heads) * by_batch + (sequence % heads) * by_head
    state = tl.zeros((D, COLUMNS), tl.float32)
    for start in range(0, length, _CHUNK):
        t = start + place
        held = (t < length)[:, None] & (channel < width)[None, :]
        at = first + t[:, None] * width + channel[None, :]
        own_q = tl.load(q + at, held, other=0.0).to(tl.float32)
        own_k = tl.load(k + at, held, other=0.0).to(tl.float32)
        steps = tl.load(decays + t[:, None] * by_place + channel[None, :] * by_channel, held, other=0.0)
        seen = (t < length)[:, None] & (column < width)[None, :]
        where = first + t[:, None] * width + column[None, :]
        own_v = tl.load(v + where, seen, other=0.0).to(tl.float32)
        decay = tl.cumsum(steps.to(tl.float32), 0)
        half = (place < _CHUNK // 2)[:, None]
        middle = tl.sum(tl.where(half, steps.to(tl.float32), 0.0), 0)[None, :]
        last = tl.sum(steps.to(tl.float32), 0)
        keys = tl.trans(own_k * tl.exp(middle - decay))
        scores = tl.dot(own_q * tl.exp(decay - middle), keys, input_precision="ieee")
        scores = tl.where(place[:, None] >= place[None, :], scores, 0.0)
        mixed = tl.dot(scores, own_v, input_precision="ieee")
        mixed += tl.dot(own_q * tl.exp(decay), state, input_precision="ieee")
        tl.store(out + where, mixed.to(out.dtype.element_ty), seen)
        written = tl.dot(tl.trans(own_k * tl.exp(last[None, :] - decay)), own_v, input_precision="ieee")
        state = tl.exp(last)[:, None] * state + written
