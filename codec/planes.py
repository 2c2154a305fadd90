"""Decoded pixels as the planes that a picture was made of."""

import numpy as np

from ..formats.container import Header
from ..formats.pictures import Samples
from .alpha import unpack_alpha
from .tiles import Box


def samples_of(pixels: Samples, header: Header, alpha: bytes | None, area: Box) -> Samples:
    """RGB pixels (H, W, 3) of an area as the planes that the picture was made of. Raises FormatError for bad alpha."""
    planes = pixels
    if header.grey:
        total = pixels.sum(2, dtype=np.uint16 if pixels.dtype == np.uint8 else np.uint32)
        planes = ((total + 1) // 3).astype(pixels.dtype)[..., None]
    if alpha is not None:
        plane = unpack_alpha(alpha, header.height, header.width, header.depth)[area.slices]
        planes = np.concatenate([planes, plane[..., None]], axis=2)
    return planes[..., 0] if planes.shape[2] == 1 else planes
