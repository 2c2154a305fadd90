"""Exact integer layers in C (`native/`): the carrier of CPUs, wherever it was compiled.

Products are of 16 bits by 14, two at a time, summed in 32 bits where the length of a row of features says that they
fit, and in 64 elsewhere: `native/layers.h`. Layers whose bias takes more than 30 bits, and attention, run on `exact`.
Features are (B, C, H, W) as there, int32, best with channels last. The extension is optional: where lcodec was
installed without a compiler, other carriers compute the same.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from . import exact, exact_int8, exact_reference, packed_rows
from .compiled import native
from .exact_reference import Layer
from .share import share

_SUM_LIMIT = 2**31
_BIAS_LIMIT = 2**30
_OUTPUTS = 16  # that are computed together
_LEAST_PRODUCTS = 2**20  # of a thread: ten microseconds
_CARRIER = torch.int32

Places = npt.NDArray[np.intp]
Means = npt.NDArray[np.int32]
RowNumbers = npt.NDArray[np.int16]
Symbols = npt.NDArray[np.int16]


@cache
def native_kernels() -> tuple["NativeKernels", ...]:
    """For each set of instructions that this processor has, the plain one first; none without the extension."""
    return tuple(map(NativeKernels, range(len(native.SETS)))) if native else ()


class NativeKernels:
    """Kernels for one set of instructions, with some operations beside in one pass over what they read and write."""

    CARRIER = _CARRIER
    LAYOUT = torch.channels_last

    attend = staticmethod(exact_int8.attend)
    attend_all = staticmethod(exact_int8.attend_all)
    attend_windows = staticmethod(exact_int8.attend_windows)
    gelu = staticmethod(exact_int8.gelu)
    interpolate = staticmethod(exact_reference.interpolate)
    leaky = staticmethod(exact_int8.leaky)
    scale_down = staticmethod(exact_reference.scale_down)

    def __init__(self, number: int) -> None:
        """number: of the set among those of the extension."""
        self.NAME = f"native, {native.SETS[number]}"
        self._set = number

    def is_exact(self) -> bool:
        """Known-answer test, of sums of 32 bits and of 64."""
        generator = torch.Generator().manual_seed(0)
        for rows, inputs, outputs in ((1, 1, 1), (37, 300, 24), (9, 192, 70)):
            for largest in (2**15, 2**9):
                x = torch.randint(-largest, largest, (1, inputs, rows, 1), generator=generator)
                weight = torch.randint(-8127, 8128, (outputs, inputs), generator=generator)
                x[:, :, 0], weight[0], weight[-1] = -largest, 8127, -8127
                bias = torch.randint(-(2**29), 2**29, (outputs,), generator=generator)
                given = weight, bias, torch.full((outputs,), 12)
                expected = exact_reference.pointwise(x, exact_reference.layer(*given))
                if not torch.equal(self.pointwise(x.to(_CARRIER), self.layer(*given)).long(), expected):
                    return False
        return True

    def layer(self, weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
        """As `exact.layer`: packed weights (outputs / 16, inputs / 2, 16, 2), bias, shift, a limit, sizes.

        Rows of features whose sum of squares is below the limit have sums of less than 32 bits.
        """
        if int(bias.abs().max()) >= _BIAS_LIMIT:
            return exact.layer(weight, bias, shift)
        outputs, inputs = weight.shape
        padded = F.pad(weight, (0, inputs % 2, 0, -outputs % _OUTPUTS)).view(-1, _OUTPUTS, (inputs + 1) // 2, 2)
        packed = padded.transpose(1, 2).to(torch.int16).contiguous()
        room = _SUM_LIMIT - 1 - float(bias.abs().max())
        limit = room**2 / max(float(weight.double().square().sum(1).max()), 1.0)
        sizes = torch.tensor([inputs, outputs, *packed.shape[:2]])
        return packed, bias.to(_CARRIER), shift.to(_CARRIER), torch.tensor(limit, dtype=torch.float32), sizes

    def depthwise_layer(self, weight: Tensor, bias: Tensor, shift: Tensor) -> Layer:
        """As `exact.depthwise_layer`: here by tap, in 32 bits."""
        if int((weight.abs().sum(1) * 2**15 + bias.abs()).max()) >= _SUM_LIMIT:
            return exact.layer(weight, bias, shift)
        return weight.t().to(_CARRIER).contiguous(), bias.to(_CARRIER), shift.to(_CARRIER)

    def pointwise(self, x: Tensor, layer: Layer) -> Tensor:
        """As `exact.pointwise`."""
        if _is_carried(layer):
            return exact.pointwise(x.to(exact.CARRIER), layer).to(_CARRIER)
        batch, inputs, height, width = x.shape
        rows = self._product(x.permute(0, 2, 3, 1).reshape(-1, inputs), layer)
        return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)

    def places(self, rows: Tensor, layer: Layer) -> Tensor:
        """As `exact.places`."""
        if _is_carried(layer):
            return exact.places(rows.to(exact.CARRIER), layer).to(_CARRIER)
        return self._product(rows, layer).t()

    def depthwise(self, x: Tensor, layer: Layer) -> Tensor:
        """As `exact.depthwise`."""
        if _is_carried(layer):
            return exact.depthwise(x.to(exact.CARRIER), layer).to(_CARRIER)
        planes = _channels_last(x)
        out = torch.empty_like(planes)
        for plane, own in zip(planes, out, strict=True):
            native.depthwise(self._set, *_depthwise(layer), plane.data_ptr(), *plane.shape[:2], own.data_ptr())
        return out.permute(0, 3, 1, 2)

    def convolution(self, x: Tensor, layer: Layer) -> Tensor:
        """As `exact.convolution`."""
        if _is_carried(layer):
            return exact.convolution(x.to(exact.CARRIER), layer).to(_CARRIER)
        batch, _, height, width = x.shape
        return self._product(exact_int8.neighbours(x), layer).view(batch, height, width, -1).permute(0, 3, 1, 2)

    def gate(self, a: Tensor, b: Tensor, shift: int) -> Tensor:
        """As `exact.gate`."""
        batch, channels, height, width = a.shape
        a, b = (part.permute(0, 2, 3, 1).reshape(-1, channels) for part in (a, b))
        if a.stride() != b.stride() or a.stride(1) != 1:
            a, b = a.contiguous(), b.contiguous()
        out = torch.empty(a.shape, dtype=_CARRIER)
        native.gate(self._set, a.data_ptr(), b.data_ptr(), a.stride(0), *a.shape, shift, out.data_ptr())
        return out.view(batch, height, width, channels).permute(0, 3, 1, 2)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """As `exact.add`."""
        a, b = map(_channels_last, (part.expand(np.broadcast_shapes(a.shape, b.shape)) for part in (a, b)))
        out = torch.empty_like(a)
        native.add(self._set, a.data_ptr(), b.data_ptr(), a.numel(), out.data_ptr())
        return out.permute(0, 3, 1, 2)

    def magnitude(self, x: Tensor, most: int) -> Tensor:
        """min(8 |x|, most) + |x|, saturated."""
        x = _channels_last(x)
        out = torch.empty_like(x)
        native.magnitude(self._set, x.data_ptr(), x.numel(), most, out.data_ptr())
        return out.permute(0, 3, 1, 2)

    def features(self, x: Tensor, factor: int) -> Tensor:
        """A power of two times integers (B, C, H, W) of any size, saturated."""
        batch, channels, height, width = x.shape
        out = torch.empty(batch, height, width, channels, dtype=_CARRIER)
        for plane, own in zip(x, out, strict=True):
            given = plane.data_ptr(), *plane.stride(), height, width, channels, factor
            native.features(self._set, *given, own.data_ptr())
        return out.permute(0, 3, 1, 2)

    def gated_block(self, x: Tensor, rows: range, layers: tuple[Layer, ...], shift: int) -> Tensor | None:
        """Rows of a gated block of `entropy/blocks.py` of layers enter, mix, leave, expand and reduce.

        None where one of them is not computed here.
        """
        if any(map(_is_carried, layers)):
            return None
        planes = _channels_last(x)
        batch, height, width, channels = planes.shape
        out = torch.empty(batch, len(rows), width, channels, dtype=_CARRIER)
        enter, mix, *others = layers
        numbers = *_linear(enter), *_depthwise(mix), *(n for layer in others for n in _linear(layer)), shift
        threads = _threads(height * width, enter)
        for plane, own in zip(planes, out, strict=True):
            size = plane.data_ptr(), height, width, rows.start, rows.stop
            native.gated_block(self._set, *numbers, threads, *size, own.data_ptr())
        return out.permute(0, 3, 1, 2)

    def head(
        self,
        rows: Tensor,
        layer: Layer,
        places: Places,
        mean: Means,
        row: RowNumbers,
        shift: int,
        centre: int,
        whole: int,
    ) -> None:
        """Write means and table rows (C, n), whose channels lie alike, at n places of features (N, I).

        The layer has 2 C outputs, means and log-scales; numbers are as in `packed_rows`.
        """
        if _is_carried(layer):
            found = self.places(rows[torch.from_numpy(places)], layer)
            packed = packed_rows.reference(found, shift, centre, whole).numpy()
            mean[:], row[:] = packed // packed_rows.ROWS, packed % packed_rows.ROWS
            return
        places = np.ascontiguousarray(places, np.int64)
        source = rows.data_ptr(), rows.stride(0), _address(places), places.size
        threads, stride = _threads(places.size, layer), mean.strides[0] // mean.itemsize
        how = shift, centre, packed_rows.ROWS - 1, whole
        native.head(self._set, *_linear(layer), threads, *source, *how, stride, _address(mean), _address(row))

    def put(self, plane: Tensor, channels: range, places: Places, symbols: Symbols, mean: Means, bits: int) -> None:
        """Write latents of a plane (1, M, h, w) at places: symbols (C, n), with so many places, above their means."""
        places = np.ascontiguousarray(places, np.int64)
        _, channel_step, row_step, step = plane.stride()
        assert row_step == step * plane.shape[3], "a plane whose rows do not lie evenly"
        first = plane.data_ptr() + channels.start * channel_step * plane.element_size()
        given = _address(symbols), _address(mean), mean.strides[0] // mean.itemsize, bits, len(channels), places.size
        native.put(self._set, *given, _address(places), first, step, channels.step * channel_step)

    def _product(self, rows: Tensor, layer: Layer) -> Tensor:
        """(N, I) -> (N, O), requantised."""
        if rows.stride(1) != 1:
            rows = rows.contiguous()
        out = torch.empty(len(rows), len(layer[1]), dtype=_CARRIER)
        source = rows.data_ptr(), rows.stride(0), len(rows)
        native.linear(self._set, *_linear(layer), _threads(len(rows), layer), *source, out.data_ptr())
        return out


def _is_carried(layer: Layer) -> bool:
    """Whether a layer is one of `exact`."""
    return layer[0].dtype == exact.CARRIER


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).contiguous()


def _linear(layer: Layer) -> tuple[int, ...]:
    """A layer as C takes it."""
    return tuple(part.data_ptr() for part in layer)


def _depthwise(layer: Layer) -> tuple[int, ...]:
    weight, bias, shift = layer
    return weight.data_ptr(), bias.data_ptr(), shift.data_ptr(), len(bias)


def _threads(places: int, layer: Layer) -> int:
    """How many take part: one where there is too little to do."""
    return max(1, min(share(), places * layer[0].numel() // _LEAST_PRODUCTS))


def _address(array: npt.NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
