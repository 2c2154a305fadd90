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
from .exponential import exponential_table

CARRIER = torch.float64
SUM_LIMIT = 2**53
_MAX_SHIFT = 52
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
    expected = exact_reference.pointwise(x, weight, bias, exact_reference.requantiser(shift))
    x, weight, bias = x.to(device, CARRIER), weight.to(device, CARRIER), bias.to(device, CARRIER)
    found = pointwise(x, weight, bias, requantiser(shift.to(device)))
    sums = torch.matmul(weight, x.flatten(2))
    plain = torch.einsum("oi,bip->bop", weight.cpu().long(), x.flatten(2).cpu().long())
    if not (torch.equal(found.cpu().long(), expected) and torch.equal(sums.cpu().long(), plain)):
        raise ValueError(f"float64 products are not exact on {device}")


def requantiser(shift: Tensor) -> Tensor:
    """What `pointwise` and `depthwise` take in place of integer shifts (O,): exact powers 2**-shift.

    They are looked up, since the exponential functions of a device need not be exact even where the result is.
    """
    powers = torch.tensor([2.0**-s for s in range(_MAX_SHIFT + 1)], dtype=CARRIER)
    return powers[shift.cpu().long()].to(shift.device)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor, power: Tensor) -> Tensor:
    """(B, I, H, W), weight (O, I), bias (O,) with the rounding half added, power (O,) -> (B, O, H, W)."""
    batch, _, height, width = x.shape
    flat = torch.matmul(weight, x.reshape(batch, -1, height * width))  # (B, O, H*W)
    return _requantise(flat, bias[:, None], power[:, None]).view(batch, -1, height, width)


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, power: Tensor) -> Tensor:
    """(B, C, H, W), weight (C, 9) in row-major tap order, zero padding -> (B, C, H, W)."""
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros_like(x, memory_format=torch.contiguous_format)
    for tap in range(9):
        dy, dx = divmod(tap, 3)
        total.addcmul_(padded[:, :, dy : dy + height, dx : dx + width], weight[:, tap, None, None])
    return _requantise(total, bias[:, None, None], power[:, None, None])


def convolution(x: Tensor, weight: Tensor, bias: Tensor, power: Tensor) -> Tensor:
    """3x3 over (B, I, H, W), weight (O, 9 * I), taps in row-major order, zero padding -> (B, O, H, W)."""
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
    share = 2 * weights.sum(0)
    # The quotient of integers, below 2**15 where the divisor is below 2**22, is never rounded up to the next integer.
    return torch.floor((2 * total + share / 2) / share).view_as(query)


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
