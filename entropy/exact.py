"""Exact arithmetic: the layers of an entropy network on integers, with their overflow bounds proven at load.

A layer stores what `convert` made of its float twin: int16 weights, int64 biases at the accumulator's scale and one
shift per output channel. `prepare` proves the bounds and lays the numbers out for the carrier; it is called once, after
the stored values are in place.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from ..kernels import exact as float64_kernels
from ..kernels.exact_native import NativeKernels
from ..kernels.exact_reference import Layer
from ..kernels.exponential import SCORE_BITS
from ..kernels.windows import relative_places
from .fixed import (
    ACTIVATION_LIMIT,
    FEATURE_BITS,
    KNOT_STEPS,
    KNOTS,
    LEAK,
    LEAK_BITS,
    MAX_SHIFT,
    SCORE_SHIFT,
    WEIGHT_LIMIT,
)

Numbers = tuple[range, ...]  # of inputs or outputs, in the order in which they are wanted

_SCORE_DOWN = 2 * FEATURE_BITS + SCORE_SHIFT - SCORE_BITS


class Kernels(Protocol):
    """What `kernels.exact`, the carriers beside it and their oracle `kernels.exact_reference` all provide."""

    @property
    def NAME(self) -> str: ...
    @property
    def CARRIER(self) -> torch.dtype: ...
    @property
    def LAYOUT(self) -> torch.memory_format: ...

    def layer(self, weight: Tensor, bias: Tensor, shift: Tensor) -> Layer: ...
    def depthwise_layer(self, weight: Tensor, bias: Tensor, shift: Tensor) -> Layer: ...
    def pointwise(self, x: Tensor, layer: Layer) -> Tensor: ...
    def places(self, rows: Tensor, layer: Layer) -> Tensor: ...
    def depthwise(self, x: Tensor, layer: Layer) -> Tensor: ...
    def convolution(self, x: Tensor, layer: Layer) -> Tensor: ...
    def leaky(self, x: Tensor, slope: int, places: int) -> Tensor: ...
    def gate(self, a: Tensor, b: Tensor, shift: int) -> Tensor: ...
    def gelu(self, x: Tensor, places: int) -> Tensor: ...
    def add(self, a: Tensor, b: Tensor) -> Tensor: ...
    def attend(self, query: Tensor, keys: list[Tensor], values: list[Tensor], head: int, shift: int, /) -> Tensor: ...
    def attend_windows(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        known: Tensor,
        bias: Tensor,
        window: int,
        shift: int,
        down: int,
        /,
    ) -> Tensor: ...
    def attend_all(self, query: Tensor, key: Tensor, value: Tensor, head: int, /) -> Tensor: ...
    def interpolate(self, table: Tensor, position: int, spacing: int) -> Tensor: ...
    def scale_down(self, x: Tensor, shift: int) -> Tensor: ...


def fused(kernels: Kernels) -> NativeKernels | None:
    """The kernels, if they also do in one pass what others do in several operations."""
    return kernels if isinstance(kernels, NativeKernels) else None


class _ExactLinear(nn.Module):
    """Stored integers of a layer with weight (outputs, inputs per output)."""

    weight: Tensor
    bias: Tensor
    shift: Tensor

    def __init__(self, kernels: Kernels, outputs: int, inputs: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.register_buffer("weight", torch.zeros(outputs, inputs, dtype=torch.int16))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.int64))
        self.register_buffer("shift", torch.ones(outputs, dtype=torch.uint8))
        self._layer: Layer | None = None
        self._of_inputs: dict[Numbers, Layer] = {}  # as they come up
        self._of_outputs: dict[Numbers, Layer] = {}

    def prepare(self, device: torch.device) -> None:
        """Prove that no sum can overflow and set up the carrier. Raises ValueError for weights that could."""
        weight, shift = self.weight.long(), self.shift.long()
        if int(weight.abs().max()) > WEIGHT_LIMIT or int(shift.min()) < 1 or int(shift.max()) > MAX_SHIFT:
            raise ValueError("exact layer: a weight or shift is out of range")
        half = 1 << (shift - 1)
        # Not the largest magnitude: that of the most negative int64 is negative.
        if max(int(self.bias.max()), -int(self.bias.min())) >= float64_kernels.SUM_LIMIT // 2:
            raise ValueError("exact layer: a bias is out of range")
        largest = weight.abs().sum(1) * (ACTIVATION_LIMIT + 1) + self.bias.abs() + half
        if int(largest.max()) >= float64_kernels.SUM_LIMIT:
            raise ValueError("exact layer: a sum could overflow")
        self._layer = self._laid_out(self.weight, self.bias, self.shift, device)

    def _laid_out(self, weight: Tensor, bias: Tensor, shift: Tensor, device: torch.device) -> Layer:
        """Stored integers as the kernels want them."""
        half = 1 << (shift.long() - 1)
        return self._layer_of()(weight.to(device).long(), (bias + half).to(device), shift.to(device).long())

    def _layer_of(self) -> Callable[[Tensor, Tensor, Tensor], Layer]:
        return self.kernels.layer

    def layer(self) -> Layer:
        assert self._layer is not None, "prepare() comes before use"
        return self._layer


class ExactPointwise(_ExactLinear):
    """1x1 layer on integers: (B, I, H, W) -> (B, O, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.kernels.pointwise(x, self.layer())

    def of_inputs(self, x: Tensor, inputs: Numbers) -> Tensor:
        """From some of the inputs, as if the others were zero: (B, K, H, W) -> (B, O, H, W)."""
        if inputs not in self._of_inputs:
            self._of_inputs[inputs] = self._laid_out(self.weight[:, _listed(inputs)], self.bias, self.shift, x.device)
        return self.kernels.pointwise(x, self._of_inputs[inputs])

    def at_places(self, rows: Tensor, outputs: Numbers) -> Tensor:
        """Some of the outputs at some places: (N, I) -> (K, N)."""
        return self.kernels.places(rows, self.of_outputs(outputs, rows.device))

    def of_outputs(self, outputs: Numbers, device: torch.device) -> Layer:
        """The layer of some of the outputs."""
        if outputs not in self._of_outputs:
            own = _listed(outputs)
            self._of_outputs[outputs] = self._laid_out(self.weight[own], self.bias[own], self.shift[own], device)
        return self._of_outputs[outputs]


def _listed(numbers: Numbers) -> Tensor:
    return torch.tensor([n for part in numbers for n in part])


class ExactDepthwise(_ExactLinear):
    """3x3 depthwise layer on integers: (B, C, H, W) -> same."""

    def _layer_of(self) -> Callable[[Tensor, Tensor, Tensor], Layer]:
        return self.kernels.depthwise_layer

    def forward(self, x: Tensor) -> Tensor:
        return self.kernels.depthwise(x, self.layer())


class ExactConvolution(_ExactLinear):
    """3x3 layer on integers: (B, I, H, W) -> (B, O, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.kernels.convolution(x, self.layer())


class ExactKnots(nn.Module):
    """Table over quality, interpolated in fixed point: gain index (int, 0..GAIN_STEPS) -> (1, C, 1, 1)."""

    table: Tensor

    def __init__(self, kernels: Kernels, channels: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.register_buffer("table", torch.zeros(KNOTS, channels, dtype=torch.int16))
        self._table: Tensor | None = None

    def prepare(self, device: torch.device) -> None:
        self._table = self.table.to(device, self.kernels.CARRIER)

    def forward(self, gain_index: int) -> Tensor:
        assert self._table is not None, "prepare() comes before use"
        return self.kernels.interpolate(self._table, gain_index, KNOT_STEPS)[None, :, None, None]


class ExactWindowBias(nn.Module):
    """Bias of attention scores by displacement, SCORE_BITS places: () -> (heads, window**2, window**2)."""

    table: Tensor

    def __init__(self, kernels: Kernels, heads: int, window: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.window = window
        self.register_buffer("table", torch.zeros(heads, (2 * window - 1) ** 2, dtype=torch.int16))
        self._bias: Tensor | None = None

    def prepare(self, device: torch.device) -> None:
        self._bias = self.table[:, relative_places(self.window)].to(device, self.kernels.CARRIER)

    def forward(self) -> Tensor:
        assert self._bias is not None, "prepare() comes before use"
        return self._bias


class ExactArithmetic:
    """The exact implementation of `arithmetic.Arithmetic`; `kernels` is the float64 carrier or the int64 oracle."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self._fused = fused(kernels)

    def pointwise(self, inputs: int, outputs: int, bits: int, start: float = 1.0) -> nn.Module:
        return ExactPointwise(self.kernels, outputs, inputs)

    def depthwise(self, channels: int) -> nn.Module:
        return ExactDepthwise(self.kernels, channels, 9)

    def convolution(self, inputs: int, outputs: int, input_bits: int, bits: int) -> nn.Module:
        return ExactConvolution(self.kernels, outputs, 9 * inputs)

    def knots(self, channels: int, bits: int) -> nn.Module:
        return ExactKnots(self.kernels, channels)

    def window_bias(self, heads: int, window: int) -> nn.Module:
        return ExactWindowBias(self.kernels, heads, window)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return self.kernels.add(a, b)

    def leaky(self, x: Tensor) -> Tensor:
        return self.kernels.leaky(x, LEAK, LEAK_BITS)

    def gate(self, a: Tensor, b: Tensor) -> Tensor:
        return self.kernels.gate(a, b, FEATURE_BITS)

    def gated_block(self, x: Tensor, rows: slice, layers: tuple[nn.Module, ...]) -> Tensor | None:
        if self._fused is None:
            return None
        prepared = tuple(part.layer() for part in layers if isinstance(part, _ExactLinear))
        return self._fused.gated_block(x, range(x.shape[2])[rows], prepared, FEATURE_BITS)

    def gelu(self, x: Tensor) -> Tensor:
        return self.kernels.gelu(x, FEATURE_BITS)

    def magnitude(self, x: Tensor) -> Tensor:
        if self._fused is not None:
            return self._fused.magnitude(x, 2 << FEATURE_BITS)
        size = x.abs()
        return self.kernels.add((8 * size).clamp_max(2 << FEATURE_BITS), size)

    def attend(self, query: Tensor, keys: list[Tensor], values: list[Tensor], head: int) -> Tensor:
        return self.kernels.attend(query, keys, values, head, _SCORE_DOWN)

    def attend_windows(
        self, query: Tensor, key: Tensor, value: Tensor, known: Tensor, bias: Tensor, window: int, shift: int
    ) -> Tensor:
        return self.kernels.attend_windows(query, key, value, known, bias, window, shift, _SCORE_DOWN)

    def attend_all(self, query: Tensor, key: Tensor, value: Tensor, head: int) -> Tensor:
        return self.kernels.attend_all(query, key, value, head)


def prepare(network: nn.Module, device: torch.device) -> None:
    """Prove the bounds of every exact layer of a network and move it to a device. Raises ValueError."""
    float64_kernels.check_device(device)
    for layer in network.modules():
        if isinstance(layer, _ExactLinear | ExactKnots | ExactWindowBias):
            layer.prepare(device)
