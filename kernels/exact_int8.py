"""Exact integer layers on products of bytes: the carrier for processors with vector instructions for these.

Activations and weights are two bytes each, so a product of matrices is three of bytes, with 32-bit sums. With
x = 256 xh + xl + 128 and w = 256 wh + wl, all four parts from -128 to 127, and B = bias + 128 sum w,

```
sum x w + bias = 65536 sum xh wh + 256 (sum xh wl + sum xl wh) + sum xl wl + B
```
so that what is above its lowest eight bits is

```
256 sum xh wh + (sum xh wl + sum xl wh) + ((sum xl wl + B) >> 8)
```
which fits 32 bits where the sum fits 39 and B fits 31, and a shift by 8 or more needs no wider integers. Layers for
which that does not hold, and attention, run on `exact`. Features are (B, C, H, W) as there, int32, best with channels
last.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import exact, exact_reference
from .exact_reference import Layer, interpolate, scale_down

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
    "is_exact",
    "layer",
    "leaky",
    "places",
    "pointwise",
    "scale_down",
]

NAME = "int8"
CARRIER = torch.int32
LAYOUT = torch.channels_last
_BYTE_BITS = 8
_LOW, _HIGH = -(2**15), 2**15 - 1
_SUM_LIMIT = 2**31


def is_exact() -> bool:
    """Known-answer test of products of bytes: older instructions saturate sums of two products at 16 bits."""
    generator = torch.Generator().manual_seed(0)
    for rows, inputs, outputs in ((1, 1, 1), (37, 300, 24), (64, 192, 192)):
        x = torch.randint(-128, 128, (rows, 2 * inputs), generator=generator).to(torch.int8)
        weight = torch.randint(-128, 128, (outputs, 2 * inputs), generator=generator).to(torch.int8)
        x[0], weight[0], weight[-1] = 127, -128, 127
        x[-1] = -128
        for part in (slice(None), slice(inputs), slice(inputs, None)):
            found = torch._int_mm(x[:, part], weight[:, part].t())
            if not torch.equal(found.double(), x[:, part].double() @ weight[:, part].t().double()):
                return False
    return True


def layer(weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
    """As `exact.layer`: wl (I, O), wh (I, O), both of them (2 I, O), B, and what is left to shift by."""
    high = (weight + 128) >> _BYTE_BITS
    low = weight - (high << _BYTE_BITS)
    whole = bias + 128 * weight.sum(1)
    # No term of the last sum above, and no sum of some of them, is larger.
    bound = 128 * (257 * high.abs() + 2 * low.abs()).sum(1) + whole.abs() + 1
    if int(bound.max()) >= _SUM_LIMIT or int(shift.min()) < _BYTE_BITS or int(high.abs().max()) > 127:
        return exact.layer(weight, bias, shift)
    both = torch.cat([low, high], 1).to(torch.int8).t()
    return *both.chunk(2), both, whole.to(CARRIER), (shift - _BYTE_BITS).to(CARRIER)


def depthwise_layer(weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
    """As `exact.depthwise_layer`: here in 32 bits."""
    if int((weight.abs().sum(1) * 2**15 + bias.abs()).max()) >= _SUM_LIMIT:
        return exact.layer(weight, bias, shift)
    return weight.to(CARRIER), bias.to(CARRIER), shift.to(CARRIER)


def pointwise(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.pointwise`."""
    if layer[0].dtype == exact.CARRIER:
        return exact.pointwise(x.to(exact.CARRIER), layer).to(CARRIER)
    batch, inputs, height, width = x.shape
    rows = _product(_bytes(x.permute(0, 2, 3, 1).reshape(-1, inputs)), layer)
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


def places(rows: Tensor, layer: Layer) -> Tensor:
    """As `exact.places`."""
    if layer[0].dtype == exact.CARRIER:
        return exact.places(rows.to(exact.CARRIER), layer).to(CARRIER)
    high, low, both = _bytes(rows)
    w_low, w_high, w_both, whole, shift = layer
    lowest = torch._int_mm(w_low.t(), low.t()).add_(whole[:, None]).bitwise_right_shift_(_BYTE_BITS)
    highest = torch._int_mm(w_high.t(), high.t())
    total = torch._int_mm(w_both.t(), both.t()).add_(highest, alpha=1 << _BYTE_BITS).add_(lowest)
    return _requantise(total, shift[:, None])


def depthwise(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.depthwise`."""
    if layer[0].dtype == exact.CARRIER:
        return exact.depthwise(x.to(exact.CARRIER), layer).to(CARRIER)
    weight, bias, shift = layer
    height, width = x.shape[2:]
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    taps = weight.t().contiguous()
    total = padded[:, :height, :width] * taps[0]
    for tap in range(1, 9):
        dy, dx = divmod(tap, 3)
        total.addcmul_(padded[:, dy : dy + height, dx : dx + width], taps[tap])
    return _requantise(total.add_(bias), shift).permute(0, 3, 1, 2)


def convolution(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.convolution`."""
    if layer[0].dtype == exact.CARRIER:
        return exact.convolution(x.to(exact.CARRIER), layer).to(CARRIER)
    batch, _, height, width = x.shape
    return _product(_bytes(neighbours(x)), layer).view(batch, height, width, -1).permute(0, 3, 1, 2)


def neighbours(x: Tensor) -> Tensor:
    """(B, I, H, W) -> (B H W, 9 I): of every place the 3x3 about it, zeros outside the plane."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    windows = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # (B, H, W, I, 3, 3)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, 9 * x.shape[1])


def leaky(x: Tensor, slope: int, places: int) -> Tensor:
    """As `exact.leaky`, for slopes below 1: those make what is negative larger, and nothing else."""
    return torch.maximum(x, scale_down(x * slope, places))


def gate(a: Tensor, b: Tensor, shift: int) -> Tensor:
    """As `exact.gate`."""
    product = (a.clamp_min(0) * b).add_(1 << (shift - 1))
    return product.bitwise_right_shift_(shift).clamp_(_LOW, _HIGH)


def gelu(x: Tensor, places: int) -> Tensor:
    """As `exact.gelu`."""
    return exact_reference.gelu(x, places).to(CARRIER)


def add(a: Tensor, b: Tensor) -> Tensor:
    """As `exact.add`."""
    return (a + b).clamp_(_LOW, _HIGH)


def attend(query: Tensor, keys: list[Tensor], values: list[Tensor], head: int, shift: int) -> Tensor:
    """As `exact.attend`."""
    keys, values = ([part.to(exact.CARRIER) for part in parts] for parts in (keys, values))
    return exact.attend(query.to(exact.CARRIER), keys, values, head, shift).to(CARRIER)


def attend_windows(
    query: Tensor, key: Tensor, value: Tensor, known: Tensor, bias: Tensor, window: int, shift: int, down: int
) -> Tensor:
    """As `exact.attend_windows`."""
    query, key, value, bias = (part.to(exact.CARRIER) for part in (query, key, value, bias))
    return exact.attend_windows(query, key, value, known, bias, window, shift, down).to(CARRIER)


def attend_all(query: Tensor, key: Tensor, value: Tensor, head: int) -> Tensor:
    """As `exact.attend_all`."""
    query, key, value = (plane.to(exact.CARRIER) for plane in (query, key, value))
    return exact.attend_all(query, key, value, head).to(CARRIER)


def _bytes(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """int32 (N, I) -> int8 xh (N, I), xl (N, I) and both of them side by side (N, 2 I)."""
    both = torch.empty(rows.shape[0], 2 * rows.shape[1], dtype=torch.int8)
    high, low = both.chunk(2, 1)
    high.copy_(rows >> _BYTE_BITS)
    low.copy_(rows).bitwise_xor_(-128)  # the lowest byte, as a signed one, less 128
    return high, low, both


def _product(x: tuple[Tensor, Tensor, Tensor], layer: Layer) -> Tensor:
    """x of `_bytes` -> (N, O), requantised."""
    high, low, both = x
    w_low, w_high, w_both, whole, shift = layer
    lowest = torch._int_mm(low, w_low).add_(whole).bitwise_right_shift_(_BYTE_BITS)
    highest = torch._int_mm(high, w_high)
    total = torch._int_mm(both, w_both).add_(highest, alpha=1 << _BYTE_BITS).add_(lowest)
    return _requantise(total, shift)


def _requantise(total: Tensor, shift: Tensor) -> Tensor:
    return total.bitwise_right_shift_(shift).clamp_(_LOW, _HIGH)
