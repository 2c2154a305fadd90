"""Prediction of a frame from one decoded frame, or from two at once: one earlier, one later.

Each block of a frame between two others takes the mean of what both say, or only one (bidirectional prediction, as
since MPEG-1). Where it takes both, how far they differ says how much the mean can be trusted; transforms see that too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .colour import Colours
from .motion import BLOCK, Reference, predict_planes, spread_over

BOTH, FIRST, SECOND = 0, 1, -1  # what a block of a frame between two others is predicted from

PlaneReferences = tuple[Reference, Reference, Reference]


@dataclass(frozen=True, slots=True)
class Motion:
    """Vectors int64 (B, 2, h, w) into each reference; with two, `modes` int64 (B, h, w) are BOTH, FIRST, SECOND."""

    vectors: tuple[Tensor, ...]
    modes: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """rgb (B, 3, H, W), and the difference of the two predictions where both are used; None with one reference."""

    rgb: Tensor
    difference: Tensor | None = None

    def part(self, box: tuple[slice, slice], laid_out: Callable[[Tensor], Tensor]) -> "Prediction":
        """Of some rows and columns."""
        difference = None if self.difference is None else laid_out(self.difference[:, :, *box])
        return Prediction(laid_out(self.rgb[:, :, *box]), difference)


def references_of(planes: tuple[Tensor, Tensor]) -> PlaneReferences:
    """Planes (B, 1, H, W) and (B, 2, H', W'), each with samples between pixels."""
    luma, chroma = planes
    return Reference(luma), Reference(chroma[:, :1]), Reference(chroma[:, 1:])


def predicted(references: Sequence[PlaneReferences], motion: Motion, colours: Colours) -> Prediction:
    """What the references, moved, make of a frame. As many references as `motion` has vectors."""
    moved = [
        predict_planes(luma, chroma, vectors, colours.halved)
        for (luma, *chroma), vectors in zip(references, motion.vectors, strict=True)
    ]
    if motion.modes is None:
        return Prediction(colours.to_rgb(*moved[0]))
    share = torch.tensor([0.5, 1.0, 0.0], device=motion.modes.device)[motion.modes]  # of the first
    luma_share = spread_over(share, (BLOCK, BLOCK))
    down, across = colours.halved
    chroma_share = spread_over(share, (BLOCK // (1 + down), BLOCK // (1 + across)))
    first, second = moved
    luma = torch.lerp(second[0], first[0], luma_share)
    chroma = torch.lerp(second[1], first[1], chroma_share)
    difference = colours.to_rgb(*first) - colours.to_rgb(*second)
    return Prediction(colours.to_rgb(luma, chroma), difference * (4 * luma_share * (1 - luma_share)))
