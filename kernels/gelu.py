"""What the GELU takes away from the rectifier: a table of integers, the same on every machine.

With Phi the distribution function of the standard Gaussian, `x Phi(x) = max(x, 0) - |x| Phi(-|x|)` for either sign
(Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016).
"""

from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from functools import cache


@cache
def gelu_table(places: int) -> tuple[int, ...]:
    """Entry i is floor(2**places * t Phi(-t) + 1/2) with t = i / 2**places, up to the first zero after the largest.

    By decimal arithmetic, whose exponential is correctly rounded; a floating point library's need not be.
    """
    entries = [0]
    with localcontext(Context(prec=40)):
        while entries[-1] or len(entries) < 2**places:
            t = Decimal(len(entries)) / 2**places
            exact = t * _tail(t) * 2**places
            entries.append(int((exact + Decimal("0.5")).to_integral_value(ROUND_FLOOR)))
    return tuple(entries)


def _tail(t: Decimal) -> Decimal:
    """Phi(-t) for t >= 0, by the series of (Phi(t) - 1/2) / phi(t), whose terms are positive."""
    two_pi = 2 * Decimal("3.14159265358979323846264338327950288419717")
    term = total = t
    odd = 1
    while term > Decimal("1e-35"):
        odd += 2
        term = term * t * t / odd
        total += term
    return Decimal("0.5") - total * (-t * t / 2).exp() / two_pi.sqrt()
