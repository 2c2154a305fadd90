"""What passes between an entropy model that walks its coding steps and the coder of their symbols.

In each step the model computes every symbol's mean and table row, hands them to an `Exchange`, and gets the symbols:
the encoder computes them from its latents and pushes, the decoder pulls.
"""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .fixed import MEAN_BITS
from .selection import Selection

Symbols = npt.NDArray[np.int16]
Means = npt.NDArray[np.int32]
RowNumbers = npt.NDArray[np.int16]
Plane = Literal["y", "z"]


class Exchange(Protocol):
    """One coding step: the symbols (n,) of some latents, from what the model knows of them."""

    def __call__(self, plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        """mean: integers with MEAN_BITS places, row: table rows, both (n,) in channel, row, column order.

        `selection` says which latents of the plane they are, None is all.
        """
        ...


class StepModel(Protocol):
    """An entropy model in exact arithmetic, as encoder and decoder walk it, so that they cannot disagree."""

    @property
    def steps(self) -> int:
        """Coding steps, from 1."""
        ...

    @property
    def n_rows(self) -> int:
        """Rows of the probability table that its steps may name."""
        ...

    def prepare(self, device: torch.device) -> None:
        """Prove its bounds and move to a device; raises ValueError. To be called once, after loading."""
        ...

    def walk(self, gain_index: int, size: tuple[int, int], exchange: Exchange, device: torch.device) -> Tensor:
        """Run all steps for latents of (h, w) = size: the decoded y (1, M, h, w) with MEAN_BITS places."""
        ...


def decoded(symbols: Symbols, mean: Means) -> Means:
    """The values with MEAN_BITS places that symbols stand for, of the same shape."""
    return (symbols.astype(np.int32) << MEAN_BITS) + mean
