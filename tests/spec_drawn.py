"""A slow decoder of drawn tiles, written from formats/SPEC.md section 21 alone but for LZMA2, which is liblzma's."""

import lzma

import numpy as np

AXES = ((), ("x",), ("y",), ("y", "x"))
BITS = (8, 4, 2, 1)


def samples_of(payload, height, width, channels, depth):
    """Samples (H, W, C) of a drawn tile."""
    sample_bytes = 1 if depth == 8 else 2
    way, rest = payload[0], payload[1:]
    if way < 4:
        rows = height * sample_bytes
        data = np.frombuffer(lzma2(rest, rows * width * channels), np.uint8).reshape(rows, width, channels).copy()
        for axis in AXES[way]:
            for n in range(1, rows if axis == "y" else width):
                if axis == "y":
                    data[n] += data[n - 1]
                else:
                    data[:, n] += data[:, n - 1]
        return data if depth == 8 else data[:height].astype(np.uint16) * 256 + data[height:]
    bits, count = BITS[way - 4], rest[0] + 1
    head = 1 + count * channels * sample_bytes
    colours = np.array(
        [
            int.from_bytes(rest[1 + n * sample_bytes : 1 + (n + 1) * sample_bytes], "little")
            for n in range(count * channels)
        ]
    ).reshape(count, channels)
    stored = (width * bits + 7) // 8
    data = lzma2(rest[head:], height * stored)
    samples = np.zeros((height, width, channels), np.uint16)
    for y in range(height):
        row = int.from_bytes(data[y * stored : (y + 1) * stored], "big")
        for x in range(width):
            samples[y, x] = colours[row >> (8 * stored - bits * (x + 1)) & ((1 << bits) - 1)]
    return samples


def lzma2(data, size):
    dictionary = 4096
    while dictionary < min(size, 2**26):
        dictionary *= 2
    found = lzma.decompress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": dictionary}])
    assert len(found) == size
    return found
