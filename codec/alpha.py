"""The alpha plane of a picture: kept as it is, by differences between neighbours and deflate."""

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.errors import FormatError
from .differences import AXES, differences, from_bytes, sums, to_bytes

Plane = npt.NDArray[np.unsignedinteger[Any]]


def pack_alpha(alpha: Plane) -> bytes:
    """alpha (H, W), uint8 or uint16 -> the payload of ALPHA, SPEC 5.2: the shortest of four ways."""
    plane = to_bytes(alpha)
    ways = range(len(AXES))
    return min((bytes((way,)) + zlib.compress(differences(plane, way).tobytes(), 9) for way in ways), key=len)


def unpack_alpha(payload: bytes, height: int, width: int, depth: int = 8) -> Plane:
    """The inverse, (H, W), uint16 for more than 8 bits. Raises FormatError; takes little more memory than the plane."""
    if depth == 8:
        return _unpack_bytes(payload, height, width)
    plane = from_bytes(_unpack_bytes(payload, 2 * height, width))
    if int(plane.max()) >= 1 << depth:
        raise FormatError(f"alpha holds a sample of more than {depth} bits", field="ALPHA")
    return plane


def _unpack_bytes(payload: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    if not payload or payload[0] >= len(AXES):
        raise FormatError(f"alpha is coded in the way {payload[:1].hex() or 'of nothing'}, not 0 .. 3", field="ALPHA")
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(payload[1:], height * width + 1)
    except zlib.error as error:
        raise FormatError(f"alpha is damaged: {error}", field="ALPHA") from None
    if len(data) != height * width or not inflate.eof or inflate.unused_data:
        raise FormatError(f"alpha holds another number of samples than {width} x {height}", field="ALPHA")
    return sums(np.frombuffer(data, np.uint8).reshape(height, width), payload[0])


def fill_transparent(pixels: Plane, alpha: Plane) -> Plane:
    """pixels (H, W, 3) with other colours where alpha (H, W) is 0: smooth ones, which cost next to nothing.

    Each is a mean of the visible colours of the smallest square of a pyramid in which there are any.
    """
    visible = (alpha > 0).astype(np.float32)[..., None]
    if visible.all() or not visible.any():
        return pixels if visible.any() else np.full_like(pixels, np.iinfo(pixels.dtype).max // 2 + 1)
    levels = [(pixels * visible, visible)]
    while max(levels[-1][0].shape[:2]) > 1:
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    colour = levels[-1][0] / levels[-1][1]
    for total, weight in levels[-2::-1]:
        coarse = colour.repeat(2, 0).repeat(2, 1)[: total.shape[0], : total.shape[1]]
        colour = np.where(weight > 0, total / np.maximum(weight, 1e-6), coarse)
    filled: Plane = np.where(visible > 0, pixels, np.round(colour)).astype(pixels.dtype)
    return filled


def _halved(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sums of squares of 2x2."""
    height, width, channels = plane.shape
    padded = np.pad(plane, ((0, height % 2), (0, width % 2), (0, 0)))
    sums: npt.NDArray[np.float32] = padded.reshape(-(-height // 2), 2, -(-width // 2), 2, channels).sum((1, 3))
    return sums
