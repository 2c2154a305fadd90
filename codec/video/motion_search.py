"""Which vectors to code: a search over whole fields of candidates, block by block the best.

The cost of a vector is the absolute difference over its block, and what it takes to code it beside its neighbours.
First every whole displacement of coarse copies, then candidates at full size: those of the neighbours, and steps around
the best so far, ever smaller. With two references, each alone first, then both so that their mean fits.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...entropy.threads import in_threads
from ...kernels.block_matching import NativeField, cheapest_moves, is_compiled, vector_bits
from .mixture import BOTH, FIRST, SECOND, Motion, PlaneReferences
from .motion import BLOCK, UNITS, Reference, predict
from .motion_rate import MotionBits, cheapest

# Coarse copies: pixels to one of theirs, of which moves are tried either way, and so many around a block count.
_COARSE = ((4, 7, 1), (8, 12, 2))
_MARGIN = 4  # pixels around a block that count too
_ROUNDS = ((4, 1), (4, 1), (2, 1), (1, 1), (1, 1))  # step of the candidates in quarter pixels, and times
_STARTS = (1.0, 2.5)  # what a bit weighs at first, against what it weighs in the end
_TOGETHER = (2, 1)  # the same for two vectors whose mean is to fit

# A number, or one for each frame (B, 1, 1).
BitCost = float | Tensor


def motion_between(
    current: Tensor, planes: Sequence[Tensor], references: Sequence[PlaneReferences], bit_cost: BitCost
) -> Motion:
    """Motion of luminance (B, 1, H, W) from one reference or two, each as it is and prepared.

    bit_cost: what a bit weighs against a sum of absolute differences.
    """
    lumas = [luma for luma, _, _ in references]
    if len(lumas) == 1:
        return Motion((search(current, planes[0], lumas[0], bit_cost),))
    return search_two(current, (planes[0], planes[1]), (lumas[0], lumas[1]), bit_cost)


def cheapest_motion(
    current: Tensor,
    planes: Sequence[Tensor],
    references: Sequence[PlaneReferences],
    bit_cost: BitCost,
    bits: MotionBits,
    base: Sequence[Tensor] | None = None,
) -> tuple[Motion, Tensor]:
    """The same, weighed with the bits that it takes; and for which frames (B,) the vectors of `base` are of use.

    Without kernels in C, which alone can weigh it, motion stays as it is found.
    """
    if not is_compiled():
        return motion_between(current, planes, references, bit_cost), torch.zeros(len(current), dtype=torch.bool)
    starts = [motion_between(current, planes, references, start * bit_cost) for start in _STARTS]
    whole = _whole(current, _size(current))
    return cheapest(whole, [luma for luma, _, _ in references], starts, bits, bit_cost, base)


def search(current: Tensor, reference_plane: Tensor, reference: Reference, bit_cost: BitCost) -> Tensor:
    """Vectors int64 (B, 2, h, w) to one reference; arguments as those of `motion_between`."""
    size = _size(current)
    field = _field(current, reference, size, bit_cost)
    zero = torch.zeros(current.shape[0], 2, *size, dtype=torch.int64, device=current.device)
    best = zero, field.cost(zero)
    for copy in _COARSE:
        best = field.better(*best, _coarse(current, reference_plane, size, bit_cost, *copy))
    for step, times in _ROUNDS:
        for _ in range(times):
            best = field.refined(*best, step)
    return best[0]


def search_two(
    current: Tensor, planes: tuple[Tensor, Tensor], references: tuple[Reference, Reference], bit_cost: BitCost
) -> Motion:
    """Vectors into two references, and which of them each block uses; arguments as those of `motion_between`.

    Each alone first, then one after the other so that the mean of both fits.
    """
    size = _size(current)
    pairs = zip(planes, references, strict=True)
    alone = in_threads(lambda pair: search(current, *pair, bit_cost), pairs, current.device)
    moved = [predict(reference, vectors) for reference, vectors in zip(references, alone, strict=True)]
    single = [_difference(part, current, size) for part in moved]
    together = list(alone)
    for own in (1, 0):
        # |current - mean| is half of |wanted - own part|.
        field = _field(2 * current - moved[1 - own], references[own], size, 2 * bit_cost)
        best = together[own], field.cost(together[own])
        for step in _TOGETHER:
            best = field.refined(*best, step)
        together[own] = best[0]
        moved[own] = predict(references[own], together[own])
    both = _difference((moved[0] + moved[1]) / 2, current, size)
    costs = [both + bit_cost * (1 + sum(_bits(vectors, vectors) for vectors in together))]
    costs += [
        difference + bit_cost * (3 + _bits(vectors, vectors)) for difference, vectors in zip(single, alone, strict=True)
    ]
    modes = torch.tensor([BOTH, FIRST, SECOND], device=current.device)[torch.stack(costs).argmin(0)]
    first, second = (torch.where((modes == BOTH)[:, None], *pair) for pair in zip(together, alone, strict=True))
    return Motion((first, second), modes)


def _size(current: Tensor) -> tuple[int, int]:
    return -(-current.shape[2] // BLOCK), -(-current.shape[3] // BLOCK)


def _difference(predicted: Tensor, current: Tensor, size: tuple[int, int]) -> Tensor:
    """Sums of absolute differences (B, h, w), a little around each block included."""
    return _sums((predicted - current).abs()[:, 0], BLOCK, _MARGIN, size)


def _in_c(plane: Tensor) -> bool:
    """Whether a plane is searched by kernels in C."""
    return is_compiled() and plane.device.type == "cpu"


def _whole(current: Tensor, size: tuple[int, int]) -> Tensor:
    """Continued to whole blocks."""
    below, right = (BLOCK * n - side for n, side in zip(size, current.shape[2:], strict=True))
    return F.pad(current, (0, right, 0, below), mode="replicate")


def _field(current: Tensor, reference: Reference, size: tuple[int, int], bit_cost: BitCost) -> "_Field | NativeField":
    whole = _whole(current, size)
    if _in_c(current):
        return NativeField(whole, reference.samples, bit_cost)
    return _Field(whole, reference, size, bit_cost)


class _Field:
    """As `NativeField`, by operations of PyTorch, and what it is held to."""

    def __init__(self, current: Tensor, reference: Reference, size: tuple[int, int], bit_cost: BitCost) -> None:
        self._reference, self._bit_cost = reference, bit_cost
        self._current = current.view(-1, size[0], BLOCK, size[1], BLOCK)

    def difference(self, vectors: Tensor) -> Tensor:
        """Sums of absolute differences (B, h, w) over every block."""
        block = BLOCK, BLOCK
        found = self._reference.blocks(self._reference.steps(vectors, block), block)
        return found.sub_(self._current).abs_().sum((2, 4))

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


def _coarse(
    current: Tensor, plane: Tensor, size: tuple[int, int], bit_cost: BitCost, scale: int, reach: int, margin: int
) -> Tensor:
    """Whole steps of a coarse copy, in quarter pixels."""
    now, then = (F.avg_pool2d(p, scale, ceil_mode=True, count_include_pad=False) for p in (current, plane))
    padded = F.pad(then, (reach, reach, reach, reach), mode="replicate")
    moves = torch.tensor([(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)])
    extra = torch.as_tensor(bit_cost).reshape(-1, 1) * 2 * (2 + moves.abs().sum(1)) ** 0.5  # (B or 1, moves)
    extra = extra.to(current.device).expand(len(now), -1)
    if _in_c(current):
        best = cheapest_moves(now, padded, size, BLOCK // scale, margin, reach, scale**2 * _share(scale, margin), extra)
    else:
        height, width = now.shape[2:]
        costs = []
        for n, (y, x) in enumerate((moves + reach).tolist()):
            difference = (padded[:, 0, y : y + height, x : x + width] - now[:, 0]).abs()
            sums = _sums(difference, BLOCK // scale, margin, size) * scale**2
            costs.append(sums + extra[:, n, None, None])
        best = torch.stack(costs).argmin(0)
    return (moves.to(current.device) * scale * UNITS)[best].permute(0, 3, 1, 2)


def _share(scale: int, margin: int) -> float:
    """Of a block with a margin around it, what is the block."""
    block = BLOCK // scale
    return (block / (block + 2 * margin)) ** 2


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
    return vector_bits((vectors - _median(around)).abs().sum(1).float())
