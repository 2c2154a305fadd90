"""Motion as symbols: from a thin grid to the full one, each vector from its neighbours on the thinner grid.

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
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .exchange import Symbols
from .tables import Rows, integer_row

Vectors = npt.NDArray[np.int32]
Modes = npt.NDArray[np.int32]
Used = npt.NDArray[np.bool_]

LIMIT = 2**13  # of a component, in quarter pixels
_FIRST_STRIDE = 8
_SPREADS = (0, 1, 2, 4, 8, 16, 32)  # a row for what is at most so much, and one for the rest
_LEVELS = 3
_SEEN = 3  # what the difference of the other component says: none, one, more
VECTOR_ROWS = 1 + _LEVELS * (len(_SPREADS) + 1) * (1 + _SEEN)
FIELDS = 3  # kinds of fields with rows of their own: to the only reference, to the earlier of two, to the later
MODE_ROW = FIELDS * VECTOR_ROWS
EXPECTED_ROW = MODE_ROW + 1 + 25  # with one reference, and the next one with two
ROW_COUNT = EXPECTED_ROW + 2
BOUND = 64  # of symbols that rows are made for
_ESCAPE_BITS = 16
_DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_CROSS = ((0, -1), (0, 1), (-1, 0), (1, 0))


class Coding(Protocol):
    """One side of the coder: what codes symbols (n,) by their rows (n,), which count from 0, and returns them."""

    def __call__(self, row: npt.NDArray[np.int16], wanted: Symbols | None, /) -> Symbols: ...


def encode_vectors(vectors: Vectors, coding: Coding, used: Used | None = None) -> Vectors:
    """Vectors (2, h, w), of (y, x). Of those that are not used (h, w) nothing is coded: they come back as predicted."""
    vectors = vectors.copy()
    _walk_vectors(vectors, coding, True, used)
    return vectors


def decode_vectors(size: tuple[int, int], coding: Coding, used: Used | None = None) -> Vectors:
    """Vectors (2, h, w) of (h, w) = size."""
    vectors = np.zeros((2, *size), np.int32)
    _walk_vectors(vectors, coding, False, used)
    return vectors


def encode_modes(modes: Modes, coding: Coding) -> None:
    """Modes (h, w), each -1, 0 or 1."""
    _walk_modes(modes[None].astype(np.int32), coding, True)


def decode_modes(size: tuple[int, int], coding: Coding) -> Modes:
    """Modes (h, w) = size."""
    modes = np.zeros((1, *size), np.int32)
    _walk_modes(modes, coding, False)
    found: Modes = modes[0]
    return found


def _walk_vectors(vectors: Vectors, coding: Coding, known: bool, used: Used | None) -> None:
    if used is None:
        used = np.ones(vectors.shape[1:], bool)
    thin = (slice(None, None, _FIRST_STRIDE),) * 2
    for plane in vectors:
        plane[thin] = _coded(plane[thin].reshape(-1), 0, np.zeros(plane[thin].size, np.intp), used[thin].reshape(-1),
                             coding, known).reshape(plane[thin].shape)  # fmt: skip
    for group in _groups(vectors.shape[1], vectors.shape[2]):
        around = group.around(vectors)  # (4, 2, n)
        predicted = _middle(around)
        spread = (around.max(0) - around.min(0)).sum(0)
        context = group.level * (len(_SPREADS) + 1) + np.searchsorted(_SPREADS, spread)
        there = used[group.rows, group.columns]
        seen = np.zeros_like(context)
        for axis in (0, 1):
            row = 1 + (context if not axis else (1 + seen) * (_LEVELS * (len(_SPREADS) + 1)) + context)
            own = vectors[axis][group.rows, group.columns]
            values = _coded(own, predicted[axis], row, there, coding, known)
            vectors[axis][group.rows, group.columns] = values
            seen = np.minimum(np.abs(values - predicted[axis]), _SEEN - 1)


def _coded(
    values: Vectors, predicted: Vectors | int, row: npt.NDArray[np.intp], used: Used, coding: Coding, known: bool
) -> Vectors:
    """Values (n,) after coding; where they are not used, as predicted."""
    difference = np.zeros(values.shape, np.int32)
    if used.any():
        wanted = (values - predicted)[used].astype(np.int16) if known else None
        difference[used] = coding(row[used].astype(np.int16), wanted)
    coded: Vectors = np.clip(predicted + difference, -LIMIT, LIMIT)
    return coded


def _walk_modes(modes: Vectors, coding: Coding, known: bool) -> None:
    """Each by how many of its four neighbours are 1, and how many -1."""
    thin = modes[0, ::_FIRST_STRIDE, ::_FIRST_STRIDE]
    row = np.full(thin.size, MODE_ROW, np.int16)
    thin[:] = coding(row, thin.reshape(-1).astype(np.int16) if known else None).reshape(thin.shape)
    for group in _groups(modes.shape[1], modes.shape[2]):
        around = group.around(modes)[:, 0]
        ones, others = ((around == mode).sum(0) for mode in (1, -1))
        row = (MODE_ROW + 1 + 5 * ones + others).astype(np.int16)
        own = modes[0][group.rows, group.columns]
        modes[0][group.rows, group.columns] = coding(row, own.astype(np.int16) if known else None)
    np.clip(modes, -1, 1, out=modes)  # a damaged file may hold anything


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


@dataclass(frozen=True, slots=True)
class Grid:
    """Blocks (h, w), numbered row by row, as vectors are coded: int32.

    `order` (n,) of coding; of each block its `level` (n,), -1 in the first group, the four it is predicted from,
    `around` (n, 4), and those that are predicted from it: `dependents` from `start[k]` to before `start[k + 1]`.
    """

    order: npt.NDArray[np.int32]
    level: npt.NDArray[np.int32]
    around: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    dependents: npt.NDArray[np.int32]


@lru_cache(maxsize=8)
def grid_of(height: int, width: int) -> Grid:
    """The grid of a size."""
    number = np.arange(height * width, dtype=np.int32).reshape(1, height, width)
    order = [number[0, ::_FIRST_STRIDE, ::_FIRST_STRIDE].reshape(-1)]
    level = np.full(number.size, -1, np.int32)
    around = np.zeros((number.size, 4), np.int32)
    pairs: list[Vectors] = [np.zeros((0, 2), np.int32)]  # (who, whom it is predicted from)
    for group in _groups(height, width):
        own = number[0, group.rows, group.columns]
        order.append(own)
        level[own] = group.level
        around[own] = group.around(number)[:, 0].T
        pairs.append(np.stack([np.repeat(own, 4), around[own].reshape(-1)], 1))
    who, whom = np.unique(np.concatenate(pairs), axis=0).T
    sorting = np.argsort(whom, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(whom, minlength=number.size))]).astype(np.int32)
    return Grid(np.concatenate(order), level, around, start, np.ascontiguousarray(who[sorting]))


def motion_bits(rows: Rows, first_row: int) -> npt.NDArray[np.float32]:
    """Bits (ROW_COUNT, 2 * BOUND + 2) of symbols -BOUND ... BOUND, then of others, by the rows from first_row on."""
    table = np.empty((ROW_COUNT, 2 * BOUND + 2), np.float32)
    for own, row in zip(table, range(first_row, first_row + ROW_COUNT), strict=True):
        bits, bound = rows.bits(row), rows.bound(row)
        own[:] = bits[-1] + _ESCAPE_BITS
        least = min(bound, BOUND)
        own[BOUND - least : BOUND + least + 1] = bits[bound - least : bound + least + 1]
    return table


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
    scales *= FIELDS
    values = np.abs(np.arange(-BOUND, BOUND + 1))
    mass = [np.append(np.exp(-values / scale), np.exp(-BOUND / scale)) for scale in scales]
    mass += [np.array([0.1, 1.0, 0.1, 1e-4])] * (EXPECTED_ROW - MODE_ROW)
    mass += [np.array([1e-4, 1.0, 1.0, 1e-4])] * (ROW_COUNT - EXPECTED_ROW)
    return Rows(tuple(integer_row(m.astype(np.float64)) for m in mass))
