"""A graph of ONNX operations under construction, and its values, which pass for tensors where networks are run on them.

What a network of exact layers does to features (1, C, h, w), a `Plane` records. In the graph they lie with channels
last, (1, h, w, C), as products of matrices want them; h and w are open.
"""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 18, 9  # of 2022 and 2023: runtimes from onnxruntime 1.15 on read them
_AXES = (0, 3, 1, 2)  # in the graph, of those of a network


class Graph:
    """Nodes, constants and inputs, in order; values are known by their names."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: npt.DTypeLike, shape: tuple[int | str, ...]) -> str:
        """An input; sizes that are open have names."""
        self._inputs.append(helper.make_tensor_value_info(name, _type(kind), shape))
        return name

    def constant(self, value: npt.ArrayLike, kind: npt.DTypeLike) -> str:
        """A constant, stored once."""
        array = np.ascontiguousarray(np.asarray(value, kind))
        key = str(array.dtype), np.shape(value), array.tobytes()
        if key not in self._constants:
            tensor = numpy_helper.from_array(array.reshape(np.shape(value)), f"constant-{len(self._constants)}")
            self._constants[key] = tensor
        return str(self._constants[key].name)

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """The output of one more operation."""
        return self.nodes(operation, *inputs, outputs=1, **attributes)[0]

    def nodes(self, operation: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Its outputs, of several."""
        names = [f"{operation.lower()}-{len(self._nodes)}-{n}" for n in range(outputs)]
        self._nodes.append(helper.make_node(operation, inputs, names, **attributes))
        return names

    def cast(self, value: str, kind: npt.DTypeLike) -> str:
        """In another type: of integers, what does not fit loses its upper bits."""
        return self.node("Cast", value, to=_type(kind))

    def model(self, outputs: "dict[str, Value]") -> bytes:
        """The finished model, with outputs by name."""
        self._nodes += [helper.make_node("Identity", [value.name], [name]) for name, value in outputs.items()]
        kinds = [helper.make_tensor_value_info(name, _type(np.int32), v.lengths) for name, v in outputs.items()]
        graph = helper.make_graph(self._nodes, "lcodec", self._inputs, kinds, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="lcodec")
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def _type(kind: npt.DTypeLike) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(kind)))


class Value:
    """An int32 value of a graph that has the operations of a tensor that networks use on any: of C channels, (1, C)."""

    device = torch.device("cpu")

    def __init__(self, graph: Graph, name: str, channels: int) -> None:
        self.graph = graph
        self.name = name
        self.channels = channels

    @property
    def lengths(self) -> tuple[int | None, ...]:
        """Its shape in the graph, None where it is open."""
        return 1, self.channels

    def of(self, name: str, channels: int | None = None) -> Self:
        """Another value of this kind."""
        return type(self)(self.graph, name, self.channels if channels is None else channels)

    def __add__(self, other: "Value | int") -> Self:
        return self.of(self.graph.node("Add", self.name, self._operand(other)))

    def __mul__(self, other: int) -> Self:
        return self.of(self.graph.node("Mul", self.name, self._operand(other)))

    __rmul__ = __mul__

    def _operand(self, other: "Value | int") -> str:
        return other.name if isinstance(other, Value) else self.graph.constant(other, np.int32)

    def abs(self) -> Self:
        return self.of(self.graph.node("Abs", self.name))

    def clamp(self, low: int, high: int) -> Self:
        return self.of(self.graph.node("Clip", self.name, self._operand(low), self._operand(high)))

    def clamp_max(self, high: int) -> Self:
        return self.of(self.graph.node("Min", self.name, self._operand(high)))

    def _parts(self, count: int, axis: int) -> list[Self]:
        """So many equal parts of the channels, which are an axis."""
        assert self.channels % count == 0
        names = self.graph.nodes("Split", self.name, outputs=count, axis=axis, num_outputs=count)
        return [self.of(name, self.channels // count) for name in names]


class Columns(Value):
    """Numbers of places by channel: (C, n)."""

    @property
    def lengths(self) -> tuple[int | None, ...]:
        return self.channels, None

    def chunk(self, count: int) -> list[Self]:
        return self._parts(count, 0)


class Rows(Value):
    """Features of places: (n, C)."""

    @property
    def lengths(self) -> tuple[int | None, ...]:
        return None, self.channels

    def at(self, places: str) -> "Rows":
        """Those of some of the places, which an int64 value numbers."""
        return self.of(self.graph.node("Gather", self.name, places, axis=0))


class Plane(Value):
    """Features (1, C, h, w)."""

    @property
    def lengths(self) -> tuple[int | None, ...]:
        return 1, None, None, self.channels

    @classmethod
    def input(cls, graph: Graph, name: str, channels: int, sizes: tuple[str, str]) -> "Plane":
        """An input (1, h, w, C) of the graph."""
        return cls(graph, graph.input(name, np.int32, (1, *sizes, channels)), channels)

    def rows(self) -> Rows:
        """Features of its places, row by row."""
        shape = _join(self.graph, -1, self.channels)
        return Rows(self.graph, self.graph.node("Reshape", self.name, shape), self.channels)

    def length(self, axis: int) -> str:
        """h or w: axis 2 or 3, as int64 (1,)."""
        at = _AXES[axis]
        return self.graph.node("Shape", self.name, start=at, end=at + 1)

    @property
    def shape(self) -> tuple[int, int, str, str]:
        """Lengths; of the open ones the names of their values."""
        return 1, self.channels, self.length(2), self.length(3)

    def __getitem__(self, index: tuple[slice, ...]) -> "Plane":
        """Channels by numbers; rows and columns by numbers, or to a length."""
        graph, channels = self.graph, self.channels
        starts, ends, axes, steps = [], [], [], []
        for axis, part in enumerate(index):
            if part == slice(None):
                continue
            if axis == 1:
                part = slice(*part.indices(channels))
                channels = len(range(part.start, part.stop, part.step))
            starts.append(_integer(graph, part.start or 0))
            ends.append(part.stop if isinstance(part.stop, str) else _integer(graph, _last(part.stop)))
            axes.append(_integer(graph, _AXES[axis]))
            steps.append(_integer(graph, part.step or 1))
        if not axes:
            return self
        bounds = [graph.node("Concat", *numbers, axis=0) for numbers in (starts, ends, axes, steps)]
        return self.of(graph.node("Slice", self.name, *bounds), channels)

    def chunk(self, count: int, axis: int) -> list[Self]:
        assert axis == 1
        return self._parts(count, _AXES[axis])

    def repeat_interleave(self, times: int, axis: int) -> "Plane":
        graph, width = self.graph, self.length(3)
        if axis == 2:  # each row twice is twice as many of the same width
            wide = graph.node("Concat", *[self.name] * times, axis=2)
            return self.of(graph.node("Reshape", wide, _join(graph, 1, -1, width, self.channels)))
        wide = graph.node("Concat", *[graph.node("Unsqueeze", self.name, _integer(graph, 3))] * times, axis=3)
        return self.of(graph.node("Reshape", wide, _join(graph, 0, 0, -1, self.channels)))

    def shuffled(self, factor: int) -> "Plane":
        """`F.pixel_shuffle`."""
        graph, channels = self.graph, self.channels // factor**2
        lengths = _join(graph, 1, self.length(2), self.length(3), channels, factor, factor)
        split = graph.node("Reshape", self.name, lengths)
        moved = graph.node("Transpose", split, perm=(0, 1, 4, 2, 5, 3))
        width = graph.node("Mul", self.length(3), _integer(graph, factor))
        return self.of(graph.node("Reshape", moved, _join(graph, 1, -1, width, channels)), channels)

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> "Plane":
        """What networks call functions of torch for."""
        assert not kwargs or kwargs == {"inplace": False}, f"{function} of a graph with {kwargs}"
        if function is torch.cat:
            planes, axis = args
            assert axis == 1
            graph: Graph = planes[0].graph
            name = graph.node("Concat", *[plane.name for plane in planes], axis=_AXES[axis])
            return Plane(graph, name, sum(plane.channels for plane in planes))
        if function is F.relu:
            (plane,) = args
            rectified: Plane = plane.of(plane.graph.node("Max", plane.name, plane.graph.constant(0, np.int32)))
            return rectified
        if function is torch.zeros_like:
            (plane,) = args
            zeros: Plane = plane * 0
            return zeros
        if function is F.pixel_shuffle:
            plane, factor = args
            shuffled: Plane = plane.shuffled(factor)
            return shuffled
        raise ValueError(f"no graph can be made of {getattr(function, '__name__', function)} yet")


def _last(stop: int | None) -> int:
    return np.iinfo(np.int64).max if stop is None else stop


def _integer(graph: Graph, number: int) -> str:
    return graph.constant([number], np.int64)


def _join(graph: Graph, *lengths: int | str) -> str:
    parts = [length if isinstance(length, str) else _integer(graph, length) for length in lengths]
    return graph.node("Concat", *parts, axis=0)
