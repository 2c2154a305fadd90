"""The exact layers by int64 instructions: the oracle that every carrier must equal."""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .exponential import exponential_table
from .gelu import gelu_table

# A layer's stored integers as a carrier wants them.
Layer = tuple[Tensor, ...]

NAME = "int64"
CARRIER = torch.int64
LAYOUT = torch.contiguous_format
_LOW, _HIGH = -(2**15), 2**15 - 1


def layer(weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
    """As `exact.layer`: here the integers themselves."""
    return weight, bias, shift


def depthwise_layer(weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
    """As `exact.depthwise_layer`."""
    return layer(weight, bias, shift)


def pointwise(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.pointwise`."""
    weight, bias, shift = layer
    total = torch.zeros(x.shape[0], weight.shape[0], *x.shape[2:], dtype=CARRIER)
    for i in range(weight.shape[1]):
        total += weight[:, i, None, None] * x[:, i : i + 1]
    return _requantise(total, bias, shift)


def places(rows: Tensor, layer: Layer) -> Tensor:
    """As `exact.places`."""
    return pointwise(rows.t()[None, :, :, None], layer)[0, :, :, 0]


def depthwise(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.depthwise`."""
    weight, bias, shift = layer
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1))
    total = torch.zeros(x.shape, dtype=CARRIER)
    for tap in range(9):
        dy, dx = divmod(tap, 3)
        total += padded[:, :, dy : dy + height, dx : dx + width] * weight[:, tap, None, None]
    return _requantise(total, bias, shift)


def convolution(x: Tensor, layer: Layer) -> Tensor:
    """As `exact.convolution`."""
    weight, bias, shift = layer
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


def gelu(x: Tensor, places: int) -> Tensor:
    """As `exact.gelu`."""
    table = torch.tensor(gelu_table(places))
    below = table[x.abs().clamp_max(len(table) - 1)]
    return torch.where(x > 0, x - below, -below)


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


def attend_windows(
    query: Tensor, key: Tensor, value: Tensor, known: Tensor, bias: Tensor, window: int, shift: int, down: int
) -> Tensor:
    """As `exact.attend_windows`, a place at a time."""
    table = torch.tensor(exponential_table())
    height, width = query.shape[2:]
    heads = bias.shape[0]
    head = query.shape[1] // heads
    out = torch.empty_like(query)
    for y, x in product(range(height), range(width)):
        first_y, first_x = ((place + shift) // window * window - shift for place in (y, x))
        others = [
            (j, i)
            for j in range(max(0, first_y), min(height, first_y + window))
            for i in range(max(0, first_x), min(width, first_x + window))
            if known[j, i] or (j, i) == (y, x)
        ]
        own = (y - first_y) * window + x - first_x
        for h in range(heads):
            channels = slice(h * head, (h + 1) * head)
            scores = torch.stack(
                [
                    scale_down((query[:, channels, y, x] * key[:, channels, j, i]).sum(1), down)
                    + bias[h, own, (j - first_y) * window + i - first_x]
                    for j, i in others
                ]
            )
            weights = table[(scores.amax(0) - scores).clamp_max(len(table) - 1)][:, :, None]  # (others, B, 1)
            total = sum(weight * value[:, channels, j, i] for weight, (j, i) in zip(weights, others, strict=True))
            share = weights.sum(0)
            out[:, channels, y, x] = torch.div(2 * total + share, 2 * share, rounding_mode="floor")
    return out


def attend_all(query: Tensor, key: Tensor, value: Tensor, head: int) -> Tensor:
    """As `exact.attend_all`, a head and a feature at a time."""
    out = torch.empty_like(query)
    for first in range(0, query.shape[1], head):
        own = slice(first, first + head)
        q, k, v = query[:, own].clamp_min(0), key[:, own].clamp_min(0), value[:, own]
        weight = k.sum((2, 3))  # (B, d)
        largest = weight.amax(1).clamp_min(1)
        total, shares = torch.zeros_like(v), torch.zeros_like(v[:, :1])
        for feature in range(head):
            divisor = weight[:, feature, None].clamp_min(1)
            sums = (k[:, feature, None] * v).sum((2, 3))
            mean = torch.div(2 * sums + divisor, 2 * divisor, rounding_mode="floor")  # (B, d)
            share = torch.div(weight[:, feature] * 2**14, largest, rounding_mode="floor")
            weighted = q[:, feature, None] * share[:, None, None, None]
            total += weighted * mean[:, :, None, None]
            shares += weighted
        shares = shares.clamp_min(1)
        out[:, own] = torch.div(2 * total + shares, 2 * shares, rounding_mode="floor")
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
