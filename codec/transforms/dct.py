"""A plain transform codec with all around the transform learned: 16x16 DCT, quantisation matrices, entropy model.

```
rgb ─► opponent colours ─► 16x16 DCT ─► the M strongest coefficients x gain(q) ─► y
```

After "Multi-rate adaptive transform coding for video compression" (Duan et al. 2023): a fixed linear transform, whose
quantisation matrices follow the rate continuously and differ for analysis and synthesis, under a learned entropy model.
Its decoder is one small matrix product a block.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .front import COLOUR_SPREAD, colour_matrix, dct_matrix
from .gain import QualityGain

BLOCK = 16
_BANDS = BLOCK * BLOCK
# Latents begin as 8 times the coefficients of values in [0, 1], times these gains at quality 0 and 1.
_SCALE = 8.0
_LOG_GAIN = (-1.1, 1.4)


class _BlockDct(nn.Module):
    """The fixed numbers of both directions.

    `basis0` to `basis2`: (bands of the colour, 256), orthonormal; `order`: where each of the M strongest bands stands
    among those of the three colours, one after another; `place`: the inverse.
    """

    colour: Tensor
    order: Tensor
    place: Tensor

    def __init__(self, latents: int, dct: Tensor | None, direction: float) -> None:
        super().__init__()
        self.gain = QualityGain(latents, direction * _LOG_GAIN[0], direction * _LOG_GAIN[1])
        chosen = strongest_bands(latents)
        dct = dct_matrix(BLOCK) if dct is None else dct
        basis = torch.einsum("ui,vj->uvij", dct, dct).reshape(_BANDS, _BANDS)
        self.counts = [int((chosen // _BANDS == colour).sum()) for colour in range(3)]
        for colour in range(3):
            bands = chosen[chosen // _BANDS == colour] % _BANDS
            self.register_buffer(f"basis{colour}", basis[bands].float(), persistent=False)
        place = torch.argsort(chosen // _BANDS, stable=True)
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("order", torch.argsort(place), persistent=False)
        self.register_buffer("colour", colour_matrix().float(), persistent=False)


class DctAnalysis(_BlockDct):
    """rgb (B, 3, H, W) in [0, 1], sides multiples of 16, and q (B,) -> y (B, M, H/16, W/16) in quantisation steps."""

    def __init__(self, latents: int, dct: Tensor | None = None) -> None:
        """dct: another orthonormal transform of 16 points, (16, 16) float64, rows by frequency."""
        super().__init__(latents, dct, 1.0)

    def forward(self, rgb: Tensor, q: Tensor) -> Tensor:
        with torch.autocast(rgb.device.type, enabled=False):
            planes = F.conv2d(rgb.float() - 0.5, self.colour[:, :, None, None])
            blocks = F.pixel_unshuffle(planes, BLOCK).chunk(3, 1)  # each (B, 256, H/16, W/16)
            bands = [F.conv2d(block, getattr(self, f"basis{c}")[:, :, None, None]) for c, block in enumerate(blocks)]
            y: Tensor = _SCALE * torch.cat(bands, 1)[:, self.order] * self.gain(q)
            return y


class DctSynthesis(_BlockDct):
    """y_hat (B, M, h, w) in quantisation steps and q (B,) -> rgb (B, 3, 16h, 16w)."""

    def __init__(self, latents: int, dct: Tensor | None = None) -> None:
        """dct: that of the analysis."""
        super().__init__(latents, dct, -1.0)

    def forward(self, y_hat: Tensor, q: Tensor) -> Tensor:
        with torch.autocast(y_hat.device.type, enabled=False):
            bands = (y_hat.float() * (self.gain(q) / _SCALE))[:, self.place].split(self.counts, 1)
            blocks = [F.conv2d(band, getattr(self, f"basis{c}").t()[:, :, None, None]) for c, band in enumerate(bands)]
            planes = F.pixel_shuffle(torch.cat(blocks, 1), BLOCK)
            rgb: Tensor = F.conv2d(planes, self.colour.t()[:, :, None, None]) + 0.5
            return rgb


def strongest_bands(latents: int) -> Tensor:
    """The M of the 768 bands, colour x 16 x 16, that are strongest in photographs, strongest first; int64 (M,).

    The model is that of `front.band_spread`: a spread that falls with the distance from the lowest frequency, and less
    of it in the colour axes. Raises ValueError for more bands than there are.
    """
    if not 1 <= latents <= 3 * _BANDS:
        raise ValueError(f"a 16x16 DCT of three planes has {3 * _BANDS} bands, not {latents}")
    k = torch.arange(BLOCK, dtype=torch.float64)
    radius = (k[:, None] ** 2 + k[None] ** 2).sqrt().flatten()
    spread = torch.cat([g / (1 + radius) for g in COLOUR_SPREAD])
    return torch.argsort(spread, descending=True, stable=True)[:latents]
