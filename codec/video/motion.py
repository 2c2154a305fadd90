"""Motion-compensated prediction: decoded planes moved by one vector for every 16x16 pixels of luminance.

Vectors count quarter pixels. Samples between pixels come from the DCT-based filters of HEVC (Ugur et al., "Motion compensated
prediction and interpolation filter design in H.265/HEVC", 2013), in floating point. Blocks overlap: every pixel is a mixture of what
the vectors of the four nearest blocks say (Orchard and Sullivan, "Overlapped block motion compensation", 1994), so that a
prediction has no edges of blocks.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 16  # pixels of luminance to a side, for which there is one vector
UNITS = 4  # of a vector to a pixel
_TAPS = 8


class Reference:
    """A decoded plane (B, 1, H, W), with samples at every quarter pixel."""

    def __init__(self, plane: Tensor) -> None:
        self.batch, _, self.height, self.width = plane.shape
        self._samples = _phases(plane).flatten(1)  # (B, UNITS * UNITS * H * W)

    def at(self, y: Tensor, x: Tensor) -> Tensor:
        """Samples at rows y and columns x (B, H', W') in UNITS, int64; beyond the border, of the nearest pixel."""
        y, x = y.clamp(0, UNITS * (self.height - 1)), x.clamp(0, UNITS * (self.width - 1))
        phase = (y % UNITS) * UNITS + x % UNITS
        index = (phase * self.height + y // UNITS) * self.width + x // UNITS
        return self._samples.gather(1, index.flatten(1)).view(index.shape)


def predict(reference: Reference, vectors: Tensor, block: tuple[int, int] = (BLOCK, BLOCK)) -> Tensor:
    """The moved plane (B, 1, H, W). vectors: int64 (B, 2, h, w), of (y, x), one for each block of rows and columns."""
    height, width = reference.height, reference.width
    device = vectors.device
    rows = _nearest(height, block[0], vectors.shape[2], device)
    columns = _nearest(width, block[1], vectors.shape[3], device)
    y = UNITS * torch.arange(height, device=device)[:, None]
    x = UNITS * torch.arange(width, device=device)[None]
    total = torch.zeros(reference.batch, height, width, device=device)
    for row, row_share in rows:
        of_rows = vectors[:, :, row]
        for column, column_share in columns:
            v = of_rows[:, :, :, column]
            total += (row_share[:, None] * column_share) * reference.at(y + v[:, 0], x + v[:, 1])
    return total[:, None]


def predict_planes(
    luma: Reference, chroma: tuple[Reference, Reference], vectors: Tensor, halved: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """All planes moved: (B, 1, H, W) and (B, 2, H', W'). halved: as in `colour.Colours`."""
    scale = torch.tensor([1 + axis for axis in halved], device=vectors.device)[:, None, None]
    own = (vectors + scale // 2).div(scale, rounding_mode="floor")
    block = (BLOCK // (1 + halved[0]), BLOCK // (1 + halved[1]))
    return predict(luma, vectors), torch.cat([predict(plane, own, block) for plane in chroma], 1)


@cache
def _nearest(size: int, block: int, count: int, device: torch.device) -> tuple[tuple[Tensor, Tensor], ...]:
    """The two nearest of `count` blocks to each pixel of a line, and their shares in it."""
    place = (torch.arange(size, device=device) + 0.5) / block - 0.5
    first = place.floor()
    share = place - first
    first = first.long()
    return (first.clamp(0, count - 1), 1 - share), ((first + 1).clamp(0, count - 1), share)


def _phases(plane: Tensor) -> Tensor:
    """(B, 1, H, W) -> (B, UNITS * UNITS, H, W): the plane moved by every fraction of a pixel."""
    taps = _filters().to(plane)
    before, after = _TAPS // 2 - 1, _TAPS // 2
    down = F.conv2d(F.pad(plane, (0, 0, before, after), mode="replicate"), taps[:, None, :, None])
    rows = F.pad(down.flatten(0, 1)[:, None], (before, after, 0, 0), mode="replicate")
    return F.conv2d(rows, taps[:, None, None, :]).view(plane.shape[0], UNITS * UNITS, *plane.shape[2:])


@cache
def _filters() -> Tensor:
    """(UNITS, 8) float64: weights of the pixels -3 ... 4 for the sample n / UNITS after pixel 0, by a DCT of the eight."""
    k = torch.arange(_TAPS, dtype=torch.float64)
    at_pixels = torch.cos(math.pi * k[:, None] * (2 * k + 1) / (2 * _TAPS))  # (frequency, pixel)
    wanted = _TAPS // 2 - 1 + torch.arange(UNITS, dtype=torch.float64) / UNITS
    at_wanted = torch.cos(math.pi * k * (2 * wanted[:, None] + 1) / (2 * _TAPS))  # (place, frequency)
    norm = torch.full((_TAPS,), 2 / _TAPS, dtype=torch.float64)
    norm[0] /= 2
    return (at_wanted * norm) @ at_pixels
