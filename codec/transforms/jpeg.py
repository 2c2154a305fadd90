"""JPEG's own transform behind the socket of the learned ones: the analysis and synthesis of the model `lattice`.

```
rgb ─► Y ──────────────► 8x8 DCT ─► / table, round ─► 2x2 blocks as channels ─┐
   └─► Cb, Cr ─► 2x2 mean ─► 8x8 DCT ─► / table, round ───────────────────────┴─► y
```

A picture that was a JPEG lies on the lattice of its quantisation tables; only a codec that quantises on that lattice
codes it without a second loss. The latents are the whole numbers of a baseline JPEG (ITU-T T.81) with chroma 4:2:0 and
libjpeg's scaling of the tables of annex K; instead of Huffman codes they get the learned entropy model.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .front import BLOCK, dct_matrix

BANDS = BLOCK * BLOCK
LATENTS = 6 * BANDS  # of a 16x16 area: four blocks of luminance, one of each chroma plane
QUALITIES = 100  # as libjpeg counts them, from 1

# T.81 tables K.1 and K.2, rows of rising vertical frequency.
# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
)
# fmt: on
# RGB to Y, Cb, Cr in levels of equal range, chroma around zero (JFIF 1.02; ITU-R BT.601).
_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.299 / 1.772, -0.587 / 1.772, 0.5),
    (0.5, -0.587 / 1.402, -0.114 / 1.402),
)


def quantisation_tables() -> Tensor:
    """Steps of every quality: int64 (QUALITIES, 2, 64), luminance and chroma, in units of an orthonormal 8x8 DCT."""
    quality = torch.arange(1, QUALITIES + 1)
    percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = torch.tensor((_LUMINANCE, _CHROMINANCE))
    return ((tables * percent[:, None, None] + 50) // 100).clamp(1, 255)


def jpeg_quality(q: Tensor) -> Tensor:
    """q in [0, 1] -> the nearest quality of libjpeg, 1 to 100, int64. Exact for a gain index over GAIN_STEPS."""
    return (QUALITIES * q + 0.5).floor().clamp(1, QUALITIES).long()


class _Jpeg(nn.Module):
    """The fixed numbers of both directions; nothing is learned and nothing stored."""

    basis: Tensor
    colour: Tensor
    to_rgb: Tensor
    tables: Tensor

    def __init__(self) -> None:
        super().__init__()
        dct = dct_matrix(BLOCK)
        basis = torch.einsum("ui,vj->uvij", dct, dct).reshape(BANDS, BANDS)
        self.register_buffer("basis", basis.float(), persistent=False)
        colour = torch.tensor(_YCBCR, dtype=torch.float64)
        self.register_buffer("colour", colour, persistent=False)
        self.register_buffer("to_rgb", colour.inverse(), persistent=False)
        self.register_buffer("tables", quantisation_tables().float(), persistent=False)

    def steps(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Steps of luminance and chroma at q (B,), each (B, 1, 64, 1, 1)."""
        luminance, chroma = self.tables[jpeg_quality(q) - 1].unbind(1)  # each (B, 64)
        return luminance[:, None, :, None, None], chroma[:, None, :, None, None]


class JpegAnalysis(_Jpeg):
    """rgb (B, 3, H, W) in [0, 1], sides multiples of 16, and q (B,) -> y (B, 384, H/16, W/16), whole numbers."""

    def forward(self, rgb: Tensor, q: Tensor) -> Tensor:
        with torch.autocast(rgb.device.type, enabled=False):
            planes = F.conv2d(255 * rgb.float(), self.colour.float()[:, :, None, None])
            luminance, chroma = self.steps(q)
            y = self._coefficients(planes[:, :1] - 128, luminance)  # (B, 1, 64, H/8, W/8)
            cbcr = self._coefficients(F.avg_pool2d(planes[:, 1:], 2), chroma)  # (B, 2, 64, H/16, W/16)
            # Of a luminance band, the four blocks of an area are neighbouring channels: a schedule's channel groups.
            return torch.cat([F.pixel_unshuffle(y.flatten(1, 2), 2), cbcr.flatten(1, 2)], 1)

    def _coefficients(self, planes: Tensor, steps: Tensor) -> Tensor:
        batch, count, height, width = planes.shape
        blocks = F.pixel_unshuffle(planes.reshape(batch * count, 1, height, width), BLOCK)  # (B*C, 64, H/8, W/8)
        bands = F.conv2d(blocks, self.basis[:, :, None, None])
        levels: Tensor = (bands.view(batch, count, BANDS, *bands.shape[2:]) / steps).round()
        return levels


class JpegSynthesis(_Jpeg):
    """y_hat (B, 384, h, w) and q (B,) -> rgb (B, 3, 16h, 16w), chroma interpolated as by libjpeg's triangle filter."""

    def forward(self, y_hat: Tensor, q: Tensor) -> Tensor:
        with torch.autocast(y_hat.device.type, enabled=False):
            luminance, chroma = self.steps(q)
            blocks = F.pixel_shuffle(y_hat[:, : 4 * BANDS].float(), 2)  # (B, 64, H/8, W/8)
            y = self._samples(blocks[:, None], luminance) + 128
            batch, _, height, width = y_hat.shape
            both = y_hat[:, 4 * BANDS :].float().reshape(batch, 2, BANDS, height, width)
            small = self._samples(both, chroma).clamp(-128, 127)
            cbcr = F.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
            planes = torch.cat([y.clamp(0, 255), cbcr], 1)
            return F.conv2d(planes, self.to_rgb.float()[:, :, None, None]) / 255

    def _samples(self, bands: Tensor, steps: Tensor) -> Tensor:
        batch, count, _, height, width = bands.shape
        scaled = (bands * steps).reshape(batch * count, BANDS, height, width)
        blocks = F.conv2d(scaled, self.basis.t()[:, :, None, None])
        return F.pixel_shuffle(blocks, BLOCK).view(batch, count, BLOCK * height, BLOCK * width)
