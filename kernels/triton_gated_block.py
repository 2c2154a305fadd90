"""The gated block on a GPU in three kernels: the first product, depthwise with the second, and the feed-forward.

For a place of N channels it does 8 N^2 + 9 N multiply-accumulates and moves 7 N numbers (x, what enters, y and the
result, each written and read); PyTorch's eight operations move 26 N. At N = 160 in half precision that is 92
products a byte, near the ridge of an H200 (about 100), where unfused operations reach 25. Half precision goes into
the products, sums are float32, and so is what is added to x.
"""

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from .gated_block import GATE_LIMIT, SLOPE, BlockWeights
from .triton_launch import tuned


def block(x: Tensor, weights: BlockWeights) -> Tensor:
    """As `gated_block.reference`; N at most 256."""
    x = x.contiguous()
    batch, height, width, channels = x.shape
    count = batch * height * width
    entered = F.leaky_relu_(F.linear(x, weights.enter, weights.enter_bias), SLOPE)
    mixed, out = torch.empty_like(x), torch.empty_like(x)
    sizes = {"N": max(16, triton.next_power_of_2(channels))}
    own = [part.contiguous() for part in weights]
    _mix[lambda chosen: (triton.cdiv(count, chosen["ROWS"]),)](
        x, entered, *own[2:6], mixed, count, height, width, channels, **sizes
    )
    _feed[lambda chosen: (triton.cdiv(count, chosen["ROWS"]),)](
        mixed, *own[6:], out, count, channels, GATE_LIMIT, **sizes
    )
    return out


@tuned(
    ["channels"],
    {"ROWS": 32, "DEPTH": 32, "num_warps": 4},
    {"ROWS": 64, "DEPTH": 32, "num_warps": 8},
    {"ROWS": 16, "DEPTH": 32, "num_warps": 4},
)
@triton.jit  # type: ignore[untyped-decorator]
def _mix(  # type: ignore[no-untyped-def]
    x, entered, taps, taps_bias, leave, leave_bias, out, count, height, width, channels,
    N: tl.constexpr, ROWS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """x + leave(depthwise(entered)) of ROWS places."""
    place = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column, row = place % width, (place // width) % height
    channel = tl.arange(0, N)
    inside = place < count
    total = tl.zeros((ROWS, N), tl.float32)
    for first in range(0, channels, DEPTH):
        i = first + tl.arange(0, DEPTH)
        own = i < channels
        mixed = tl.zeros((ROWS, DEPTH), tl.float32) + tl.load(taps_bias + i, own, other=0.0).to(tl.float32)[None, :]
        for tap in range(9):
            dy, dx = tap // 3 - 1, tap % 3 - 1
            seen = inside & (row + dy >= 0) & (row + dy < height) & (column + dx >= 0) & (column + dx < width)
            at = (place + dy * width + dx)[:, None] * channels + i[None, :]
            values = tl.load(entered + at, seen[:, None] & own[None, :], other=0.0).to(tl.float32)
            mixed += values * tl.load(taps + i * 9 + tap, own, other=0.0).to(tl.float32)[None, :]
        held = own[:, None] & (channel < channels)[None, :]
        weight = tl.load(leave + channel[None, :] * channels + i[:, None], held, other=0.0)
        total += tl.dot(mixed.to(weight.dtype), weight, input_precision="ieee")
    held = inside[:, None] & (channel < channels)[None, :]
    at = place[:, None] * channels + channel[None, :]
    total += tl.load(leave_bias + channel, channel < channels, other=0.0).to(tl.float32)[None, :]
    total += tl.load(x + at, held, other=0.0).to(tl.float32)
    tl.store(out + at, total.to(out.dtype.element_ty), held)


@tuned(
    ["channels"],
    {"ROWS": 32, "DEPTH": 32, "HIDDEN": 32, "num_warps": 4},
    {"ROWS": 64, "DEPTH": 32, "HIDDEN": 64, "num_warps": 8},
    {"ROWS": 64, "DEPTH": 32, "HIDDEN": 32, "num_warps": 8},
    {"ROWS": 128, "DEPTH": 32, "HIDDEN": 32, "num_warps": 8},
)
@triton.jit  # type: ignore[untyped-decorator]
def _feed(  # type: ignore[no-untyped-def]
    x, expand, expand_bias, reduce, reduce_bias, out, count, channels, limit,
    N: tl.constexpr, ROWS: tl.constexpr, DEPTH: tl.constexpr, HIDDEN: tl.constexpr,
):  # fmt: skip
    """x + reduce(clamp(gate) value) of ROWS places: hidden channels come and go, some at a time."""
    place = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, N)
    inside = place < count
    hidden = 2 * channels
    total = tl.zeros((ROWS, N), tl.float32)
    for first in range(0, hidden, HIDDEN):
        h = first + tl.arange(0, HIDDEN)
        own = h < hidden
        gate = tl.zeros((ROWS, HIDDEN), tl.float32) + tl.load(expand_bias + h, own, other=0.0).to(tl.float32)[None, :]
        value = tl.load(expand_bias + hidden + h, own, other=0.0).to(tl.float32)[None, :] + tl.zeros_like(gate)
        for depth in range(0, channels, DEPTH):
            i = depth + tl.arange(0, DEPTH)
            seen = inside[:, None] & (i < channels)[None, :]
            values = tl.load(x + place[:, None] * channels + i[None, :], seen, other=0.0)
            held = (i < channels)[:, None] & own[None, :]
            at = h[None, :] * channels + i[:, None]
            gates = tl.load(expand + at, held, other=0.0)
            gate += tl.dot(values.to(gates.dtype), gates, input_precision="ieee")
            others = tl.load(expand + hidden * channels + at, held, other=0.0)
            value += tl.dot(values.to(others.dtype), others, input_precision="ieee")
        fed = tl.minimum(tl.maximum(gate, 0.0), limit) * value
        held = own[:, None] & (channel < channels)[None, :]
        weight = tl.load(reduce + channel[None, :] * hidden + h[:, None], held, other=0.0)
        total += tl.dot(fed.to(weight.dtype), weight, input_precision="ieee")
    held = inside[:, None] & (channel < channels)[None, :]
    at = place[:, None] * channels + channel[None, :]
    total += tl.load(reduce_bias + channel, channel < channels, other=0.0).to(tl.float32)[None, :]
    total += tl.load(x + at, held, other=0.0).to(tl.float32)
    tl.store(out + at, total.to(out.dtype.element_ty), held)
