"""Raw planar video files of one frame: Y, Cb, Cr, rows from the top, samples of 16 bits, little-endian."""

from pathlib import Path

import numpy as np

from ..ycbcr import Chroma, Plane


def write_yuv(path: Path, planes: list[Plane]) -> None:
    path.write_bytes(b"".join(plane.astype("<u2").tobytes() for plane in planes))


def read_yuv(path: Path, height_px: int, width_px: int, chroma: Chroma) -> list[Plane]:
    """The planes of a picture of this size, made even for 4:2:0. Raises ValueError if the file is of another size."""
    step = 2 if chroma == "4:2:0" else 1
    luma = (height_px + height_px % step, width_px + width_px % step)
    shapes = [luma, *[(luma[0] // step, luma[1] // step)] * 2]
    sizes = [height * width for height, width in shapes]
    samples = np.frombuffer(path.read_bytes(), "<u2")
    if samples.size != sum(sizes):
        raise ValueError(f"{samples.size} samples where {sum(sizes)} were expected")
    parts = np.split(samples.astype(np.uint16), np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
