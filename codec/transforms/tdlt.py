"""The socket of `frame` with a time-domain lapped transform for its bypass: filters across the borders of the blocks.

```
        ┌─ filter the 16 pixels about each border ─► DCT ─► bypass ─┐
rgb ─► front ─► enter ─► blocks at 1/8 ─► gain ─► merge ──────────► (+) ─► gain ─► y
```
Tran, Liang and Tu, "Lapped transform via time-domain pre- and post-filtering" (IEEE TSP 2003): a lapped transform is a
block transform between two filters of small blocks that straddle its borders. Here both filters are learned, apart from
each other, and begin as the identity: at step 0 this is `frame`, whose trained models it can go on from.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .frame import FramedAnalysis, FramedSynthesis, MakeBlock
from .front import colour_matrix
from .stride import STRIDE


class BorderFilter(nn.Module):
    """rgb (B, 3, H, W) -> same, linear, sides multiples of 16: the 16 pixels across a border of blocks by a matrix.

    One matrix for each axis of space and each opponent colour plane. The outermost 8 pixels belong to no border.
    """

    colour: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.across = nn.Parameter(torch.eye(STRIDE).repeat(3, 1, 1))
        self.down = nn.Parameter(torch.eye(STRIDE).repeat(3, 1, 1))
        self.register_buffer("colour", colour_matrix().float()[:, :, None, None], persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        with torch.autocast(rgb.device.type, enabled=False):
            planes = F.conv2d(rgb.float(), self.colour)
            planes = _filtered(planes, self.across)
            planes = _filtered(planes.transpose(2, 3), self.down).transpose(2, 3)
            return F.conv2d(planes, self.colour.transpose(0, 1))


def _filtered(planes: Tensor, matrix: Tensor) -> Tensor:
    """planes (B, 3, H, W) and matrix (3, 16, 16): about every border along the last axis."""
    half = STRIDE // 2
    straddling = planes[..., half:-half].reshape(*planes.shape[:3], -1, STRIDE)  # (B, 3, H, borders, 16)
    inner = torch.einsum("bchns,cts->bchnt", straddling, matrix).flatten(3)
    return torch.cat([planes[..., :half], inner, planes[..., -half:]], 3)


class TdltAnalysis(FramedAnalysis):
    """rgb (B, 3, H, W) in [0, 1], sides multiples of 16, and q (B,) -> y (B, M, H/16, W/16) in quantisation steps."""

    def __init__(self, width: int, depth: int, latents: int, make_block: MakeBlock) -> None:
        super().__init__(width, depth, latents, make_block)
        self.border = BorderFilter()

    def linear(self, rgb: Tensor, bands: Tensor) -> Tensor | None:
        filtered = self.border(rgb - 0.5) + 0.5
        return super().linear(rgb, self.front(filtered))


class TdltSynthesis(FramedSynthesis):
    """y_hat (B, M, h, w) in quantisation steps and q (B,) -> rgb (B, 3, 16h, 16w)."""

    def __init__(self, width: int, depth: int, latents: int, make_block: MakeBlock) -> None:
        super().__init__(width, depth, latents, make_block)
        self.border = BorderFilter()

    def drawn(self, scaled: Tensor, bands: Tensor) -> Tensor:
        blocky = super().drawn(scaled, torch.zeros_like(bands))
        rgb: Tensor = self.border(blocky - 0.5) + self.front.inverse(bands.float())
        return rgb
