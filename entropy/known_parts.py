"""Known latents place by place: what the contexts of early steps would multiply by zero is left out.

At each position of a schedule's cell the same channels are known to a step. So the first layer of a context is as
many products as there are positions, each with the weights of these channels alone, which is exact: what is left out is
zero, and sums of integers have no order.
"""

from itertools import product

import torch
from torch import Tensor, nn

from .exact import ExactPointwise, Kernels, fused
from .fixed import CONTEXT_SHIFT, FEATURE_BITS, MEAN_BITS
from .known import ContextNetwork
from .schedule import Schedule

_TO_FEATURES = 1 << (FEATURE_BITS - MEAN_BITS - CONTEXT_SHIFT)


def features_of(y_hat: Tensor, kernels: Kernels) -> Tensor:
    """Decoded latents as what contexts see of them."""
    if (one_pass := fused(kernels)) is not None:
        return one_pass.features(y_hat, _TO_FEATURES)
    return (y_hat * _TO_FEATURES).clamp(-(2**15), 2**15 - 1)


class KnownParts:
    """A `known.Known` of exact features, of a band of rows. `add` tells it what a step has decoded."""

    def __init__(
        self, network: ContextNetwork, schedule: Schedule, y_hat: Tensor, first: int, rows: slice, kernels: Kernels
    ) -> None:
        """y_hat: latents (1, M, h, w) to be written into, whose first row is that of the plane; `rows` are wanted."""
        self.rows = rows
        self._network = network
        self._schedule = schedule
        self._y_hat = y_hat
        self._kernels = kernels
        self._period = period = len(schedule.cell[0])
        # Of each position in the band the channels, and what the network sees of them.
        self._parts: dict[tuple[int, int], list[tuple[range, Tensor]]] = {
            ((y - first) % period, x): [] for y, x in product(range(period), repeat=2)
        }
        self._first = first

    def add(self, step: int) -> None:
        """The latents of a step are in y_hat now."""
        for (y, x), parts in self._parts.items():
            position = (y + self._first) % self._period, x
            for channels in self._schedule.channels_at(step, self._y_hat.shape[1], *position):
                of = slice(channels.start, channels.stop, channels.step)
                own = self._y_hat[:, of, y :: self._period, x :: self._period]
                parts.append((channels, self._network.input(features_of(own, self._kernels))))

    def through(self, layer: nn.Module, channels: range, stride: int = 1) -> Tensor:
        """As `Known.through`, for strides that divide the cell's period."""
        assert isinstance(layer, ExactPointwise)
        period = self._period // stride
        shape = (1, layer.weight.shape[0], *(-(-length // stride) for length in self._y_hat.shape[2:]))
        out = torch.empty(shape, dtype=self._y_hat.dtype, device=self._y_hat.device, memory_format=self._kernels.LAYOUT)
        for (y, x), parts in self._parts.items():
            if y % stride or x % stride:
                continue
            own = out[:, :, y // stride :: period, x // stride :: period]
            seen = [(known, part) for known, part in parts if known.start in channels]
            if not seen:  # a channel of zeros, since there has to be one
                seen = [(channels[:1], self._network.input(own.new_zeros(1, 1, *own.shape[2:])))]
            if own.numel():
                inputs = [
                    range(known.start + shift, known.stop + shift, known.step)
                    for known, _ in seen
                    for shift in (n * len(channels) - channels.start for n in range(self._network.inputs))
                ]
                own.copy_(layer.of_inputs(torch.cat([part for _, part in seen], 1), tuple(inputs)))
        return out
