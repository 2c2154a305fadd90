"""The wavelet packet transform: every band split again, over four levels, along both axes.

The filters are the CDF 9/7 pair in lifting steps: Daubechies and Sweldens, "Factoring Wavelet Transforms into Lifting
Steps" (1998). Pictures continue mirrored at their outermost pixels.
"""

import torch
from torch import Tensor

LEVELS = 4
SIDE = 2**LEVELS  # bands along an axis

# Predict and update by turns, then the scale of the lower half, which makes its gain at frequency zero sqrt 2.
_STEPS = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_HALF_SCALE = 1.149604398860241


def packet(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 256 C, H/16, W/16): all bands of four levels; H and W are multiples of 16.

    Channel order is that of `x`, then the vertical, then the horizontal band. Pictures continue mirrored at their
    outermost pixels.
    """
    return packet_along(packet_along(x, 2), 3)


def unpacket(bands: Tensor) -> Tensor:
    """The inverse of `packet`, (B, 256 C, h, w) -> (B, C, 16 h, 16 w)."""
    return unpacket_along(unpacket_along(bands, 3), 2)


def packet_along(x: Tensor, axis: int) -> Tensor:
    """(B, C, ...) -> (B, 16 C, ...) with the axis a sixteenth as long.

    The number of a band has a binary digit a level, the first level's leading: 0 for the lower half of what comes in.
    """
    for _ in range(LEVELS):
        x = torch.stack(split_band(x, axis), 2).flatten(1, 2)
    return x


def unpacket_along(bands: Tensor, axis: int) -> Tensor:
    """The inverse of `packet_along`."""
    for _ in range(LEVELS):
        batch, channels, *size = bands.shape
        low, high = bands.reshape(batch, channels // 2, 2, *size).unbind(2)
        bands = join_bands(low, high, axis)
    return bands


def split_band(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The lower and the upper half of the frequencies along an axis of even length, each of half that length."""
    size = x.shape
    low, high = x.reshape(*size[:axis], size[axis] // 2, 2, *size[axis + 1 :]).unbind(axis + 1)
    for i, step in enumerate(_STEPS):
        if i % 2:
            low = low + step * _with_previous(high, axis)
        else:
            high = high + step * _with_next(low, axis)
    return low * _HALF_SCALE, high / _HALF_SCALE


def join_bands(low: Tensor, high: Tensor, axis: int) -> Tensor:
    """The inverse of `split_band`."""
    low, high = low / _HALF_SCALE, high * _HALF_SCALE
    for i, step in reversed(list(enumerate(_STEPS))):
        if i % 2:
            low = low - step * _with_previous(high, axis)
        else:
            high = high - step * _with_next(low, axis)
    return torch.stack([low, high], axis + 1).flatten(axis, axis + 1)


def _with_next(even: Tensor, axis: int) -> Tensor:
    """Each even sample plus the next one; beyond the end the mirror gives the last one again."""
    length = even.shape[axis]
    return even + torch.cat([even.narrow(axis, 1, length - 1), even.narrow(axis, length - 1, 1)], axis)


def _with_previous(odd: Tensor, axis: int) -> Tensor:
    """Each odd sample plus the previous one; before the start the mirror gives the first one again."""
    return odd + torch.cat([odd.narrow(axis, 0, 1), odd.narrow(axis, 0, odd.shape[axis] - 1)], axis)


def frequency_of_bands() -> Tensor:
    """Where each of the 16 bands along an axis stands among them by frequency, from 0; int64 (16,).

    An upper half comes out mirrored in frequency, so that the order is a Gray code's.
    """
    band = torch.arange(SIDE)
    for shift in (1, 2):  # for up to four digits
        band = band ^ (band >> shift)
    return band


def synthesis_norms() -> Tensor:
    """Norm of the synthesis function of each of the 16 bands along one axis, away from the ends; float64 (16,)."""
    length = 32
    impulses = torch.zeros(SIDE, SIDE, length, dtype=torch.float64)
    impulses[:, :, length // 2] = torch.eye(SIDE, dtype=torch.float64)
    return unpacket_along(impulses, 2).square().sum((1, 2)).sqrt()
