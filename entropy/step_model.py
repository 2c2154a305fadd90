"""What an entropy model is to those who walk its coding steps."""

from typing import Protocol

import torch
from torch import Tensor

from .exchange import Exchange


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
