"""Motion against its real bits: vectors and modes that cost less, weighed with the differences they leave.

A search knows vectors beside their neighbours; a coder codes them from a thin grid to the full one, with rows of a
table that depend on how much the neighbours differ. So each block is visited in the order of coding, a few times, and
takes, of some candidates, the one that is cheapest with its own bits and those of all blocks that are predicted from
it: iterated conditional modes (Besag, "On the statistical analysis of dirty pictures", 1986).

Candidates are all modes, with each vector as it is or as it is predicted; then for the vectors in use those of the four
blocks beside it, the prediction, zero, and the eight a quarter pixel away. tests/plain_motion_rate.py says it in plain
Python, which takes seconds a frame: so this needs the extension in C.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...entropy.vectors import MODE_ROW, VECTOR_ROWS, grid_of
from ...kernels.block_matching import settle
from .mixture import Motion
from .motion import Reference

SWEEPS = 6


@dataclass(frozen=True, slots=True)
class MotionBits:
    """Bits of symbols by rows of the table: `entropy.vectors.motion_bits`."""

    table: npt.NDArray[np.float32]


def cheapest(
    whole: Tensor,
    references: Sequence[Reference],
    starts: Sequence[Motion],
    bits: MotionBits,
    bit_cost: float | Tensor,
    side: int,
) -> Motion:
    """Motion of luminance (B, 1, side h, side w) from one reference or two: where the best of the starts leads to."""
    found = [settled(whole, references, start, bits, bit_cost, side) for start in starts]
    best = torch.stack([cost for _, cost in found]).argmin(0)  # (B,)

    def taken(parts: Sequence[Tensor]) -> Tensor:
        return torch.stack([parts[int(which)][n] for n, which in enumerate(best)])

    motions = [motion for motion, _ in found]
    vectors = tuple(taken(fields) for fields in zip(*(motion.vectors for motion in motions), strict=True))
    modes = [motion.modes for motion in motions if motion.modes is not None]
    return Motion(vectors, taken(modes) if modes else None)


def settled(
    whole: Tensor,
    references: Sequence[Reference],
    motion: Motion,
    bits: MotionBits,
    bit_cost: float | Tensor,
    side: int,
) -> tuple[Motion, Tensor]:
    """Motion that costs no more, and what it costs, (B,)."""
    grid = grid_of(*motion.vectors[0].shape[2:])
    first = (0, 0) if motion.modes is None else (VECTOR_ROWS, 2 * VECTOR_ROWS)
    *moved, cost = settle(
        whole,
        [reference.samples for reference in references],
        bit_cost,
        side,
        motion.vectors,
        motion.modes,
        (grid.order, grid.level, grid.around, grid.start, grid.dependents),
        bits.table,
        (*first, MODE_ROW),
        SWEEPS,
    )
    return Motion(*moved), cost
