"""A raw video stream of one picture, made a picture file: the stream, then width and height.

    | stream | width u16 | height u16 |      little-endian, in pixels

Such streams hold the sizes that their codec likes, even ones for 4:2:0. The four bytes count, and they stand
at the end so that a file that was cut short does not fit its own size.
"""

import struct

from .anchor import Pixels

_SIZE = struct.Struct("<HH")


def with_size(stream: bytes, pixels: Pixels) -> bytes:
    """The file of a stream that codes `pixels`. Raises struct.error for a side above 65535 pixels."""
    return stream + _SIZE.pack(pixels.shape[1], pixels.shape[0])


def split_size(data: bytes) -> tuple[bytes, int, int]:
    """Stream, height and width. Raises ValueError if the file is too short for both."""
    if len(data) <= _SIZE.size:
        raise ValueError(f"a file of {len(data)} bytes holds no stream")
    width_px, height_px = _SIZE.unpack_from(data, len(data) - _SIZE.size)
    return data[: -_SIZE.size], height_px, width_px
