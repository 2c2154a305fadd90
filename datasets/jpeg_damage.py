"""How far a picture must be scaled down for the traces of lossy compression in it to disappear.

Told from what the file itself says: a JPEG states its quantisation and chroma sampling, WebP whether it is
lossy. A lossless file that was made from a JPEG, a lossy TIFF or an AVIF cannot be told from a clean one.
"""

import functools
from collections.abc import Sequence

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

CLEAN_QUALITY = 90  # from here on, with full chroma resolution, a JPEG is left as it is
POOR_QUALITY = 60  # below, half the size does not do

# ITU-T T.81, table K.1: luminance, rows of rising vertical frequency.
# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on


def shrink_factor(image: Image.Image, data: bytes) -> int:
    """1 for a clean picture, else 2, or 4 for a poor one. `image` is as Pillow opened it from `data`."""
    if isinstance(image, JpegImageFile):
        quality = jpeg_quality(_luminance_table(image))
        if quality < POOR_QUALITY:
            return 4
        return 1 if quality >= CLEAN_QUALITY and _full_chroma(image) else 2
    return 2 if _is_lossy_webp(data) else 1


def jpeg_quality(table: Sequence[int]) -> int:
    """The quality, 1 to 100 as libjpeg counts it, whose luminance table is nearest to `table` (64, row by row)."""
    return min(
        range(100, 0, -1),
        key=lambda quality: sum(abs(a - b) for a, b in zip(table, _scaled_table(quality), strict=True)),
    )


@functools.cache
def _scaled_table(quality: int) -> tuple[int, ...]:
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(max((step * percent + 50) // 100, 1), 255) for step in _LUMINANCE)


def _luminance_table(image: JpegImageFile) -> Sequence[int]:
    return image.quantization[image.layer[0][3]]  # of a layer: id, horizontal and vertical sampling, table


def _full_chroma(image: JpegImageFile) -> bool:
    """4:4:4, or no chroma at all."""
    return len({(horizontal, vertical) for _, horizontal, vertical, _ in image.layer}) == 1


def _is_lossy_webp(data: bytes) -> bool:
    """Whether a RIFF file holds a "VP8 " chunk at its top level; lossless pictures are "VP8L"."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return False
    offset = 12
    while offset + 8 <= len(data):
        if data[offset : offset + 4] == b"VP8 ":
            return True
        size_bytes = int.from_bytes(data[offset + 4 : offset + 8], "little")
        offset += 8 + size_bytes + size_bytes % 2
    return False
