"""Planes of a frame as RGB of full size, and back, linear both ways, so that nothing is lost.

Chroma planes of half the size are doubled by the synthesis filter of the LeGall 5/3 wavelet, which is linear
interpolation, and halved by its analysis filter: halving undoes doubling exactly.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Shares of red and blue in luminance.
BT601 = (0.299, 0.114)
BT709 = (0.2126, 0.0722)
BT2020 = (0.2627, 0.0593)


@dataclass(frozen=True, slots=True)
class Colours:
    """How samples of `depth` bits stand for colours. `shares` None is for planes that are green, blue and red.

    `halved`: whether chroma planes have half the height, and half the width.
    """

    depth: int = 8
    full_range: bool = False
    shares: tuple[float, float] | None = BT601
    halved: tuple[bool, bool] = (True, True)

    def to_rgb(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Samples (B, 1, H, W) and (B, 2, H', W') -> RGB (B, 3, H, W), black 0 and white 1."""
        for axis, halved in zip((2, 3), self.halved, strict=True):
            if halved:
                chroma = doubled(chroma, axis)
        low, luma_range, middle, chroma_range = self._levels()
        y = (luma - low) / luma_range
        if self.shares is None:
            other = (chroma - low) / luma_range
            return torch.cat([other[:, 1:], y, other[:, :1]], 1)
        scaled = (chroma - middle) / chroma_range
        u, v = scaled[:, :1], scaled[:, 1:]
        (kr, kb), (red, blue) = self.shares, self._slopes()
        return torch.cat([y + red * v, y - (kr * red * v + kb * blue * u) / (1 - kr - kb), y + blue * u], 1)

    def to_planes(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse: samples, not rounded and not limited."""
        low, luma_range, middle, chroma_range = self._levels()
        red, green, blue = rgb[:, :1], rgb[:, 1:2], rgb[:, 2:]
        if self.shares is None:
            return green * luma_range + low, torch.cat([blue, red], 1) * luma_range + low
        kr, kb = self.shares
        y = kr * red + (1 - kr - kb) * green + kb * blue
        red_slope, blue_slope = self._slopes()
        chroma = torch.cat([(blue - y) / blue_slope, (red - y) / red_slope], 1)
        for axis, halved in zip((2, 3), self.halved, strict=True):
            if halved:
                chroma = halved_by_two(chroma, axis)
        return y * luma_range + low, chroma * chroma_range + middle

    def _slopes(self) -> tuple[float, float]:
        assert self.shares is not None
        return 2 * (1 - self.shares[0]), 2 * (1 - self.shares[1])

    def _levels(self) -> tuple[float, float, float, float]:
        """Black, white less black, grey, and the range of chroma."""
        unit = 2.0 ** (self.depth - 8)
        if self.full_range:
            most = 2.0**self.depth - 1
            return 0.0, most, 128 * unit, most
        return 16 * unit, 219 * unit, 128 * unit, 224 * unit


def doubled(plane: Tensor, axis: int) -> Tensor:
    """Twice the length along an axis, each second place new: the mean of its neighbours."""
    after = torch.cat([plane.narrow(axis, 1, plane.shape[axis] - 1), plane.narrow(axis, -1, 1)], axis)
    return torch.stack([plane, (plane + after) / 2], axis + 1).flatten(axis, axis + 1)


def halved_by_two(plane: Tensor, axis: int) -> Tensor:
    """The inverse: half of an even length along an axis."""
    even, odd = (plane[(slice(None),) * axis + (slice(n, None, 2),)] for n in (0, 1))
    # What doubling would not have put between them; at the end it repeats the last one.
    after = torch.cat([even.narrow(axis, 1, even.shape[axis] - 1), even.narrow(axis, -1, 1)], axis)
    detail = odd - (even + after) / 2
    before = torch.cat([detail.narrow(axis, 0, 1), detail.narrow(axis, 0, detail.shape[axis] - 1)], axis)
    half: Tensor = even + (before + detail) / 4
    return half
