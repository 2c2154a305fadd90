"""RGB to full-range YCbCr planes and back, for codecs that take video frames and for PSNR of luma and chroma.

ITU-T H.273, full range: Y in 0..1 becomes 0..2**bits - 1, Cb and Cr in -0.5..0.5 lie around 2**(bits - 1).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Plane = NDArray[np.uint8] | NDArray[np.uint16]
Chroma = Literal["4:2:0", "4:4:4"]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Weights of red and blue in luma."""

    red: float
    blue: float


BT601 = Matrix(0.299, 0.114)
BT709 = Matrix(0.2126, 0.0722)


def rgb_to_ycbcr(pixels: NDArray[np.uint8], matrix: Matrix) -> Floats:
    """uint8 (H, W, 3) to float32 (H, W, 3): Y in 0..1, Cb and Cr in -0.5..0.5, not rounded."""
    red, green, blue = np.moveaxis(pixels.astype(np.float32) / np.float32(255), 2, 0)
    luma = matrix.red * red + (1 - matrix.red - matrix.blue) * green + matrix.blue * blue
    cb, cr = (blue - luma) / (2 - 2 * matrix.blue), (red - luma) / (2 - 2 * matrix.red)
    return np.stack([luma, cb, cr], axis=2)


def ycbcr_to_rgb(ycbcr: Floats, matrix: Matrix) -> NDArray[np.uint8]:
    """The inverse of `rgb_to_ycbcr`, rounded and limited to 0..255."""
    luma, cb, cr = np.moveaxis(ycbcr, 2, 0)
    red, blue = luma + (2 - 2 * matrix.red) * cr, luma + (2 - 2 * matrix.blue) * cb
    green = (luma - matrix.red * red - matrix.blue * blue) / (1 - matrix.red - matrix.blue)
    rgb = np.stack([red, green, blue], axis=2)
    pixels: NDArray[np.uint8] = np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)
    return pixels


def to_planes(pixels: NDArray[np.uint8], matrix: Matrix, bits: int, chroma: Chroma) -> list[Plane]:
    """Y, Cb and Cr planes of a picture: uint8 for 8 bits, otherwise uint16.

    For 4:2:0 an odd side is first made even by repeating the last row or column, and chroma is scaled
    down by Pillow's Lanczos filter, sited in the middle of its four luma samples.
    """
    if chroma == "4:2:0":
        pixels = np.pad(pixels, ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)), mode="edge")
    planes = list(np.moveaxis(rgb_to_ycbcr(pixels, matrix), 2, 0))
    if chroma == "4:2:0":
        planes[1:] = [_resized(plane, plane.shape[0] // 2, plane.shape[1] // 2) for plane in planes[1:]]
    peak, middle = 2**bits - 1, 2 ** (bits - 1)
    levels = [np.rint(plane * peak + offset) for plane, offset in zip(planes, (0, middle, middle), strict=True)]
    return [np.clip(plane, 0, peak).astype(np.uint8 if bits == 8 else np.uint16) for plane in levels]


def from_planes(planes: list[Plane], matrix: Matrix, bits: int, height_px: int, width_px: int) -> NDArray[np.uint8]:
    """The picture uint8 (height_px, width_px, 3) of planes as `to_planes` makes them.

    Chroma planes smaller than luma are scaled up by two with Pillow's Lanczos filter. At most one row and one
    column beyond the picture are cut off; raises ValueError if the planes are of yet another size.
    """
    height, width = planes[0].shape
    if not 0 <= height - height_px <= 1 or not 0 <= width - width_px <= 1:
        raise ValueError(f"the planes are {width} x {height}, the picture is {width_px} x {height_px}")
    scale = np.float32(1 / (2**bits - 1))
    luma, cb, cr = (
        (plane.astype(np.float32) - offset) * scale
        for plane, offset in zip(planes, (0, 2 ** (bits - 1), 2 ** (bits - 1)), strict=True)
    )
    if cb.shape != luma.shape:
        cb, cr = (_resized(p, 2 * p.shape[0], 2 * p.shape[1])[:height, :width] for p in (cb, cr))
    return ycbcr_to_rgb(np.stack([luma, cb, cr], axis=2)[:height_px, :width_px], matrix)


def _resized(plane: Floats, height: int, width: int) -> Floats:
    """Scaled in single precision, not rounded."""
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS), dtype=np.float32)
