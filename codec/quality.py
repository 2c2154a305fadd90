"""What quality means: how much squared error weighs against bits."""

import math

from torch import Tensor

# Weight of the squared error (8-bit units) against bits per pixel at quality 0 and 100, where a recipe names no other.
LAMBDAS = (0.0003, 0.5)


def weight_of(q: Tensor, lambdas: tuple[float, float]) -> Tensor:
    """The weight at qualities q in [0, 1], of any shape: geometric between those at 0 and at 1."""
    low, high = map(math.log, lambdas)
    return (low + (high - low) * q).exp()
