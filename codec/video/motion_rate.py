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
from .mixture import BOTH, Motion
from .motion import Reference

SWEEPS = 6


@dataclass(frozen=True, slots=True)
class MotionBits:
    """Bits of symbols by rows of the table: `entropy.vectors.motion_bits`."""

    table: npt.NDArray[np.float32]


def cheapest(
    whole: Tensor,
    references: Sequence[Reference],
    found: Sequence[Motion],
    bits: MotionBits,
    bit_cost: float | Tensor,
    base: Sequence[Tensor] | None = None,
) -> tuple[Motion, Tensor]:
    """Motion of luminance (B, 1, 16 h, 16 w) from one reference or two: where the best of some starts leads to.

    These are what was found, no motion, and `base`: vectors that are expected, if there are any. The second result
    (B,) says where vectors are coded as what they are beyond it.
    """
    still = torch.zeros_like(found[0].vectors[0])
    modes = None if found[0].modes is None else torch.full_like(found[0].modes, BOTH)
    ends = [
        settled(whole, references, start, bits, bit_cost)
        for start in (*found, Motion((still,) * len(references), modes))
    ]
    plain = len(ends)
    if base is not None:
        ends += [
            settled(whole, references, start, bits, bit_cost, base) for start in (*found, Motion(tuple(base), modes))
        ]
    best = torch.stack([cost for _, cost in ends]).argmin(0)  # (B,)

    def taken(parts: Sequence[Tensor]) -> Tensor:
        return torch.stack([parts[int(which)][n] for n, which in enumerate(best)])

    motions = [motion for motion, _ in ends]
    vectors = tuple(taken(fields) for fields in zip(*(motion.vectors for motion in motions), strict=True))
    own_modes = [motion.modes for motion in motions if motion.modes is not None]
    return Motion(vectors, taken(own_modes) if own_modes else None), best >= plain


def settled(
    whole: Tensor,
    references: Sequence[Reference],
    motion: Motion,
    bits: MotionBits,
    bit_cost: float | Tensor,
    base: Sequence[Tensor] | None = None,
) -> tuple[Motion, Tensor]:
    """Motion that costs no more, and what it costs, (B,); with a base, what vectors are beyond it is coded."""
    grid = grid_of(*motion.vectors[0].shape[2:])
    first = (0, 0) if motion.modes is None else (VECTOR_ROWS, 2 * VECTOR_ROWS)
    vectors, modes, cost = settle(
        whole,
        [reference.samples for reference in references],
        bit_cost,
        motion.vectors,
        motion.modes,
        (grid.order, grid.level, grid.around, grid.start, grid.dependents),
        bits.table,
        (*first, MODE_ROW),
        SWEEPS,
        base,
    )
    return Motion(vectors, modes), cost
