"""Probability rows fitted to the symbols that a model really codes.

A Gaussian of the predicted scale is a guess at the shape of the residuals. Counted on photographs, each row becomes
what its symbols are: mixtures of scales, and tails heavier than a Gaussian's. The decoder reads integers as before.
"""

import numpy as np
import numpy.typing as npt

from .exchange import Symbols
from .tables import Rows, integer_row

# A portion counts as if it took so many bits, and each row as if it also had so many symbols of its Gaussian: what was
# seldom seen stays possible.
_PORTION_BITS = 1e6
_PRIOR_SYMBOLS = 200.0


class RowCounter:
    """Counts symbols by table row, in the place of a `coder.RowCoder` that writes them."""

    def __init__(self, rows: Rows, first_row: int, symmetric: bool = True, skewed: range = range(0)) -> None:
        """symmetric: a symbol and its negative count as one half each, but for rows that are `skewed`."""
        self.first_row = first_row
        self._symmetric = symmetric
        self._skewed = skewed
        self._rows = rows
        self._counts = [np.zeros(frequencies.size) for frequencies in rows.frequencies]
        self._pending = [np.zeros(frequencies.size) for frequencies in rows.frequencies]

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16]) -> bytes:
        """Count symbols (n,) with their rows (n,)."""
        for r in np.unique(row[row >= self.first_row]).tolist():
            bound = self._rows.bound(r)
            values = symbols[row == r].astype(np.int64)
            inside = values[np.abs(values) <= bound]
            counted = np.bincount(inside + bound, minlength=2 * bound + 2).astype(np.float64)
            if self._symmetric and r not in self._skewed:
                counted[:-1] = (counted[:-1] + counted[-2::-1]) / 2
            counted[-1] = values.size - inside.size
            self._pending[r] += counted
        return b""

    def weigh(self) -> None:
        """End a portion: what was counted since the last one weighs as much as any other portion, by its bits."""
        bits = sum(float(counted @ self._rows.bits(r)) for r, counted in enumerate(self._pending))
        for total, counted in zip(self._counts, self._pending, strict=True):
            total += counted * (_PORTION_BITS / max(bits, 1.0))
            counted[:] = 0.0

    def fitted(self) -> Rows:
        """Rows in proportion to the counts. Rows that were never coded stay as they are."""
        return Rows(
            tuple(
                integer_row(counts + _PRIOR_SYMBOLS * frequencies / frequencies.sum()) if counts.any() else frequencies
                for counts, frequencies in zip(self._counts, self._rows.frequencies, strict=True)
            )
        )
