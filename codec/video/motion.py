"""Motion-compensated prediction: decoded planes moved by one vector for every 16x16 pixels of luminance.

Vectors count quarter pixels. Samples between pixels come from the DCT-based filters of HEVC (Ugur et al., "Motion
compensated prediction and interpolation filter design in H.265/HEVC", 2013), in floating point. Blocks overlap: every
pixel is a mixture of what the vectors of the four nearest blocks say (Orchard and Sullivan, "Overlapped block motion
compensation", 1994), so that a prediction has no edges of blocks.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 16  # pixels of luminance to a side, for which there is one vector
UNITS = 4  # of a vector to a pixel
_TAPS = 8
_BORDER = 2 * BLOCK  # pixels that a plane is continued by on each side; nothing further out is ever looked at


class Reference:
    """A decoded plane (B, 1, H, W), continued beyond its borders, with samples at every quarter pixel."""

    def __init__(self, plane: Tensor) -> None:
        self.batch, _, self.height, self.width = plane.shape
        self._rows, self._columns = self.height + 2 * _BORDER, self.width + 2 * _BORDER
        self._samples = _phases(plane[:, 0]).flatten(1)  # (B, UNITS * UNITS * rows * columns)
        y = torch.arange(self.height, device=plane.device)[:, None] + _BORDER
        x = torch.arange(self.width, device=plane.device) + _BORDER
        self._places = y * self._columns + x

    def steps(self, vectors: Tensor, block: tuple[int, int]) -> Tensor:
        """By how much what vectors (B, 2, h, w) point to lies further in the store: (B, h, w)."""
        whole = vectors.div(UNITS, rounding_mode="floor")
        y, x = (vectors - UNITS * whole).unbind(1)
        down, across = (
            _within(whole[:, axis], axis + 1, side, size)
            for axis, (side, size) in enumerate(zip(block, (self.height, self.width), strict=True))
        )
        return ((UNITS * y + x) * self._rows + down) * self._columns + across

    def at(self, steps: Tensor) -> Tensor:
        """Samples (B, H, W), each so many steps (B, H, W) after the pixel at its place."""
        return self._samples.gather(1, (self._places + steps).flatten(1)).view(steps.shape)


def predict(reference: Reference, vectors: Tensor, block: tuple[int, int] = (BLOCK, BLOCK)) -> Tensor:
    """The moved plane (B, 1, H, W). vectors: int64 (B, 2, h, w), of (y, x), one for each block of rows and columns."""
    steps = reference.steps(vectors, block)
    rows = _nearest(reference.height, block[0], steps.shape[1], steps.device)
    columns = _nearest(reference.width, block[1], steps.shape[2], steps.device)
    total = torch.zeros(steps.shape[0], reference.height, reference.width, device=steps.device)
    for row, row_share in rows:
        of_rows = steps.index_select(1, row)
        for column, column_share in columns:
            moved = reference.at(of_rows.index_select(2, column))
            total.addcmul_(moved, row_share[:, None] * column_share)
    return total[:, None]


def predict_planes(
    luma: Reference, chroma: Sequence[Reference], vectors: Tensor, halved: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """All planes moved: (B, 1, H, W) and (B, 2, H', W'). halved: as in `colour.Colours`."""
    scale = torch.tensor([1 + axis for axis in halved], device=vectors.device)[:, None, None]
    own = (vectors + scale // 2).div(scale, rounding_mode="floor")
    block = (BLOCK // (1 + halved[0]), BLOCK // (1 + halved[1]))
    return predict(luma, vectors), torch.cat([predict(plane, own, block) for plane in chroma], 1)


def _within(whole: Tensor, axis: int, side: int, size: int) -> Tensor:
    """Whole pixels (B, h, w) along an axis, limited so that blocks, half a block around included, see the border at
    most.
    """
    shape = [1, 1, 1]
    shape[axis] = -1
    first = (side * torch.arange(whole.shape[axis], device=whole.device) - side // 2).view(shape)
    return whole.maximum(-_BORDER - first).minimum(size + _BORDER - 2 * side - first)


@cache
def _nearest(size: int, block: int, count: int, device: torch.device) -> tuple[tuple[Tensor, Tensor], ...]:
    """The two nearest of `count` blocks to each pixel of a line, and their shares in it."""
    place = (torch.arange(size, device=device) + 0.5) / block - 0.5
    first = place.floor()
    share = place - first
    first = first.long()
    return (first.clamp(0, count - 1), 1 - share), ((first + 1).clamp(0, count - 1), share)


def _phases(plane: Tensor) -> Tensor:
    """(B, H, W) -> (B, UNITS, UNITS, rows, columns): the plane, continued, moved by every fraction of a pixel."""
    before, after = _TAPS // 2 - 1, _TAPS // 2
    around = (_BORDER + before, _BORDER + after)
    grown = F.pad(plane[:, None], around * 2, mode="replicate")[:, 0]
    filters = _filters()
    down = _filtered(grown[:, None], filters, 2)  # (B, UNITS, rows, more columns)
    return _filtered(down[:, :, None], filters, 4)


def _filtered(x: Tensor, filters: tuple[tuple[float, ...], ...], axis: int) -> Tensor:
    """Along an axis, which becomes shorter by _TAPS - 1, each filter beside the others along the axis of length 1
    before.
    """
    length = x.shape[axis] - _TAPS + 1
    shape = [*x.shape]
    shape[axis] = length
    single = shape.index(1, 1)
    shape[single] = len(filters)
    out = x.new_zeros(shape)
    for place, taps in enumerate(filters):
        part = out.narrow(single, place, 1)
        for n, tap in enumerate(taps):
            if abs(tap) > 1e-9:  # of those of whole pixels, but one is not zero
                part.add_(x.narrow(axis, n, length), alpha=tap)
    return out


@cache
def _filters() -> tuple[tuple[float, ...], ...]:
    """(UNITS, _TAPS): weights of the pixels -3 ... 4 for the sample n / UNITS after pixel 0, by a DCT of the eight."""
    k = torch.arange(_TAPS, dtype=torch.float64)
    at_pixels = torch.cos(math.pi * k[:, None] * (2 * k + 1) / (2 * _TAPS))  # (frequency, pixel)
    wanted = _TAPS // 2 - 1 + torch.arange(UNITS, dtype=torch.float64) / UNITS
    at_wanted = torch.cos(math.pi * k * (2 * wanted[:, None] + 1) / (2 * _TAPS))  # (place, frequency)
    norm = torch.full((_TAPS,), 2 / _TAPS, dtype=torch.float64)
    norm[0] /= 2
    return tuple(map(tuple, ((at_wanted * norm) @ at_pixels).tolist()))
