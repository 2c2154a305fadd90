"""Planes to windows of places and back, for the attention of either arithmetic."""

import torch
import torch.nn.functional as F
from torch import Tensor


def to_windows(plane: Tensor, window: int, shift: int) -> Tensor:
    """(B, C, H, W) -> (B, windows, C, window**2): windows of `window` each way, the first of them `shift` outside.

    Zeros outside of the plane.
    """
    height, width = plane.shape[2:]
    padded = F.pad(plane, (shift, -(width + shift) % window, shift, -(height + shift) % window))
    batch, channels, rows, columns = padded.shape
    split = padded.reshape(batch, channels, rows // window, window, columns // window, window)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels, window**2)


def from_windows(parts: Tensor, window: int, shift: int, size: tuple[int, int]) -> Tensor:
    """Undo `to_windows` for a plane of (H, W) = size."""
    rows, columns = (-(-(length + shift) // window) for length in size)
    batch, _, channels, _ = parts.shape
    split = parts.reshape(batch, rows, columns, channels, window, window).permute(0, 3, 1, 4, 2, 5)
    plane = split.reshape(batch, channels, rows * window, columns * window)
    return plane[:, :, shift : shift + size[0], shift : shift + size[1]]


def split_heads(parts: Tensor, heads: int) -> Tensor:
    """(B, windows, C, places) -> (B, windows, heads, C / heads, places)."""
    return parts.reshape(*parts.shape[:2], heads, -1, parts.shape[3])


def relative_places(window: int) -> Tensor:
    """Which of the (2 window - 1)**2 displacements lies between each two places of a window: (window**2, window**2)."""
    place = torch.arange(window**2)
    dy, dx = (p[:, None] - p[None] + window - 1 for p in (place // window, place % window))
    return dy * (2 * window - 1) + dx
