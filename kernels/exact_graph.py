"""Exact integer layers as nodes of an ONNX graph, on products of digits that no processor saturates.

Runtimes multiply unsigned bytes by signed ones into 32 bits (MatMulInteger). Where a processor has no instruction for
that, they add products two by two in 16 bits, with saturation: 2 * 255 * 127 does not fit, 2 * 255 * 64 does. So an
activation is two unsigned bytes, a weight two digits of base 128 from -64 to 63. With x + 2**15 = 256 xh + xl and
w = 128 wh + wl,

```
sum x w + bias = 256 (128 sum xh wh + sum xh wl) + (128 sum xl wh + sum xl wl) + B,    B = bias - 2**15 sum w
```
where what is in parentheses fits 32 bits, which `layer` makes sure of. It is put together in float64, as in `exact`.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from . import exact
from .exact_reference import Layer
from .graph import Columns, Graph, Plane, Rows, Value

Some = TypeVar("Some", bound=Value)

_BYTE, _DIGIT, _BYTE_BITS = 256, 128, 8
_OFFSET = 2**15
_LOW, _HIGH = -(2**15), 2**15 - 1


class GraphKernels:
    """Kernels that record what they are asked for in a graph. Features are `Plane`s."""

    NAME = "graph"
    CARRIER = torch.int32
    LAYOUT = torch.contiguous_format

    def __init__(self) -> None:
        self.graph = Graph()

    def layer(self, weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
        """As `exact.layer`: wh (I, O), wl (I, O), B and the power of two.

        Raises ValueError for weights beyond two digits, or so large together that a sum could exceed 32 bits.
        """
        high = (weight + _DIGIT // 2) // _DIGIT
        low = weight - high * _DIGIT
        if int(high.abs().max()) >= _DIGIT // 2 or int(weight.abs().sum(1).max()) * (_BYTE - 1) >= 2**31:
            raise ValueError("exact layer: weights too large for products of digits")
        _, _, power = exact.layer(weight, bias, shift)
        return high.t(), low.t(), bias - _OFFSET * weight.sum(1), power

    def depthwise_layer(self, weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
        """As `exact.depthwise_layer`."""
        return exact.layer(weight, bias, shift)

    def pointwise(self, x: Plane, layer: Layer) -> Plane:
        """As `exact.pointwise`."""
        return Plane(self.graph, self._products(x.name, layer), layer[0].shape[1])

    def places(self, rows: Rows, layer: Layer) -> Columns:
        """As `exact.places`."""
        products = self.graph.node("Transpose", self._products(rows.name, layer), perm=(1, 0))
        return Columns(self.graph, products, layer[0].shape[1])

    def _products(self, rows: str, layer: Layer) -> str:
        """int32 (..., I) -> (..., O), requantised: both by the names of their values."""
        node, cast, constant = self.graph.node, self.graph.cast, self.graph.constant
        high, low, bias, power = layer
        whole = node("Add", rows, constant(_OFFSET, np.int32))
        upper = node("BitShift", cast(whole, np.uint32), constant(_BYTE_BITS, np.uint32), direction="RIGHT")
        digits = [constant(part, np.int8) for part in (high, low)]
        sums = []
        for part in (cast(upper, np.uint8), cast(whole, np.uint8)):
            by_high, by_low = (node("MatMulInteger", part, digit) for digit in digits)
            both = node("Add", node("Mul", by_high, constant(_DIGIT, np.int32)), by_low)
            sums.append(cast(both, np.float64))
        total = node("Add", node("Mul", sums[0], constant(_BYTE, np.float64)), sums[1])
        return self._requantised(node("Add", total, constant(bias, np.float64)), power)

    def depthwise(self, x: Plane, layer: Layer) -> Plane:
        """As `exact.depthwise`, by the same operations with channels last."""
        graph, node, constant = self.graph, self.graph.node, self.graph.constant
        weight, bias, power = layer
        padding = constant([0, 1, 1, 0, 0, 1, 1, 0], np.int64)
        padded = Plane(graph, node("Pad", graph.cast(x.name, np.float64), padding), x.channels)
        height, width = x.length(2), x.length(3)
        one = constant([1], np.int64)
        bounds = [(height, width)]
        for _ in range(2):
            bounds.append((node("Add", bounds[-1][0], one), node("Add", bounds[-1][1], one)))
        total = constant(bias, np.float64)
        for tap in range(9):
            dy, dx = divmod(tap, 3)
            seen = padded[:, :, dy : bounds[dy][0], dx : bounds[dx][1]]
            total = node("Add", total, node("Mul", seen.name, constant(weight[:, tap], np.float64)))
        return Plane(graph, self._requantised(total, power), x.channels)

    def gate(self, a: Plane, b: Plane, shift: int) -> Plane:
        """As `exact.gate`."""
        node = self.graph.node
        rectified = node("Max", a.name, self.graph.constant(0, np.int32))
        product = Plane(self.graph, node("Mul", rectified, b.name), a.channels)
        return self.scale_down(product, shift).clamp(_LOW, _HIGH)

    def add(self, a: Plane, b: Plane) -> Plane:
        """As `exact.add`."""
        return (a + b).clamp(_LOW, _HIGH)

    def interpolate(self, table: Tensor, position: str, spacing: int) -> "_Channels":
        """As `exact.interpolate`, at a position int64 (1,) in the graph and a spacing that is a power of two."""
        node, cast = self.graph.node, self.graph.cast
        if spacing & (spacing - 1):
            raise ValueError("tables are interpolated in graphs at spacings that are powers of two")
        step, rows = self.graph.constant([spacing], np.int64), self.graph.constant(table, np.int64)
        index = node("Min", node("Div", position, step), self.graph.constant([len(table) - 2], np.int64))
        above = node("Sub", position, node("Mul", index, step))
        low = node("Gather", rows, index)
        high = node("Gather", rows, node("Add", index, self.graph.constant([1], np.int64)))
        mixed = node("Add", node("Mul", low, node("Sub", step, above)), node("Mul", high, above))
        rounded = self._scaled_down(cast(mixed, np.float64), spacing.bit_length() - 1)
        return _Channels(self.graph, rounded, table.shape[1])

    def scale_down(self, x: Some, shift: int) -> Some:
        """As `exact.scale_down`."""
        return x.of(self._scaled_down(self.graph.cast(x.name, np.float64), shift))

    def _scaled_down(self, x: str, shift: int) -> str:
        node, constant = self.graph.node, self.graph.constant
        half = node("Add", x, constant(1 << (shift - 1), np.float64))
        return self.graph.cast(node("Floor", node("Mul", half, constant(2.0**-shift, np.float64))), np.int32)

    def _requantised(self, total: str, power: Tensor) -> str:
        node, constant = self.graph.node, self.graph.constant
        floored = node("Floor", node("Mul", total, constant(power, np.float64)))
        return self.graph.cast(node("Clip", floored, constant(_LOW, np.float64), constant(_HIGH, np.float64)), np.int32)


class _Channels(Value):
    """A number of each channel, (1, C), to be seen as (1, C, 1, 1)."""

    def __getitem__(self, index: tuple[slice | None, ...]) -> Value:
        assert index == (None, slice(None), None, None)
        return Value(self.graph, self.name, self.channels)
