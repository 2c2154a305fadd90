"""Exact integer layers on a GPU: products of bytes with the requantisation in the epilogue, one pass over memory.

The arithmetic is that of `exact_int8`, whose layers these are; what has no product runs on its operations. Integers
are shifted right arithmetically, which is a floor; a division would truncate.

A layer of I inputs and O outputs at N places does 4 N I O products of bytes and moves 4 N I bytes in, 4 N O bytes
out and 2 I O bytes of weights. For 192 channels that is 96 products a byte, below what an H200 can do in the time
(about 200 at 1e15 products and 4.8e12 bytes a second): it is bound by memory, of which unfused operations, with two
planes of bytes and three of sums in between, need several times as much.
"""

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import exact, exact_int8
from .exact_int8 import (
    CARRIER,
    LAYOUT,
    add,
    attend,
    attend_all,
    attend_windows,
    depthwise,
    depthwise_layer,
    gate,
    gelu,
    interpolate,
    layer,
    leaky,
    scale_down,
)
from .exact_reference import Layer
from .triton_launch import tuned
from .triton_ready import Trial

__all__ = [
    "CARRIER",
    "LAYOUT",
    "NAME",
    "add",
    "attend",
    "attend_all",
    "attend_windows",
    "convolution",
    "depthwise",
    "depthwise_layer",
    "gate",
    "gelu",
    "interpolate",
    "layer",
    "leaky",
    "places",
    "pointwise",
    "product",
    "scale_down",
    "trial",
]

MakeLayer = Callable[[Tensor, Tensor, Tensor], Layer]

NAME = "triton"


def pointwise(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.pointwise`."""
    if layer[0].dtype == exact.CARRIER:
        return exact_int8.pointwise(x, layer)
    batch, inputs, height, width = x.shape
    rows = product(x.permute(0, 2, 3, 1).reshape(-1, inputs), layer)
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


def places(rows: Tensor, layer: Layer) -> Tensor:
    """As `exact.places`."""
    return exact_int8.places(rows, layer) if layer[0].dtype == exact.CARRIER else product(rows, layer).t()


def convolution(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.convolution`."""
    if layer[0].dtype == exact.CARRIER:
        return exact_int8.convolution(x, layer)
    batch, _, height, width = x.shape
    return product(exact_int8.neighbours(x), layer).view(batch, height, width, -1).permute(0, 3, 1, 2)


def product(rows: Tensor, layer: Layer) -> Tensor:
    """int32 rows (N, I), contiguous, and a layer of `exact_int8` with products of bytes -> int32 (N, O)."""
    w_low, w_high, _, whole, shift = layer
    (count, inputs), outputs = rows.shape, w_low.shape[1]
    rows = rows.contiguous()
    out = torch.empty(count, outputs, dtype=CARRIER, device=rows.device)
    if count:
        _product[lambda sizes: (triton.cdiv(count, sizes["ROWS"]), triton.cdiv(outputs, sizes["COLUMNS"]))](
            rows, w_low, w_high, whole, shift, out, count, inputs, outputs, w_low.stride(0), w_low.stride(1)
        )
    return out


def trial(device: torch.device) -> Trial:
    """A layer with extreme numbers and another of real size, by Triton and on the float64 carrier."""
    generator = torch.Generator().manual_seed(0)
    limit = 2**15 - 1

    def made(size: tuple[int, int, int], make: MakeLayer, kind: torch.dtype) -> tuple[Tensor, Layer]:
        count, inputs, outputs = size
        generator.manual_seed(count)
        x = torch.randint(-limit - 1, limit + 1, (1, inputs, 1, count), generator=generator)
        x[..., 0], x[..., 1] = limit, -limit - 1
        weight = torch.randint(-1000, 1001, (outputs, inputs), generator=generator)
        weight[0], weight[1] = 1000, -1000
        shift = torch.full((outputs,), 14)
        return x.to(device, kind), make(weight.to(device), (1 << (shift - 1)).to(device), shift.to(device))

    def both(size: tuple[int, int, int]) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
        own, other = made(size, layer, CARRIER), made(size, exact.layer, exact.CARRIER)
        return lambda: pointwise(*own), lambda: exact.pointwise(*other)

    small = [both(size) for size in ((2, 5, 3), (77, 192, 40), (300, 640, 192))]
    agrees = all(torch.equal(fast().double(), slow()) for fast, slow in small)
    count, inputs, outputs = 1536, 192, 384
    return Trial(agrees, *both((count, inputs, outputs)), 4 * count * (inputs + outputs) + 2 * inputs * outputs)


@tuned(
    ["inputs", "outputs"],
    {"ROWS": 64, "COLUMNS": 64, "DEPTH": 64, "num_warps": 4, "num_stages": 3},
    {"ROWS": 128, "COLUMNS": 64, "DEPTH": 64, "num_warps": 8, "num_stages": 3},
    {"ROWS": 64, "COLUMNS": 128, "DEPTH": 64, "num_warps": 8, "num_stages": 3},
    {"ROWS": 128, "COLUMNS": 128, "DEPTH": 32, "num_warps": 8, "num_stages": 2},
    {"ROWS": 32, "COLUMNS": 64, "DEPTH": 64, "num_warps": 4, "num_stages": 4},
)
@triton.jit  # type: ignore[untyped-decorator]
def _product(  # type: ignore[no-untyped-def]
    rows,
    w_low,
    w_high,
    whole,
    shift,
    out,
    count,
    inputs,
    outputs,
    weight_row,
    weight_column,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """One tile (ROWS, COLUMNS) of the output: its four sums of products, and what is made of them."""
    n = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    o = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    high_high = tl.zeros((ROWS, COLUMNS), tl.int32)
    mixed = tl.zeros((ROWS, COLUMNS), tl.int32)
    low_low = tl.zeros((ROWS, COLUMNS), tl.int32)
    for first in range(0, inputs, DEPTH):
        i = first + tl.arange(0, DEPTH)
        x = tl.load(rows + n[:, None] * inputs + i[None, :], (n < count)[:, None] & (i < inputs)[None, :], other=0)
        x_high = (x >> 8).to(tl.int8)
        x_low = ((x & 255) - 128).to(tl.int8)
        held = (i < inputs)[:, None] & (o < outputs)[None, :]
        at = i[:, None] * weight_row + o[None, :] * weight_column
        high, low = tl.load(w_high + at, held, other=0), tl.load(w_low + at, held, other=0)
        high_high = tl.dot(x_high, high, high_high, out_dtype=tl.int32)
        mixed = tl.dot(x_high, low, mixed, out_dtype=tl.int32)
        mixed = tl.dot(x_low, high, mixed, out_dtype=tl.int32)
        low_low = tl.dot(x_low, low, low_low, out_dtype=tl.int32)
    rounding = tl.load(whole + o, o < outputs, other=0)
    places = tl.load(shift + o, o < outputs, other=0)
    total = high_high * 256 + mixed + ((low_low + rounding[None, :]) >> 8)
    total = tl.minimum(tl.maximum(total >> places[None, :], -32768), 32767)
    tl.store(out + n[:, None] * outputs + o[None, :], total, (n < count)[:, None] & (o < outputs)[None, :])
