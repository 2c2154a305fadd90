"""Tiles of drawings and screenshots: samples by a dictionary of what was before, as they are, as differences between
neighbours, or as numbers in a list of few colours. SPEC.md section 21; the dictionary coder is LZMA2, by liblzma.
"""

import lzma
import zlib
from collections.abc import Iterator
from itertools import product

import numpy as np

from ..entropy.coder import CoderError
from ..formats.pictures import Samples
from .differences import AXES, Bytes, differences, from_bytes, sums, to_bytes

_INDEX_BITS = (8, 4, 2, 1)  # of ways 4 to 7
_LIST = len(AXES)  # the first way of them; those before are of differences
_MOST_COLOURS = 256
_LEAST_DICTIONARY, _LARGEST_DICTIONARY = 2**12, 2**26
_QUICK, _BEST = 1, 9 | lzma.PRESET_EXTREME
_SOME, _MOST = 0.2, 0.6  # shares of places whose left neighbour is the same: of what may be a drawing, and of what is


def looks_drawn(samples: Samples) -> bool:
    """Whether samples (H, W, C) have so much of one colour beside itself that they may be a drawing."""
    return _flat_share(samples) > _SOME


def is_mixed(samples: Samples, side: int) -> bool:
    """Whether of the tiles of a side some are drawings and some are not."""
    height, width = samples.shape[:2]
    corners = product(range(0, height, side), range(0, width, side))
    shares = [_flat_share(samples[y : y + side, x : x + side]) for y, x in corners]
    return min(shares) <= _SOME and max(shares) > _MOST


def _flat_share(samples: Samples) -> float:
    if samples.shape[1] == 1:
        return 1.0
    rows = samples[:: max(1, len(samples) // 256)]
    return float((rows[:, 1:] == rows[:, :-1]).all(2).mean())


def pack_drawn(samples: Samples) -> bytes:
    """samples (H, W, C), uint8 or uint16 -> the way and its bytes. The way is the one that is shortest in a hurry."""
    way, head, data = min(_ways(samples), key=lambda of: len(of[1]) + len(_compressed(of[2], _QUICK)))
    return bytes((way,)) + head + _compressed(data, _BEST)


def unpack_drawn(payload: bytes, height: int, width: int, channels: int, depth: int) -> Samples:
    """The inverse: (H, W, C), uint16 for more than 8 bits. Raises CoderError. Takes little more memory than samples."""
    kind = np.dtype(np.uint8) if depth == 8 else np.dtype("<u2")
    if not payload or payload[0] >= _LIST + len(_INDEX_BITS):
        raise CoderError(f"a drawn tile is coded in the way {payload[:1].hex() or 'of nothing'}, not 0 .. 7")
    way, rest = payload[0], payload[1:]
    if way < _LIST:
        planes = (height * kind.itemsize, width, channels)
        data = _decompressed(rest, planes[0] * width * channels).reshape(planes)
        data = sums(data, way)
        samples: Samples = data if depth == 8 else from_bytes(data)
    else:
        bits = _INDEX_BITS[way - _LIST]
        size = channels * kind.itemsize
        count = rest[0] + 1 if rest else 0
        if count * size > len(rest) - 1 or not 1 <= count <= 1 << bits:
            raise CoderError("the colours of a drawn tile are cut, or too many")
        listed = np.frombuffer(rest, np.uint8, count * size, 1)
        colours: Samples = (listed if depth == 8 else listed.view(kind)).reshape(count, channels)
        stored = -(-width * bits // 8)
        index = _unpacked(_decompressed(rest[1 + count * size :], height * stored).reshape(height, stored), bits, width)
        if int(index.max()) >= count:
            raise CoderError("a drawn tile names a colour that it does not have")
        samples = colours[index]
    if depth > 8 and int(samples.max()) >= 1 << depth:
        raise CoderError(f"a sample of more than {depth} bits")
    return samples.astype(np.uint8 if depth == 8 else np.uint16, copy=False)


def drawn_crc(samples: Samples) -> int:
    """The checksum of samples (H, W, C), each as two bytes, the lower one first."""
    return zlib.crc32(samples.astype("<u2").tobytes())


def _ways(samples: Samples) -> Iterator[tuple[int, bytes, Bytes]]:
    """All ways of these samples: what each begins with, and what it compresses."""
    data = to_bytes(samples)
    for way in range(_LIST):
        yield way, b"", differences(data, way)
    if (listed := _colours(samples)) is None:
        return
    colours, index = listed
    for way, bits in enumerate(_INDEX_BITS, _LIST):
        if len(colours) <= 1 << bits:
            yield way, _pack_colours(colours), _packed(index, bits)


def _colours(samples: Samples) -> tuple[Samples, Bytes] | None:
    """The colours (n, C) and the number (H, W) of each place's, or None where they are too many to list."""
    height, width, channels = samples.shape
    code = samples[..., 0].astype(np.uint64)
    for channel in range(1, channels):
        code |= samples[..., channel].astype(np.uint64) << np.uint64(16 * channel)
    if len(np.unique(code[:: 1 + height // 64])) <= _MOST_COLOURS:
        _, first, index = np.unique(code, return_index=True, return_inverse=True)
        if len(first) <= _MOST_COLOURS:
            return samples.reshape(-1, channels)[first], index.reshape(height, width).astype(np.uint8)
    return None


def _pack_colours(colours: Samples) -> bytes:
    return bytes((len(colours) - 1,)) + colours.astype(colours.dtype.newbyteorder("<")).tobytes()


def _packed(index: Bytes, bits: int) -> Bytes:
    """Numbers (H, W) of so many bits, the first one highest; every row begins with a byte of its own."""
    in_byte = 8 // bits
    padded = np.pad(index, ((0, 0), (0, -index.shape[1] % in_byte))).reshape(len(index), -1, in_byte)
    places = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    packed: Bytes = np.bitwise_or.reduce(padded << places, axis=2).astype(np.uint8)
    return packed


def _unpacked(packed: Bytes, bits: int, width: int) -> Bytes:
    places = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    numbers: Bytes = (packed[..., None] >> places & np.uint8((1 << bits) - 1)).reshape(len(packed), -1)[:, :width]
    return numbers


def _filter(size: int, preset: int = _QUICK) -> list[dict[str, int]]:
    dictionary = min(max(1 << (size - 1).bit_length(), _LEAST_DICTIONARY), _LARGEST_DICTIONARY)
    return [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary, "pb": 0}]


def _compressed(data: Bytes, preset: int) -> bytes:
    return lzma.compress(data.tobytes(), lzma.FORMAT_RAW, filters=_filter(data.size, preset))


def _decompressed(data: bytes, size: int) -> Bytes:
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filter(size))
        found = decoder.decompress(data, size + 1)
    except lzma.LZMAError as error:
        raise CoderError(f"a drawn tile is damaged: {error}") from None
    if len(found) != size or not decoder.eof or decoder.unused_data:
        raise CoderError(f"a drawn tile holds another number of bytes than {size}")
    return np.frombuffer(found, np.uint8)
