"""The exact layers by int64 instructions: the oracle that every carrier must equal."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .exponential import exponential_table

CARRIER = torch.int64
_LOW, _HIGH = -(2**15), 2**15 - 1


def requantiser(shift: Tensor) -> Tensor:
    """As `exact.requantiser`: here the shifts themselves."""
    return shift.to(CARRIER)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor) -> Tensor:
    """As `exact.pointwise`."""
    total = torch.zeros(x.shape[0], weight.shape[0], *x.shape[2:], dtype=CARRIER)
    for i in range(weight.shape[1]):
        total += weight[:, i, None, None] * x[:, i : i + 1]
    return _requantise(total, bias, shift)


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor) -> Tensor:
    """As `exact.depthwise`."""
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros(x.shape, dtype=CARRIER)
    for tap in range(9):
        dy, dx = divmod(tap, 3)
        total += padded[:, :, dy : dy + height, dx : dx + width] * weight[:, tap, None, None]
    return _requantise(total, bias, shift)


def convolution(x: Tensor, weight: Tensor, bias: Tensor, shift: Tensor) -> Tensor:
    """As `exact.convolution`."""
    inputs, height, width = x.shape[1:]
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros(x.shape[0], weight.shape[0], height, width, dtype=CARRIER)
    for column in range(9 * inputs):
        tap, i = divmod(column, inputs)
        dy, dx = divmod(tap, 3)
        total += weight[:, column, None, None] * padded[:, i : i + 1, dy : dy + height, dx : dx + width]
    return _requantise(total, bias, shift)


def leaky(x: Tensor, slope: int, places: int) -> Tensor:
    """As `exact.leaky`."""
    return torch.where(x < 0, scale_down(x * slope, places), x)


def gate(a: Tensor, b: Tensor, shift: int) -> Tensor:
    """As `exact.gate`."""
    return scale_down(a.clamp_min(0) * b, shift).clamp(_LOW, _HIGH)


def add(a: Tensor, b: Tensor) -> Tensor:
    """As `exact.add`."""
    return (a + b).clamp(_LOW, _HIGH)


def attend(query: Tensor, keys: list[Tensor], values: list[Tensor], head: int, shift: int) -> Tensor:
    """As `exact.attend`, a head and a channel at a time."""
    table = torch.tensor(exponential_table())
    out = torch.empty_like(query)
    for first in range(0, query.shape[1], head):
        own = slice(first, first + head)
        scores = torch.stack([scale_down((query[:, own] * key[:, own]).sum(1), shift) for key in keys])
        weights = table[(scores.amax(0) - scores).clamp_max(len(table) - 1)]
        for channel in range(first, first + head):
            total = sum(weight * value[:, channel] for weight, value in zip(weights, values, strict=True))
            share = weights.sum(0)
            out[:, channel] = torch.div(2 * total + share, 2 * share, rounding_mode="floor")
    return out


def interpolate(table: Tensor, position: int, spacing: int) -> Tensor:
    """As `exact.interpolate`."""
    index, fraction = divmod(position, spacing)
    above = table[min(index + 1, table.shape[0] - 1)]
    mixed = table[index] * (spacing - fraction) + above * fraction
    return torch.div(mixed + spacing // 2, spacing, rounding_mode="floor")


def scale_down(x: Tensor, shift: int) -> Tensor:
    """As `exact.scale_down`: an arithmetic shift floors."""
    return (x + (1 << (shift - 1))) >> shift


def _requantise(total: Tensor, bias: Tensor, shift: Tensor) -> Tensor:
    return ((total + bias[:, None, None]) >> shift[:, None, None]).clamp(_LOW, _HIGH)
