"""Integer probability rows: zero-mean Gaussians of 64 standard deviations with an escape.

Row r of `gaussian_rows` has entries for -bound..bound, then one for the escape; every entry is at least 1 and they sum
to exactly 2**16. The rows are made once, stored with a model and never computed again: a decoder reads integers.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .fixed import SCALE_MAX, SCALE_MIN, SCALE_ROWS

TOTAL = 2**16
MAX_BOUND = 4095
_BOUND_SIGMAS = 5.0
_LEAST_BOUND = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """Checked rows. `frequencies[r]` is int64 with 2 * bound + 2 entries."""

    frequencies: tuple[npt.NDArray[np.int64], ...]

    def __post_init__(self) -> None:
        for index, row in enumerate(self.frequencies):
            if row.ndim != 1 or row.size < 4 or row.size % 2 or row.size > 2 * MAX_BOUND + 2:
                raise ValueError(f"probability row {index} has {row.size} entries")
            if int(row.min()) < 1 or int(row.sum()) != TOTAL:
                raise ValueError(f"probability row {index} is not positive with sum {TOTAL}")

    def __len__(self) -> int:
        return len(self.frequencies)

    def bound(self, row: int) -> int:
        """Largest magnitude coded without an escape."""
        return self.frequencies[row].size // 2 - 1

    def bits(self, row: int) -> npt.NDArray[np.float64]:
        """Ideal code length of each entry, in bits."""
        return 16 - np.log2(self.frequencies[row])

    def pack(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """All entries in one array and the number of entries of each row: how a model file stores them."""
        sizes = np.array([row.size for row in self.frequencies], dtype=np.int32)
        return np.concatenate(self.frequencies).astype(np.int32), sizes

    @classmethod
    def unpack(cls, entries: npt.NDArray[np.int32], sizes: npt.NDArray[np.int32], count: int) -> "Rows":
        """Inverse of `pack`, for `count` rows. Raises ValueError when they disagree or a row is not valid."""
        if sizes.size != count or int(sizes.sum()) != entries.size or int(sizes.min()) < 1:
            raise ValueError("probability rows and their sizes disagree")
        parts = np.split(entries.astype(np.int64), np.cumsum(sizes)[:-1])
        return cls(tuple(parts))


def gaussian_rows() -> Rows:
    """Rows for standard deviations geometric from SCALE_MIN to SCALE_MAX."""
    ratio = (SCALE_MAX / SCALE_MIN) ** (1 / (SCALE_ROWS - 1))
    return Rows(tuple(_gaussian_row(SCALE_MIN * ratio**r) for r in range(SCALE_ROWS)))


def _gaussian_row(scale: float) -> npt.NDArray[np.int64]:
    bound = max(_LEAST_BOUND, math.ceil(_BOUND_SIGMAS * scale))
    below = [_upper_tail((0.5 - k) / scale) for k in range(-bound, bound + 2)]  # mass under k - 1/2
    return integer_row(np.append(np.diff(below), 2 * _upper_tail((bound + 0.5) / scale)))


def integer_row(mass: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Frequencies of 1 or more with the sum TOTAL, in proportion to probabilities of symbols and escape."""
    # One for every entry, the rest by largest remainder; ties go to the smaller index.
    share = mass / mass.sum() * (TOTAL - mass.size)
    row: npt.NDArray[np.int64] = np.floor(share).astype(np.int64)
    order = np.argsort(row - share, kind="stable")
    row[order[: TOTAL - mass.size - int(row.sum())]] += 1
    return row + np.int64(1)


def _upper_tail(x: float) -> float:
    return 0.5 * math.erfc(x / math.sqrt(2))
