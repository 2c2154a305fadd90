"""Exact arithmetic: the layers of an entropy network on integers, with their overflow bounds proven at load.

A layer stores what `convert` made of its float twin: int16 weights, int64 biases at the accumulator's scale and one
shift per output channel. `prepare` proves the bound and lays the numbers out for the carrier; it is called once, after
the stored values are in place.
"""

from types import ModuleType

import torch
from torch import Tensor, nn

from ..kernels import exact as float64_kernels
from .fixed import ACTIVATION_LIMIT, FEATURE_BITS, KNOT_STEPS, KNOTS, MAX_SHIFT, WEIGHT_LIMIT


class _ExactLinear(nn.Module):
    """Stored integers of a layer with weight (outputs, inputs per output)."""

    weight: Tensor
    bias: Tensor
    shift: Tensor

    def __init__(self, kernels: ModuleType, outputs: int, inputs: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.register_buffer("weight", torch.zeros(outputs, inputs, dtype=torch.int16))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.int64))
        self.register_buffer("shift", torch.ones(outputs, dtype=torch.uint8))
        self._operands: tuple[Tensor, Tensor, Tensor] | None = None

    def prepare(self, device: torch.device) -> None:
        """Prove that no sum can overflow and set up the carrier. Raises ValueError for weights that could."""
        weight, shift = self.weight.long(), self.shift.long()
        if int(weight.abs().max()) > WEIGHT_LIMIT or int(shift.min()) < 1 or int(shift.max()) > MAX_SHIFT:
            raise ValueError("exact layer: a weight or shift is out of range")
        half = 1 << (shift - 1)
        if int(self.bias.abs().max()) >= float64_kernels.SUM_LIMIT // 2:
            raise ValueError("exact layer: a bias is out of range")
        largest = weight.abs().sum(1) * (ACTIVATION_LIMIT + 1) + self.bias.abs() + half
        if int(largest.max()) >= float64_kernels.SUM_LIMIT:
            raise ValueError("exact layer: a sum could overflow")
        carrier = self.kernels.CARRIER
        self._operands = (
            weight.to(device, carrier),
            (self.bias + half).to(device, carrier),
            shift.to(device, carrier),
        )

    def operands(self) -> tuple[Tensor, Tensor, Tensor]:
        assert self._operands is not None, "prepare() comes before use"
        return self._operands


class ExactPointwise(_ExactLinear):
    """1x1 layer on integers: (B, I, H, W) -> (B, O, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.kernels.pointwise(x, *self.operands())
        return result


class ExactDepthwise(_ExactLinear):
    """3x3 depthwise layer on integers: (B, C, H, W) -> same."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.kernels.depthwise(x, *self.operands())
        return result


class ExactKnots(nn.Module):
    """Table over quality, interpolated in fixed point: gain index (int, 0..GAIN_STEPS) -> (1, C, 1, 1)."""

    table: Tensor

    def __init__(self, kernels: ModuleType, channels: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.register_buffer("table", torch.zeros(KNOTS, channels, dtype=torch.int16))
        self._table: Tensor | None = None

    def prepare(self, device: torch.device) -> None:
        self._table = self.table.to(device, self.kernels.CARRIER)

    def forward(self, gain_index: int) -> Tensor:
        assert self._table is not None, "prepare() comes before use"
        row: Tensor = self.kernels.interpolate(self._table, gain_index, KNOT_STEPS)
        return row[None, :, None, None]


class ExactArithmetic:
    """The exact implementation of `arithmetic.Arithmetic`; `kernels` is the float64 carrier or the int64 oracle."""

    def __init__(self, kernels: ModuleType = float64_kernels) -> None:
        self.kernels = kernels

    def pointwise(self, inputs: int, outputs: int, bits: int, start: float = 1.0) -> nn.Module:
        return ExactPointwise(self.kernels, outputs, inputs)

    def depthwise(self, channels: int) -> nn.Module:
        return ExactDepthwise(self.kernels, channels, 9)

    def knots(self, channels: int, bits: int) -> nn.Module:
        return ExactKnots(self.kernels, channels)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        total: Tensor = self.kernels.add(a, b)
        return total

    def gate(self, a: Tensor, b: Tensor) -> Tensor:
        product: Tensor = self.kernels.gate(a, b, FEATURE_BITS)
        return product


def prepare(network: nn.Module, device: torch.device) -> None:
    """Prove the bounds of every layer of an exact network and move it to a device that has the carrier."""
    for layer in network.modules():
        if isinstance(layer, _ExactLinear | ExactKnots):
            layer.prepare(device)
