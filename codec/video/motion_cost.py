"""What a bit of vectors weighs against absolute differences, by quality."""

import math

from ...entropy.fixed import GAIN_STEPS
from ..quality import LAMBDAS

_FACTOR = 1.0


def bit_cost(gain_index: int) -> float:
    """In levels of 8 bits: the root of what a bit weighs against squared error (Sullivan and Wiegand, 1998)."""
    low, high = map(math.log, LAMBDAS)
    return _FACTOR * math.exp(-0.5 * (low + (high - low) * gain_index / GAIN_STEPS))
