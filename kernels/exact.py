"""Exact integer layers on the float64 carrier: the definition that every device can run.

Values are integers held in float64. Every sum stays below 2**53 in magnitude (the caller proves it from the weights),
so it is exact in any order, on any device, with any number of threads. Requantisation is
`floor((x + 2**(s-1)) / 2**s)`, with the half already added to the bias, then saturation to 16 bits. The int64 twins in
`exact_reference` define the same functions by integer instructions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import exact_reference
from .exact_reference import Layer
from .exponential import exponential_table
from .gelu import gelu_table
from .windows import from_windows, split_heads, to_windows

NAME = "float64"
CARRIER = torch.float64
LAYOUT = torch.contiguous_format  # of features in memory, where there is a choice
SUM_LIMIT = 2**53
MOST_PLACES = 2**19  # of linear attention, whose sums run over the whole plane
_MAX_SHIFT = 52
_WINDOWS_AT_ONCE = 64  # scores of a window of 64 places take 32 KiB a head
_LOW, _HIGH = -(2**15), 2**15 - 1


def check_device(device: torch.device) -> None:
    """Known-answer test. Raises ValueError where float64 products are not exact: emulated, or of reduced precision."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-8127, 8128, (24, 300), generator=generator)
    weight[0], weight[1, ::2] = 8127, -8127
    x = torch.randint(-(2**15), 2**15, (1, 300, 5, 7), generator=generator)
    x[..., 0] = -(2**15)
    bias = torch.randint(-(2**50), 2**50, (24,), generator=generator)
    shift = torch.arange(1, 25)
    expected = exact_reference.pointwise(x, exact_reference.layer(weight, bias, shift))
    plain = torch.einsum("oi,bip->bop", weight, x.flatten(2))
    x = x.to(device, CARRIER)
    found = pointwise(x, layer(weight.to(device), bias.to(device), shift.to(device)))
    sums = torch.matmul(weight.to(device, CARRIER), x.flatten(2))
    if not (torch.equal(found.cpu().long(), expected) and torch.equal(sums.cpu().long(), plain)):
        raise ValueError(f"float64 products are not exact on {device}")


def layer(weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
    """What the layers below take: int64 weight (O, I), bias (O,) with the rounding half added, and shift (O,).

    Here they become the carrier's, and shifts exact powers 2**-shift. These are looked up, since the exponential
    functions of a device need not be exact even where the result is.
    """
    powers = torch.tensor([2.0**-s for s in range(_MAX_SHIFT + 1)], dtype=CARRIER)
    return weight.to(CARRIER), bias.to(CARRIER), powers[shift.cpu()].to(shift.device)


def depthwise_layer(weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
    """The same of weight (C, 9) for `depthwise`, of which a carrier may think otherwise."""
    return layer(weight, bias, shift)


def pointwise(x: Tensor, layer: Layer) -> Tensor:
    """(B, I, H, W) and a layer of weight (O, I) -> (B, O, H, W)."""
    weight, bias, power = layer
    batch, _, height, width = x.shape
    flat = torch.matmul(weight, x.reshape(batch, -1, height * width))  # (B, O, H*W)
    return _requantise(flat, bias[:, None], power[:, None]).view(batch, -1, height, width)


def places(rows: Tensor, layer: Layer) -> Tensor:
    """`pointwise` of some places, (N, I), by channel: (O, N)."""
    return pointwise(rows.t()[None, :, :, None], layer)[0, :, :, 0]


def depthwise(x: Tensor, layer: Layer) -> Tensor:
    """(B, C, H, W) and a layer of weight (C, 9) in row-major tap order, zero padding -> (B, C, H, W)."""
    weight, bias, power = layer
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros_like(x, memory_format=torch.contiguous_format)
    for tap in range(9):
        dy, dx = divmod(tap, 3)
        total.addcmul_(padded[:, :, dy : dy + height, dx : dx + width], weight[:, tap, None, None])
    return _requantise(total, bias[:, None, None], power[:, None, None])


def convolution(x: Tensor, layer: Layer) -> Tensor:
    """3x3 over (B, I, H, W), a layer of weight (O, 9 * I), taps in row-major order, zero padding -> (B, O, H, W)."""
    weight, bias, power = layer
    batch, inputs, height, width = x.shape
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros(batch, weight.shape[0], height * width, dtype=CARRIER, device=x.device)
    for tap in range(9):
        dy, dx = divmod(tap, 3)
        piece = padded[:, :, dy : dy + height, dx : dx + width].reshape(batch, inputs, -1)
        total += torch.matmul(weight[:, tap * inputs : (tap + 1) * inputs], piece)
    return _requantise(total, bias[:, None], power[:, None]).view(batch, -1, height, width)


def leaky(x: Tensor, slope: int, places: int) -> Tensor:
    """x where it is positive, elsewhere x * slope / 2**places, rounded."""
    return torch.where(x < 0, scale_down(x * slope, places), x)


def gate(a: Tensor, b: Tensor, shift: int) -> Tensor:
    """max(a, 0) * b, requantised by shift."""
    return (a.clamp_min(0) * b).add_(1 << (shift - 1)).mul_(1 / (1 << shift)).floor_().clamp_(_LOW, _HIGH)


def gelu(x: Tensor, places: int) -> Tensor:
    """x Phi(x) of numbers with so many binary places, rounded."""
    table = torch.tensor(gelu_table(places), dtype=CARRIER, device=x.device)
    return x.clamp_min(0).sub_(table[x.abs().clamp_max_(len(table) - 1).long()])


def add(a: Tensor, b: Tensor) -> Tensor:
    """Saturated sum."""
    return (a + b).clamp_(_LOW, _HIGH)


def attend(query: Tensor, keys: list[Tensor], values: list[Tensor], head: int, shift: int) -> Tensor:
    """Softmax attention at every place by itself: query, keys and values (B, C, H, W) -> (B, C, H, W).

    Heads have `head` channels. A score is the sum of their products, scaled down by `shift` to SCORE_BITS places; the
    weight of a token is the table's exponential of how far its score is below the largest; the weighted mean of the
    values is rounded to nearest.
    """
    batch, channels, height, width = query.shape
    split = (batch, channels // head, head, height, width)
    products = [(query * key).reshape(split).sum(2) for key in keys]
    scores = scale_down(torch.stack(products), shift)  # (tokens, B, heads, H, W)
    table = torch.tensor(exponential_table(), dtype=CARRIER, device=query.device)
    below = (scores.amax(0) - scores).clamp_max_(len(table) - 1)
    weights = table[below.long()].unsqueeze(3)
    total = torch.zeros(split, dtype=CARRIER, device=query.device)
    for weight, value in zip(weights, values, strict=True):
        total += weight * value.reshape(split)
    return _rounded_quotient(total, weights.sum(0)).view_as(query)


def attend_windows(
    query: Tensor, key: Tensor, value: Tensor, known: Tensor, bias: Tensor, window: int, shift: int, down: int
) -> Tensor:
    """Softmax attention within windows, (B, C, H, W) -> same: each place to those `known` (H, W) and to itself.

    bias (heads, window**2, window**2) with SCORE_BITS places is added to scores scaled down by `down`; the rest is as
    in `attend`. The first window lies `shift` outside of the plane.
    """
    heads = bias.shape[0]
    q, k, v = (split_heads(to_windows(plane, window, shift), heads) for plane in (query, key, value))
    seen = to_windows(known[None, None].to(CARRIER), window, shift)[0, :, :, None] > 0
    seen = seen | torch.eye(window**2, dtype=torch.bool, device=seen.device)  # (windows, 1, places, places)
    table = torch.tensor(exponential_table(), dtype=CARRIER, device=query.device)
    parts = []
    for first in range(0, q.shape[1], _WINDOWS_AT_ONCE):
        few = slice(first, first + _WINDOWS_AT_ONCE)
        scores = scale_down(q[:, few].mT @ k[:, few], down).add_(bias)
        largest = scores.masked_fill(~seen[few], -(2.0**40)).amax(-1, keepdim=True)
        below = (largest - scores).clamp_(0, len(table) - 1)
        weights = table[below.long()].masked_fill_(~seen[few], 0)
        mixed = _rounded_quotient(weights @ v[:, few].mT, weights.sum(-1, keepdim=True))
        parts.append(mixed.mT.flatten(2, 3))  # (B, windows, C, places)
    return from_windows(torch.cat(parts, 1), window, shift, (query.shape[2], query.shape[3]))


def attend_all(query: Tensor, key: Tensor, value: Tensor, head: int) -> Tensor:
    """Linear attention, (B, C, H, W) -> same, with the rectifier for feature map and heads of `head` channels.

    Of each feature of the keys, the weighted mean of the values is rounded, and its weight becomes a share of 2**14 of
    the largest one's; out is the mean of those means by query times share, rounded, or 0 where all weights are.
    """
    places = query.shape[2] * query.shape[3]
    if places > MOST_PLACES:
        raise ValueError(f"linear attention is exact for {MOST_PLACES} places at most, not {places}")
    heads = query.shape[1] // head
    q, k, v = (split_heads(plane.flatten(2)[:, None], heads)[:, 0] for plane in (query, key, value))
    q, k = q.clamp_min(0), k.clamp_min(0)  # (B, heads, d, places)
    weight = k.sum(-1, keepdim=True)  # (B, heads, d, 1)
    mean = _rounded_quotient(k @ v.mT, weight.clamp_min(1))  # (B, heads, d of the keys, d of the values)
    share = torch.floor(weight * 2**14 / weight.amax(2, keepdim=True).clamp_min(1))
    weighted = q * share
    out = _rounded_quotient(mean.mT @ weighted, weighted.sum(2, keepdim=True).clamp_min(1))
    return out.reshape(query.shape)


def _rounded_quotient(a: Tensor, b: Tensor) -> Tensor:
    """floor(a / b + 1/2) for integers, b positive: entropy/EXACT.md says when it cannot round to the next one."""
    return torch.floor((2 * a + b) / (2 * b))


def interpolate(table: Tensor, position: int, spacing: int) -> Tensor:
    """Row `position / spacing` of table (knots, C), linear between knots, rounded: (C,)."""
    index, fraction = divmod(position, spacing)
    if fraction == 0:
        return table[index].clone()
    mixed = table[index] * (spacing - fraction) + table[index + 1] * fraction
    # A tensor divisor: CUDA turns division by a scalar into a product with its inverse.
    return torch.floor((mixed + spacing // 2) / torch.full_like(mixed, spacing))


def scale_down(x: Tensor, shift: int) -> Tensor:
    """floor((x + 2**(shift-1)) / 2**shift) without saturation."""
    return (x + (1 << (shift - 1))).mul_(1 / (1 << shift)).floor_()


def _requantise(total: Tensor, bias: Tensor, power: Tensor) -> Tensor:
    return total.add_(bias).mul_(power).floor_().clamp_(_LOW, _HIGH)
