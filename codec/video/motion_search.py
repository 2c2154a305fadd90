"""Which vectors to code: a search over whole fields of candidates, block by block the best.

The cost of a vector is the absolute difference over its block and a little around it, and what it takes to code it
beside its neighbours. First every whole displacement of a coarse copy, then candidates at full size: those of the
neighbours, and steps around the best so far, ever smaller.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .motion import BLOCK, UNITS, Reference

_COARSE = 4  # pixels to one of the coarse copy
_COARSE_RANGE = 7  # of its pixels, so 28 pixels either way
_MARGIN = 4  # pixels around a block that count too
_ROUNDS = ((4, 1), (4, 1), (2, 1), (1, 1), (1, 1))  # step of the candidates in quarter pixels, and times


def search(current: Tensor, reference_plane: Tensor, reference: Reference, bit_cost: float) -> Tensor:
    """Vectors int64 (B, 2, h, w) from luminance (B, 1, H, W) to a reference, which is the plane as it is, and prepared.

    bit_cost: what a bit weighs against a sum of absolute differences.
    """
    size = -(-current.shape[2] // BLOCK), -(-current.shape[3] // BLOCK)
    start = _coarse(current, reference_plane, size, bit_cost)
    field = _Field(current, reference, size, bit_cost)
    zero = torch.zeros_like(start)
    best = field.better(zero, field.cost(zero), start)
    for step, times in _ROUNDS:
        for _ in range(times):
            best = field.refined(*best, step)
    return best[0]


class _Field:
    """Luminance (B, 1, H, W) and where it may come from: costs of vectors, block by block."""

    def __init__(self, current: Tensor, reference: Reference, size: tuple[int, int], bit_cost: float) -> None:
        self._current, self._reference, self._size, self._bit_cost = current[:, 0], reference, size, bit_cost
        height, width = current.shape[2:]
        self._rows = torch.arange(height, device=current.device) // BLOCK
        self._columns = torch.arange(width, device=current.device) // BLOCK

    def difference(self, vectors: Tensor) -> Tensor:
        """Sums of absolute differences (B, h, w) over every block."""
        steps = self._reference.steps(vectors, (BLOCK, BLOCK))
        dense = steps.index_select(1, self._rows).index_select(2, self._columns)
        return _sums(self._reference.at(dense).sub_(self._current).abs_(), BLOCK, 0, self._size)

    def cost(self, vectors: Tensor) -> Tensor:
        return self.difference(vectors) + self._bit_cost * _bits(vectors, vectors)

    def better(self, vectors: Tensor, cost: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """What is cheaper of two, given the vectors around: new vectors and their cost."""
        cost_there = self.difference(other) + self._bit_cost * _bits(other, vectors)
        chosen = cost_there < cost
        return torch.where(chosen[:, None], other, vectors), torch.where(chosen, cost_there, cost)

    def refined(self, vectors: Tensor, cost: Tensor, step: int) -> tuple[Tensor, Tensor]:
        for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            vectors, cost = self.better(vectors, cost, _shifted(vectors, *shift))
        vectors, cost = self.better(vectors, cost, _median(vectors))
        vectors, cost = self.better(vectors, cost, torch.zeros_like(vectors))
        for y in (-step, 0, step):
            for x in (-step, 0, step):
                if y or x:
                    move = torch.tensor([y, x], device=vectors.device)[:, None, None]
                    vectors, cost = self.better(vectors, cost, vectors + move)
        cost = self.cost(vectors)  # the neighbours have changed
        return vectors, cost


def _coarse(current: Tensor, plane: Tensor, size: tuple[int, int], bit_cost: float) -> Tensor:
    """Whole steps of the coarse copy, in quarter pixels."""
    now, then = (F.avg_pool2d(p, _COARSE, ceil_mode=True, count_include_pad=False) for p in (current, plane))
    reach = _COARSE_RANGE
    padded = F.pad(then, (reach, reach, reach, reach), mode="replicate")
    height, width = now.shape[2:]
    costs, moves = [], []
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            there = padded[:, 0, reach + y : reach + y + height, reach + x : reach + x + width]
            sums = _sums((there - now[:, 0]).abs(), BLOCK // _COARSE, 1, size) * _COARSE**2
            costs.append(sums + bit_cost * 2 * (2 + abs(y) + abs(x)) ** 0.5)
            moves.append((y, x))
    best = torch.stack(costs).argmin(0)
    table = torch.tensor(moves, device=current.device) * _COARSE * UNITS
    return table[best].permute(0, 3, 1, 2)


def _sums(difference: Tensor, block: int, margin: int, size: tuple[int, int]) -> Tensor:
    """(B, H, W) -> (B, h, w): sums over blocks and a margin around them."""
    height, width = difference.shape[1:]
    below, right = size[0] * block - height, size[1] * block - width
    padded = F.pad(difference[:, None], (margin, right + margin, margin, below + margin))
    side = block + 2 * margin
    return F.avg_pool2d(padded, side, block)[:, 0] * side**2 * (block / side) ** 2


def _shifted(field: Tensor, y: int, x: int) -> Tensor:
    return torch.roll(field, (y, x), (2, 3))


def _median(field: Tensor) -> Tensor:
    padded = F.pad(field.float(), (1, 1, 1, 1), mode="replicate")
    around = torch.stack(
        [
            padded[:, :, 1 + y : 1 + y + field.shape[2], 1 + x : 1 + x + field.shape[3]]
            for y, x in ((0, 1), (0, -1), (1, 0), (-1, 0), (0, 0))
        ]
    )
    return around.median(0).values.long()


def _bits(vectors: Tensor, around: Tensor) -> Tensor:
    """About what vectors take beside their neighbours (B, h, w)."""
    distance = (vectors - _median(around)).abs().sum(1).float()
    return 2 * torch.log2(1 + distance)
