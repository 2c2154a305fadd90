"""Differentiable floating-point twin of the exact arithmetic, for training."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kernels.exponential import SCORE_BITS
from ..kernels.windows import from_windows, relative_places, split_heads, to_windows
from .fixed import ACTIVATION_LIMIT, FEATURE_BITS, KNOTS, LEAK, LEAK_BITS, SCORE_SHIFT


def saturate(x: Tensor, bits: int = FEATURE_BITS) -> Tensor:
    """Clamp to what a 16-bit integer with `bits` binary places holds."""
    # The gradient of hardtanh is one operation, that of clamp four.
    return F.hardtanh(x, -(ACTIVATION_LIMIT + 1) / 2**bits, ACTIVATION_LIMIT / 2**bits)


class FloatPointwise(nn.Module):
    """1x1 convolution with the weight stored as the (outputs, inputs) matrix it is."""

    def __init__(self, inputs: int, outputs: int, bits: int, start: float) -> None:
        super().__init__()
        self.bits = bits
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * start / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return saturate(F.conv2d(x, self.weight[:, :, None, None], self.bias), self.bits)


class FloatDepthwise(nn.Module):
    """3x3 depthwise convolution, weight (C, 9) in row-major tap order."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 9) / 3)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.view(-1, 1, 3, 3)
        return saturate(F.conv2d(x, kernel, self.bias, padding=1, groups=kernel.shape[0]))


class FloatConvolution(nn.Module):
    """3x3 convolution, weight (outputs, 9, inputs): taps in row-major order, then input channels."""

    def __init__(self, inputs: int, outputs: int, input_bits: int, bits: int) -> None:
        super().__init__()
        self.input_bits = input_bits
        self.bits = bits
        self.weight = nn.Parameter(torch.randn(outputs, 9, inputs) / (9 * inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        outputs, _, inputs = self.weight.shape
        kernel = self.weight.transpose(1, 2).reshape(outputs, inputs, 3, 3)
        return saturate(F.conv2d(x, kernel, self.bias, padding=1), self.bits)


class FloatKnots(nn.Module):
    """Linear interpolation of a table (KNOTS, C) over quality: q (B,) in [0, 1] -> (B, C, 1, 1)."""

    def __init__(self, channels: int, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.table = nn.Parameter(torch.zeros(KNOTS, channels))

    def forward(self, q: Tensor) -> Tensor:
        position = q * (KNOTS - 1)
        index = position.floor().clamp(0, KNOTS - 2).long()
        value = torch.lerp(self.table[index], self.table[index + 1], (position - index)[:, None])
        return saturate(value, self.bits)[:, :, None, None]


class FloatWindowBias(nn.Module):
    """Table (heads, displacements) -> bias of every two places of a window."""

    places: Tensor

    def __init__(self, heads: int, window: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, (2 * window - 1) ** 2))
        self.register_buffer("places", relative_places(window), persistent=False)

    def forward(self) -> Tensor:
        return saturate(self.table, SCORE_BITS)[:, self.places]


class FloatArithmetic:
    """The float implementation of `arithmetic.Arithmetic`."""

    def pointwise(self, inputs: int, outputs: int, bits: int, start: float = 1.0) -> nn.Module:
        return FloatPointwise(inputs, outputs, bits, start)

    def depthwise(self, channels: int) -> nn.Module:
        return FloatDepthwise(channels)

    def convolution(self, inputs: int, outputs: int, input_bits: int, bits: int) -> nn.Module:
        return FloatConvolution(inputs, outputs, input_bits, bits)

    def knots(self, channels: int, bits: int) -> nn.Module:
        return FloatKnots(channels, bits)

    def window_bias(self, heads: int, window: int) -> nn.Module:
        return FloatWindowBias(heads, window)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return saturate(a + b)

    def leaky(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, LEAK / 2**LEAK_BITS)

    def gate(self, a: Tensor, b: Tensor) -> Tensor:
        return saturate(F.relu(a) * b)

    def gated_block(self, x: Tensor, rows: slice, layers: tuple[nn.Module, ...]) -> None:
        return None

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(x)

    def magnitude(self, x: Tensor) -> Tensor:
        size = x.abs()
        return saturate((8 * size).clamp_max(2.0) + size)

    def attend(self, query: Tensor, keys: list[Tensor], values: list[Tensor], head: int) -> Tensor:
        split = (query.shape[0], -1, head, *query.shape[2:])
        scores = torch.stack([(query * key).reshape(split).sum(2) for key in keys]) / 2**SCORE_SHIFT
        weights = scores.float().softmax(0).unsqueeze(3)  # (tokens, B, heads, 1, h, w)
        mixed: Tensor = (weights * torch.stack([value.reshape(split) for value in values])).sum(0)
        return mixed.reshape(query.shape)

    def attend_windows(
        self, query: Tensor, key: Tensor, value: Tensor, known: Tensor, bias: Tensor, window: int, shift: int
    ) -> Tensor:
        heads = bias.shape[0]
        q, k, v = (
            split_heads(to_windows(plane, window, shift), heads)  # (B, windows, heads, d, places)
            for plane in (query, key, value)
        )
        seen = to_windows(known[None, None].to(query.dtype), window, shift)[0, :, :, None] > 0
        seen = seen | torch.eye(window**2, dtype=torch.bool, device=seen.device)  # (windows, 1, places, places)
        scores = (q.mT @ k).float() / 2**SCORE_SHIFT + bias
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1).to(v.dtype)
        mixed: Tensor = v @ weights.mT
        return from_windows(mixed.flatten(2, 3), window, shift, (query.shape[2], query.shape[3]))

    def attend_all(self, query: Tensor, key: Tensor, value: Tensor, head: int) -> Tensor:
        heads = query.shape[1] // head
        q, k, v = (split_heads(plane.flatten(2)[:, None], heads)[:, 0].float() for plane in (query, key, value))
        q, k = F.relu(q), F.relu(k)  # (B, heads, d, places)
        total = (v @ k.mT) @ q
        share = k.sum(-1, keepdim=True).mT @ q
        mixed: Tensor = (total / share.clamp_min(2.0**-FEATURE_BITS)).to(query.dtype)
        return mixed.reshape(query.shape)


FLOAT = FloatArithmetic()
