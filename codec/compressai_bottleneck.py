"""The learned distribution of each channel in CompressAI's checkpoints, to be tabulated once.

Ballé et al., "Variational Image Compression with a Scale Hyperprior" (2018), appendix 6.1: the cumulative distribution
is a small network, monotonic by its positive weights, of which there is one a channel.
"""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..entropy.fixed import MEAN_BITS
from ..entropy.tables import MAX_BOUND, integer_row

_LAYERS = 5


class Bottleneck:
    """`entropy_bottleneck` of a checkpoint. `median` is int16 (C,), MEAN_BITS places: what symbols are counted from."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        """state: the tensors under `entropy_bottleneck.`. KeyError where one is missing."""
        self._matrices = [F.softplus(state[f"matrices.{i}"].double()) for i in range(_LAYERS)]
        self._biases = [state[f"biases.{i}"].double() for i in range(_LAYERS)]
        self._factors = [torch.tanh(state[f"factors.{i}"].double()) for i in range(_LAYERS - 1)]
        low, median, high = state["quantiles"].double()[:, 0].unbind(1)  # each (C,)
        self.median = (median * 2**MEAN_BITS).round().clamp(-(2**15), 2**15 - 1).to(torch.int16)
        self._bounds = torch.maximum(median - low, high - median).ceil().clamp(1, MAX_BOUND).int().tolist()

    def rows(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Integer frequencies of each channel's symbols from -bound to bound, and of the escape."""
        most = max(self._bounds)
        logits = self._logits(torch.arange(-most, most + 2) - 0.5)
        probability = _between(logits[:, :-1], logits[:, 1:])
        rows = []
        for channel, bound in enumerate(self._bounds):
            first, last = most - bound, most + bound
            outside = torch.sigmoid(logits[channel, first]) + torch.sigmoid(-logits[channel, last + 1])
            mass = np.append(probability[channel, first : last + 1].numpy(), float(outside))
            if not np.isfinite(mass).all() or mass.sum() <= 0:
                raise ValueError(f"the distribution of channel {channel} is none")
            rows.append(integer_row(mass))
        return tuple(rows)

    def bits(self, symbols: Tensor) -> float:
        """What whole symbols (C, n), counted from the medians, cost under the real distributions."""
        probability = _between(self._logits(symbols - 0.5), self._logits(symbols + 0.5))
        return float(-torch.log2(probability.clamp_min(2.0**-32)).sum())

    def _logits(self, x: Tensor) -> Tensor:
        """Of the cumulative distribution at x (n,) or (C, n), counted from the medians: (C, n)."""
        x = (x.double() + self.median.double()[:, None] / 2**MEAN_BITS)[:, None]  # (C, 1, n)
        for i in range(_LAYERS):
            x = self._matrices[i] @ x + self._biases[i]
            if i < _LAYERS - 1:
                x = x + self._factors[i] * torch.tanh(x)
        return x[:, 0]


def _between(lower: Tensor, upper: Tensor) -> Tensor:
    """sigmoid(upper) - sigmoid(lower), precise in both tails."""
    sign = torch.where(lower + upper > 0, -1.0, 1.0)
    return (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()
