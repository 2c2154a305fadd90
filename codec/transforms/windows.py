"""Planes cut into windows of tokens for attention, and put together again; any height and width."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of (rows, columns) whose grid begins `shift` before the plane's corner.

    Shifting the grid instead of the plane makes the windows at the border smaller, as Swin's masks do; what lies
    outside the plane is a key for nobody.
    """

    size: tuple[int, int]
    shift: tuple[int, int] = (0, 0)

    def cut(self, x: Tensor) -> Tensor:
        """(B, N, H, W) -> (B * windows, L, N), L tokens a window; zeros outside the plane."""
        batch, channels = x.shape[:2]
        (rows, columns), (above, before) = self.size, self.shift
        down, right = self._grid(x.shape[2], x.shape[3])
        x = F.pad(x, (before, right * columns - before - x.shape[3], above, down * rows - above - x.shape[2]))
        x = x.permute(0, 2, 3, 1).reshape(batch, down, rows, right, columns, channels).transpose(2, 3)
        return x.reshape(batch * down * right, rows * columns, channels)

    def join(self, windows: Tensor, height: int, width: int) -> Tensor:
        """The inverse of `cut` for a plane of that height and width."""
        (rows, columns), (above, before) = self.size, self.shift
        down, right = self._grid(height, width)
        x = windows.reshape(-1, down, right, rows, columns, windows.shape[2]).transpose(2, 3)
        x = x.reshape(x.shape[0], down * rows, right * columns, windows.shape[2]).permute(0, 3, 1, 2)
        return x[:, :, above : above + height, before : before + width]

    def outside(self, height: int, width: int, device: torch.device) -> Tensor | None:
        """(windows, L): true for tokens outside the plane; None where there are none."""
        (rows, columns), (above, before) = self.size, self.shift
        if above == before == 0 and height % rows == 0 and width % columns == 0:
            return None
        inside = torch.ones(1, 1, height, width, device=device)
        return self.cut(inside)[:, :, 0] == 0

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        (rows, columns), (above, before) = self.size, self.shift
        return -(-(height + above) // rows), -(-(width + before) // columns)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, L, heads * d) -> (B, heads, L, d)."""
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(B, heads, L, d) -> (B, L, heads * d)."""
    return x.transpose(1, 2).flatten(2)
