"""Motion-compensated prediction: decoded planes moved by one vector for every 16x16 pixels of luminance.

Vectors count quarter pixels. Samples between pixels come from the DCT-based filters of HEVC (Ugur et al., "Motion
compensated prediction and interpolation filter design in H.265/HEVC", 2013), in floating point. Blocks overlap: every
pixel is a mixture of what the vectors of the four nearest blocks say (Orchard and Sullivan, "Overlapped block motion
compensation", 1994), so that a prediction has no edges of blocks.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ...kernels.block_matching import Samples

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

    @property
    def samples(self) -> Samples:
        """All of them."""
        return Samples(self._samples, self._rows, self._columns, self.height, self.width, _BORDER)

    def steps(self, vectors: Tensor, block: tuple[int, int]) -> Tensor:
        """By how much what vectors (B, 2, h, w) point to lies further in the store: (B, h, w)."""
        whole = vectors.div(UNITS, rounding_mode="floor")
        y, x = (vectors - UNITS * whole).unbind(1)
        down, across = (
            _within(whole[:, axis], axis + 1, side, size)
            for axis, (side, size) in enumerate(zip(block, (self.height, self.width), strict=True))
        )
        return ((UNITS * y + x) * self._rows + down) * self._columns + across

    def blocks(self, steps: Tensor, block: tuple[int, int], start: tuple[int, int] = (0, 0)) -> Tensor:
        """Samples (B, h, rows, w, columns) of blocks beside each other, of which the first one begins at `start`, each
        so many steps (B, h, w) further.
        """
        count, height, width = steps.shape
        y = torch.arange(height * block[0], device=steps.device) + start[0] + _BORDER
        x = torch.arange(width * block[1], device=steps.device) + start[1] + _BORDER
        places = (y[:, None] * self._columns + x).view(height, block[0], width, block[1])
        found = places + steps[:, :, None, :, None]
        return self._samples.gather(1, found.view(count, -1)).view(found.shape)


def predict(reference: Reference, vectors: Tensor, block: tuple[int, int] = (BLOCK, BLOCK)) -> Tensor:
    """The moved plane (B, 1, H, W). vectors: int64 (B, 2, h, w), of (y, x), one for each block of rows and columns."""
    steps = reference.steps(vectors, block)
    start = -block[0] // 2, -block[1] // 2
    moved = _mixed(steps, block, lambda nearest: reference.blocks(nearest, block, start))
    return moved[:, :, : reference.height, : reference.width]


def spread_over(values: Tensor, block: tuple[int, int]) -> Tensor:
    """A number of each block (B, h, w) for every pixel, mixed as vectors are: (B, 1, h * rows, w * columns)."""
    return _mixed(values, block, lambda nearest: nearest[:, :, None, :, None])


def _mixed(values: Tensor, block: tuple[int, int], of: Callable[[Tensor], Tensor]) -> Tensor:
    """(B, 1, h * rows, w * columns): mixtures of what is made of the values (B, h, w) of the four nearest blocks.

    Between the centres of four blocks the four are the same, so pixels come as blocks that are shifted by half of one,
    (B, h + 1, rows, w + 1, columns), one more each way; outside of the outermost centres two are one.
    """
    count, height, width = values.shape
    padded = _repeated_at_borders(values)
    total = torch.zeros(count, height + 1, block[0], width + 1, block[1], device=values.device)
    shares = [(torch.arange(side, device=values.device) + 0.5) / side for side in block]
    for down in (0, 1):
        row_share = shares[0] if down else 1 - shares[0]
        for across in (0, 1):
            column_share = shares[1] if across else 1 - shares[1]
            nearest = padded[:, down : down + height + 1, across : across + width + 1]
            total.addcmul_(of(nearest), row_share[:, None, None] * column_share)
    whole = total.view(count, 1, (height + 1) * block[0], (width + 1) * block[1])
    top, left = block[0] // 2, block[1] // 2
    return whole[:, :, top : top + height * block[0], left : left + width * block[1]]


def _repeated_at_borders(values: Tensor) -> Tensor:
    """(B, h, w) -> (B, h + 2, w + 2)."""
    rows = torch.cat([values[:, :1], values, values[:, -1:]], 1)
    return torch.cat([rows[:, :, :1], rows, rows[:, :, -1:]], 2)


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
