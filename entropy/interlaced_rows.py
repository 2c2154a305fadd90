"""Probability rows of lossless coding: 64 scales, each at four fractions of the mean; and which row a sample has.

The mean of a sample is a whole number m, which its symbol counts from, and a fraction in [-1/2, 1/2), of which a
quarter is told apart. Samples of more than 8 bits have means and scales that are larger by so many octaves: where the
scale is beyond the last, the lowest bits of symbols are coded as they are.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .band import rows_of
from .exact import Kernels
from .fixed import MEAN_BITS, SCALE_MAX, SCALE_MIN, SCALE_ROWS
from .tables import Rows, integer_row

FRACTIONS = 4
ROW_COUNT = FRACTIONS * SCALE_ROWS
COARSE_ROW = 53  # of the samples of the coarsest level, whose mean is zero: a scale of 70
OCTAVE_ROWS = (0, 6, 11, 17, 23, 28, 34, 39, 45)  # rows that so many octaves are

_BOUND_SIGMAS = 7.0
_LEAST_BOUND = 4
_LOGISTIC_SHARE = math.sqrt(3) / math.pi


@dataclass(frozen=True, slots=True)
class Placed:
    """Of some samples (n,): the whole numbers that symbols count from, rows, and how many low bits are uniform."""

    whole: npt.NDArray[np.int32]
    row: npt.NDArray[np.int16]
    low_bits: npt.NDArray[np.int16]


def scale_row(log_scale: Tensor, depth: int, kernels: Kernels) -> Tensor:
    """Row among scales, which may be beyond SCALE_ROWS, of integer log-scales with MEAN_BITS places."""
    return rows_of(log_scale, kernels) + OCTAVE_ROWS[depth - 8]


def place(mean: Tensor, scale: Tensor) -> Placed:
    """mean: integers (n,) with MEAN_BITS places; scale: of `scale_row`."""
    means = mean.to(torch.int64).cpu().numpy()
    scales = scale.to(torch.int64).cpu().numpy()
    half = 1 << (MEAN_BITS - 1)
    whole = (means + half) >> MEAN_BITS
    low_bits = np.searchsorted(np.array(OCTAVE_ROWS[:-1]) + SCALE_ROWS, scales, side="right")
    fraction = (((means - (whole << MEAN_BITS)) >> low_bits) + half) * FRACTIONS >> MEAN_BITS
    row = FRACTIONS * (scales - np.array(OCTAVE_ROWS)[low_bits]) + fraction
    return Placed(whole.astype(np.int32), row.astype(np.int16), low_bits.astype(np.int16))


def logistic_rows() -> Rows:
    """Rows of logistic distributions, to begin with: standard deviations geometric from SCALE_MIN to SCALE_MAX."""
    ratio = (SCALE_MAX / SCALE_MIN) ** (1 / (SCALE_ROWS - 1))
    return Rows(
        tuple(
            _logistic_row(SCALE_MIN * ratio**scale, (fraction + 0.5) / FRACTIONS - 0.5)
            for scale in range(SCALE_ROWS)
            for fraction in range(FRACTIONS)
        )
    )


def _logistic_row(scale: float, mean: float) -> npt.NDArray[np.int64]:
    bound = max(_LEAST_BOUND, math.ceil(_BOUND_SIGMAS * scale))
    edges = (np.arange(-bound, bound + 2) - 0.5 - mean) / (scale * _LOGISTIC_SHARE)
    below = 1 / (1 + np.exp(-np.clip(edges, -500, 500)))
    return integer_row(np.append(np.diff(below), below[0] + 1 - below[-1]))
