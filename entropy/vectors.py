"""Motion vectors as symbols: from a thin grid to the full one, each from its neighbours on the thinner grid.

Every vector is predicted by the middle of four that are known, component by component, and how much these differ says
how wide the distribution of the difference is: its row of a table, counted on clips. All of it is integers, a few
array operations for a whole frame.

| group | rows | columns | neighbours |
|---|---|---|---|
| first | 0, 8, ... | 0, 8, ... | none |
| for s = 4, 2, 1: a | s, 3s, ... | s, 3s, ... | four diagonal ones at s |
| b | 0, 2s, ... | s, 3s, ... | left, right, above, below at s |
| c | s, 3s, ... | 0, 2s, ... | the same |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .exchange import Symbols
from .tables import Rows, integer_row

Vectors = npt.NDArray[np.int32]

LIMIT = 2**13  # of a component, in quarter pixels
_FIRST_STRIDE = 8
_SPREADS = (0, 1, 2, 4, 8, 16, 32)  # a row for what is at most so much, and one for the rest
_LEVELS = 3
_SEEN = 3  # what the difference of the other component says: none, one, more
ROW_COUNT = 1 + _LEVELS * (len(_SPREADS) + 1) * (1 + _SEEN)
_BOUND = 64
_DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_CROSS = ((0, -1), (0, 1), (-1, 0), (1, 0))


class Coding(Protocol):
    """One side of the coder: what codes differences (n,) by their rows (n,), which count from 0, and returns them."""

    def __call__(self, row: npt.NDArray[np.int16], wanted: Symbols | None, /) -> Symbols: ...


def encode_vectors(vectors: Vectors, coding: Coding) -> None:
    """Vectors (2, h, w), of (y, x)."""
    _walk(vectors.copy(), coding, True)


def decode_vectors(size: tuple[int, int], coding: Coding) -> Vectors:
    """Vectors (2, h, w) of (h, w) = size."""
    vectors = np.zeros((2, *size), np.int32)
    _walk(vectors, coding, False)
    return vectors


def _walk(vectors: Vectors, coding: Coding, known: bool) -> None:
    first = vectors[:, ::_FIRST_STRIDE, ::_FIRST_STRIDE]
    for plane in first:
        row = np.zeros(plane.size, np.int16)
        plane[:] = coding(row, plane.reshape(-1).astype(np.int16) if known else None).reshape(plane.shape)
    for group in _groups(vectors.shape[1], vectors.shape[2]):
        around = group.around(vectors)  # (4, 2, n)
        predicted = _middle(around)
        spread = (around.max(0) - around.min(0)).sum(0)
        context = group.level * (len(_SPREADS) + 1) + np.searchsorted(_SPREADS, spread)
        seen = np.zeros_like(context)
        for axis in (0, 1):
            row = 1 + (context if not axis else (1 + seen) * (_LEVELS * (len(_SPREADS) + 1)) + context)
            own = vectors[axis][group.rows, group.columns]
            wanted = (own - predicted[axis]).astype(np.int16) if known else None
            difference = coding(row.astype(np.int16), wanted).astype(np.int32)
            vectors[axis][group.rows, group.columns] = np.clip(predicted[axis] + difference, -LIMIT, LIMIT)
            seen = np.minimum(np.abs(difference), _SEEN - 1)


@dataclass(frozen=True, slots=True)
class _Group:
    level: int
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    stride: int
    directions: tuple[tuple[int, int], ...]

    def around(self, vectors: Vectors) -> Vectors:
        """The four neighbours (4, 2, n); where there is none, the first one, which always is."""
        height, width = vectors.shape[1:]
        found: list[Vectors] = []
        for y, x in self.directions:
            row, column = self.rows + y * self.stride, self.columns + x * self.stride
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            values = vectors[:, np.where(inside, row, 0), np.where(inside, column, 0)]
            found.append(np.where(inside, values, found[0]) if found else values)
        return np.stack(found)


def _groups(height: int, width: int) -> Iterator[_Group]:
    stride = _FIRST_STRIDE // 2
    for level in range(_LEVELS):
        odd, even = slice(stride, None, 2 * stride), slice(0, None, 2 * stride)
        for rows, columns, directions in (
            (odd, odd, _DIAGONAL),
            (even, odd, _CROSS),
            (odd, even, _CROSS[2:] + _CROSS[:2]),
        ):
            y, x = np.meshgrid(np.arange(height)[rows], np.arange(width)[columns], indexing="ij")
            if y.size:
                yield _Group(level, y.reshape(-1), x.reshape(-1), stride, directions)
        stride //= 2


def _middle(around: Vectors) -> Vectors:
    """The mean of the two in the middle, rounded down."""
    ordered = np.sort(around, axis=0)
    middle: Vectors = (ordered[1] + ordered[2]) >> 1
    return middle


def laplacian_rows() -> Rows:
    """Rows to begin with: the wider the spread, the wider the distribution."""
    scales = [8.0]
    for other in (1.0, 0.5, 1.0, 2.0):
        scales += [other * (0.3 + 0.4 * s) for _ in range(_LEVELS) for s in (*_SPREADS, 64)]
    values = np.abs(np.arange(-_BOUND, _BOUND + 1))
    mass = [np.append(np.exp(-values / scale), np.exp(-_BOUND / scale)) for scale in scales]
    return Rows(tuple(integer_row(m.astype(np.float64)) for m in mass))
