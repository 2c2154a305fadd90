"""A slow decoder of lossless files, written from formats/SPEC.md section 20 alone, with the layers of spec_decoder."""

import json
import zlib

import numpy as np
from safetensors.numpy import load
from spec_decoder import RangeDecoder, block, clamp16, convolution, pointwise, row_of, table

OCTAVES = np.array([0, 6, 11, 17, 23, 28, 34, 39, 45])
A, B, C = 0, 1, 2
NEAREST = (
    ((A, 0, 0), (A, 0, 1), (A, 1, 0), (A, 1, 1)),
    ((A, 0, 0), (A, 0, 1), (B, -1, 0), (B, 0, 0)),
    ((A, 0, 0), (A, 1, 0), (B, 0, -1), (B, 0, 0)),
)


def samples_of(model_file, steps, height, width, side, depth, grey):
    """(red, green, blue (3, H, W), crc32 of the symbols) of a tile; side as in section 20.2."""
    header = json.loads(model_file[8 : 8 + int.from_bytes(model_file[:8], "little")])
    assert json.loads(header["__metadata__"]["lcodec"])["config"]["transform"] == "lossless"
    t = {k.removeprefix("network."): v.astype(np.int64) for k, v in load(model_file).items()}
    ends = np.cumsum(t["rows.sizes"])
    rows = [t["rows.entries"][end - size : end] for end, size in zip(ends, t["rows.sizes"], strict=True)]
    planes = np.zeros((3, height, width), np.int64)
    colours = 1 if grey else 3
    levels = next(n for n in range(20) if -(-side // 2**n) <= 4)
    assert len(steps) == levels + 1
    crc = 0

    def code(coder, mean, e):
        """Section 20.4: the samples of a group."""
        nonlocal crc
        w = (mean + 16) // 32
        j = np.array([next(n for n in range(9) if v - OCTAVES[n] <= 63) for v in e], np.int64)
        row = 4 * (e - OCTAVES[j]) + ((((mean - 32 * w) >> j) + 16) >> 3)
        high, escaped = np.zeros(len(row), np.int64), []
        for n in np.argsort(row, kind="stable"):
            entries = rows[row[n]]
            entry = coder.entry(entries)
            if entry == entries.size - 1:
                escaped.append(n)
            else:
                high[n] = entry - (entries.size // 2 - 1)
        for n in escaped:
            high[n] = (coder.entry(np.full(256, 256)) << 8 | coder.entry(np.full(256, 256))) - 32768
        symbols = high.copy()
        for bits in range(1, 9):
            for n in np.flatnonzero(j == bits):
                low = coder.entry(np.full(2**bits, 2**16 >> bits))
                symbols[n] = wrap16(2**bits * high[n] - 2 ** (bits - 1) + low)
        crc = zlib.crc32(symbols.astype("<i2").tobytes(), crc)
        return wrap16(w + symbols)

    coder = RangeDecoder(steps[0])
    for c in range(colours):
        own = planes[c, :: 2**levels, :: 2**levels]
        count = own.size
        own[:] = code(coder, np.zeros(count, np.int64), np.full(count, 53 + OCTAVES[depth - 8])).reshape(own.shape)
    for s in range(1, levels + 1):
        coder = RangeDecoder(steps[s])
        level = levels - s
        known = [planes[:, :: 2 ** (level + 1), :: 2 ** (level + 1)]]
        for phase, (y, x) in enumerate(((1, 1), (0, 1), (1, 0))):
            own = planes[:, y * 2**level :: 2 ** (level + 1), x * 2**level :: 2 ** (level + 1)]
            if own.size:
                decode_phase(t, phase, level, known, own, depth, colours, lambda m, e, c=coder: code(c, m, e))
            known.append(own)
    return to_rgb(planes, depth), crc


def decode_phase(t, phase, level, known, own, depth, colours, code):
    """Section 20.3."""
    known = [plane if plane.size else known[0] for plane in known]
    y, x = np.mgrid[-3 : own.shape[1] + 3, -3 : own.shape[2] + 3]

    def seen(plane, down=0, right=0):
        return plane[:, np.clip(y + down, 0, plane.shape[1] - 1), np.clip(x + right, 0, plane.shape[2] - 1)]

    def feature(v):
        return clamp16(8 * v if depth == 8 else (8 * v + 2 ** (depth - 9)) >> (depth - 8))

    name = f"phases.{phase}."
    base = 8 * sum(seen(known[k], down, right) for k, down, right in NEAREST[phase])
    inputs = [feature(8 * seen(known[0])), *(feature(32 * seen(plane) - base) for plane in known)]
    level_bias = table(t[name + "level.table"], 1024 * min(level, 4))[:, None, None]
    hidden = leaky(clamp16(convolution(t, name + "enter", np.concatenate(inputs)) + level_bias))
    hidden = block(t, name + "blocks.1", block(t, name + "blocks.0", hidden))[:, 3:-3, 3:-3]
    missed = []
    for c in range(colours):
        if c == 0:
            out = pointwise(t, name + "luma", hidden)
        else:
            sizes = [clamp16(np.minimum(8 * np.abs(r), 2048) + np.abs(r)) for r in missed]
            mixed = pointwise(t, name + f"mixes.{c - 1}", np.concatenate([hidden, *missed, *sizes]))
            out = pointwise(t, name + f"chroma.{c - 1}", leaky(mixed))
        mean = base[c, 3:-3, 3:-3] + out[0] * 2 ** (depth - 8)
        e = row_of(out[1]) + OCTAVES[depth - 8]
        own[c] = code(mean.reshape(-1), e.reshape(-1)).reshape(own[c].shape)
        missed.append(feature(32 * own[c] - mean)[None])


def to_rgb(planes, depth):
    """Section 20.1."""
    luma, orange, magenta = planes
    t = ((luma + 2 ** (depth - 1)) - (magenta >> 1)) % 65536
    green = (magenta + t) % 65536
    blue = (t - (orange >> 1)) % 65536
    return np.stack([(blue + orange) % 65536, green, blue])


def leaky(v):
    return np.where(v < 0, (164 * v + 8192) >> 14, v)


def wrap16(v):
    return (v + 32768) % 65536 - 32768
