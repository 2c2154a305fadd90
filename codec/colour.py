"""YCoCg-R by lifting, whole numbers to whole numbers and back: Malvar and Sullivan (2003), here modulo 2**16.

Without the wrapping, which only samples of 16 bits can need, Y has the range of the samples and both chroma planes
twice that. Y is kept less half its range, so that middle grey is zero.
"""

import torch
from torch import Tensor


def to_planes(rgb: Tensor, depth: int) -> Tensor:
    """Samples (..., 3, H, W) of so many bits -> Y, Co, Cg of the same shape, int32 in -2**15 ... 2**15 - 1."""
    red, green, blue = rgb.to(torch.int32).unbind(-3)
    orange = wrapped(red - blue)
    middle = (blue + (orange >> 1)) & 0xFFFF
    magenta = wrapped(green - middle)
    luma = (middle + (magenta >> 1)) & 0xFFFF
    return torch.stack([wrapped(luma - (1 << (depth - 1))), orange, magenta], -3)


def to_samples(planes: Tensor, depth: int) -> Tensor:
    """The inverse, int32 in 0 ... 2**16 - 1: samples of more than `depth` bits where no picture has such planes."""
    luma, orange, magenta = planes.to(torch.int32).unbind(-3)
    luma = (luma + (1 << (depth - 1))) & 0xFFFF
    middle = (luma - (magenta >> 1)) & 0xFFFF
    green = (magenta + middle) & 0xFFFF
    blue = (middle - (orange >> 1)) & 0xFFFF
    return torch.stack([(blue + orange) & 0xFFFF, green, blue], -3)


def wrapped(x: Tensor) -> Tensor:
    """What is x modulo 2**16 in -2**15 ... 2**15 - 1."""
    return ((x + 0x8000) & 0xFFFF) - 0x8000
