"""Search of motion vectors in C (`native/motion.h`): what `codec/video/motion_search.py` does field by field, at once.

A block that already differs too much is left early, and no field of candidates is ever in memory: NOTES.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .compiled import native

_DISTANCES = 4096  # of vectors, in quarter pixels, for which bits are tabulated


def is_compiled() -> bool:
    """Whether these are there."""
    return native is not None


@dataclass(frozen=True, slots=True)
class Samples:
    """A plane (H, W), continued by `border` on every side, at each quarter pixel: float32 (B, 16 * rows * columns)."""

    samples: Tensor
    rows: int
    columns: int
    height: int
    width: int
    border: int


class NativeField:
    """Luminance in blocks of 16, where it may come from, and the costs of vectors int64 (B, 2, h, w), of (y, x)."""

    def __init__(self, current: Tensor, there: Samples, bit_cost: float | Tensor) -> None:
        """current: float32 (B, 1, 16 h, 16 w). bit_cost: a number, or one for each plane (B, 1, 1)."""
        self._current, self._there = current.contiguous(), there
        self._bit_cost = torch.as_tensor(bit_cost, dtype=torch.float32).reshape(-1).expand(len(current)).contiguous()

    def cost(self, vectors: Tensor) -> Tensor:
        """Absolute differences, and what vectors take beside their neighbours: (B, h, w)."""
        cost = torch.empty(len(vectors), *vectors.shape[2:])
        self._call(_packed(vectors), cost, None, 0)
        return cost

    def better(self, vectors: Tensor, cost: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """What is cheaper of two, given the vectors around: new vectors and their cost."""
        return self._call(_packed(vectors), cost.clone(), _packed(other), 0)

    def refined(self, vectors: Tensor, cost: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The best among those around, their median, zero and the eight at a distance of `step`."""
        return self._call(_packed(vectors), cost.clone(), None, step)

    def _call(self, packed: Tensor, cost: Tensor, other: Tensor | None, step: int) -> tuple[Tensor, Tensor]:
        there, size = self._there, packed.shape[1:3]
        for n in range(len(packed)):
            native.field(
                len(native.SETS) - 1,
                self._current[n].data_ptr(), there.samples[n].data_ptr(), _bits().data_ptr(),
                *size, there.rows, there.columns, there.height, there.width, there.border,
                self._bit_cost[n].data_ptr(),
                packed[n].data_ptr(), cost[n].data_ptr(), 0 if other is None else other[n].data_ptr(), step,
            )  # fmt: skip
        return packed.permute(0, 3, 1, 2).long(), cost


def cheapest_moves(
    now: Tensor, then: Tensor, size: tuple[int, int], block: int, margin: int, reach: int, scale: float, extra: Tensor
) -> Tensor:
    """Of all moves of coarse planes (B, 1, H, W) the cheapest for each of the blocks (h, w) = size: int64 (B, h, w).

    Moves are counted row by row; `extra` (B, moves) is added to sums of absolute differences over a block and a margin
    around it, times `scale`. then: continued by `reach`.
    """
    best = torch.empty(len(now), *size, dtype=torch.int32)
    factor = torch.tensor(scale, dtype=torch.float32)
    now, then, extra = now.contiguous(), then.contiguous(), extra.float().contiguous()
    for n in range(len(now)):
        planes = now[n].data_ptr(), then[n].data_ptr(), *now.shape[2:]
        how = block, margin, reach, factor.data_ptr(), extra[n].data_ptr()
        native.coarse(len(native.SETS) - 1, *planes, *how, *size, best[n].data_ptr())
    return best.long()


def vector_bits(distance: Tensor) -> Tensor:
    """About what a vector takes whose parts are so far, together, from those around."""
    return 2 * torch.log2(1 + distance)


@cache
def _bits() -> Tensor:
    return vector_bits(torch.arange(_DISTANCES, dtype=torch.float32))


def _packed(vectors: Tensor) -> Tensor:
    """A copy, int32 (B, h, w, 2)."""
    return vectors.permute(0, 2, 3, 1).to(torch.int32, memory_format=torch.contiguous_format, copy=True)


def settle(
    current: Tensor,
    there: Sequence[Samples],
    bit_cost: float | Tensor,
    vectors: Sequence[Tensor],
    modes: Tensor | None,
    grid: Sequence[npt.NDArray[np.int32]],
    bits: npt.NDArray[np.float32],
    rows: tuple[int, int, int],
    sweeps: int,
    base: Sequence[Tensor] | None = None,
) -> tuple[tuple[Tensor, ...], Tensor | None, Tensor]:
    """Vectors (B, 2, h, w) and modes (B, h, w) as `codec/video/motion_rate.py` settles them, and what they cost (B,).

    grid: order, level, around, start and dependents of `entropy.vectors.Grid`; rows: the first ones of both fields
    and of modes in `bits`; base: the vectors that are expected, if not zero.
    """
    device, current = current.device, current.cpu().contiguous()
    costs = torch.as_tensor(bit_cost, dtype=torch.float32).cpu().reshape(-1).expand(len(current)).contiguous()
    bases = [_packed((torch.zeros_like(own) if base is None else base[n]).cpu()) for n, own in enumerate(vectors)]
    packed = [_packed(own.cpu()) - expected for own, expected in zip(vectors, bases, strict=True)]
    kept = None if modes is None else modes.cpu().to(torch.int32, copy=True).contiguous()
    samples, first = [own.samples.cpu() for own in there], there[0]
    tables = [array.ctypes.data for array in (*grid, bits)]
    total = torch.empty(len(current), dtype=torch.float64)
    for n in range(len(current)):
        total[n] = native.settle(
            len(native.SETS) - 1,
            current[n].data_ptr(), samples[0][n].data_ptr(), _bits().data_ptr(),
            *packed[0].shape[1:3], first.rows, first.columns, first.height, first.width, first.border,
            costs[n].data_ptr(),
            0 if kept is None else samples[-1][n].data_ptr(), *tables, *rows,
            packed[0][n].data_ptr(), packed[-1][n].data_ptr(), 0 if kept is None else kept[n].data_ptr(), sweeps,
            bases[0][n].data_ptr(), bases[-1][n].data_ptr(),
        )  # fmt: skip
    found = tuple((own + e).permute(0, 3, 1, 2).long().to(device) for own, e in zip(packed, bases, strict=True))
    return found, None if kept is None else kept.long().to(device), total
