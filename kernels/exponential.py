"""The exponential of exact softmax: a table of integers, the same on every machine."""

from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from functools import cache

SCORE_BITS = 8  # binary places of the distance of a score from the largest one
WEIGHT_BITS = 14  # and of its weight: that of the largest score is 2**14


@cache
def exponential_table() -> tuple[int, ...]:
    """Entry i is floor(2**WEIGHT_BITS * exp(-i / 2**SCORE_BITS) + 1/2), up to the first zero.

    By decimal arithmetic, whose exponential is correctly rounded; a floating point library's need not be.
    """
    entries: list[int] = []
    with localcontext(Context(prec=30)):
        while not entries or entries[-1]:
            exact = (Decimal(-len(entries)) / 2**SCORE_BITS).exp() * 2**WEIGHT_BITS
            entries.append(int((exact + Decimal("0.5")).to_integral_value(ROUND_FLOOR)))
    return tuple(entries)
