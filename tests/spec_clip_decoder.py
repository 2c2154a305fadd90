"""A slow decoder of the symbols of clips, written from formats/CLIP-SPEC.md alone: numpy integers, none of the package.

Of an undamaged file; networks and range coder are those of `spec_decoder`, as in the document.
"""

import zlib
from dataclasses import dataclass, field

import numpy as np
from spec_decoder import RangeDecoder, block, clamp16, group_symbols, latents, pointwise, stored

SPREADS = (0, 1, 2, 4, 8, 16, 32)


def sections(data):
    """Section 1: (type, payload) of all sections; checksums hold."""
    assert data[:6] == b"\x8bLV\n\x03\x00"
    place, begin = 6, 0
    while place < len(data):
        kind = data[place]
        length, start = varint(data, place + 1)
        end = start + length
        assert zlib.crc32(data[begin:end]) == int.from_bytes(data[end : end + 4], "little")
        yield kind, data[start:end]
        place = begin = end + 4


def varint(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def group(first, length):
    """Section 3.1: (number, references, level) of the frames of a group, in their order."""
    slots = [(first + length, (first,), 0)]

    def between(first, last, level):
        if last - first > 1:
            middle = (first + last) // 2
            slots.append((middle, (first, last), level))
            between(first, middle, level + 1)
            between(middle, last, level + 1)

    between(first, first + length, 1)
    return slots


@dataclass
class Frame:
    number: int
    references: tuple
    level: int
    gain_index: int = 0
    crc: int = 0
    symbols: bytes | None = None  # none of a frame that is repeated


def frames(data):
    """The size in pixels, and the frames as they come."""
    found, waiting, anchor, size = [], [], -1, None
    for kind, payload in sections(data):
        if kind == 1:
            width, place = varint(payload, 0)
            height, _ = varint(payload, place)
            size = height, width
        elif kind == 2:
            assert payload[:4] == b"\x8bLVI" and not waiting
            anchor, place = varint(payload, 4)
            found.append(coded(Frame(anchor, (), 0), payload[place + 8 :]))
        elif kind in (3, 4, 8):
            ahead, place = varint(payload, 0) if kind == 3 else (0, 0)
            if not waiting:
                assert kind != 8
                waiting, anchor = group(anchor, ahead + 1), anchor + ahead + 1
            else:
                assert kind != 3
            frame = Frame(*waiting.pop(0))
            _, place = varint(payload, place)
            found.append(coded(frame, payload[place:]) if kind != 4 else frame)
    assert not waiting
    return size, found


def coded(frame, rest):
    frame.gain_index, frame.crc = int.from_bytes(rest[:2], "little"), int.from_bytes(rest[2:6], "little")
    frame.symbols = rest[6:]
    return frame


@dataclass
class Known:
    intra: np.ndarray | None = None
    last: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)  # F(a, b) by (a, b)


def check_symbols(data, intra_file, predicted_file):
    """Decode the symbols of all frames, which have their checksums; how many frames were coded."""
    (height, width), found = frames(data)
    h, w = -(-height // 16), -(-width // 16)
    known, count = Known(), 0
    for frame in found:
        if frame.symbols is None:
            continue
        config, first_row, t, rows = stored(predicted_file if frame.references else intra_file)
        coder, all_symbols = RangeDecoder(frame.symbols), []

        def code(step, row, coder=coder, rows=rows, first_row=first_row, all_symbols=all_symbols):
            all_symbols.append(group_symbols(coder, rows, first_row, row))
            return all_symbols[-1]

        if frame.references:
            fields, kinds = motion(code, expected(known.fields, frame), len(frame.references), h, w)
            past = past_of(t, known, frame.level, numbers_of(fields, kinds))
            remember(known.fields, frame, fields)
            known.last[frame.level] = latents(config, t, code, frame.gain_index, h, w, past)
        else:
            known = Known(latents(config, t, code, frame.gain_index, h, w))
        crc = 0
        for symbols in all_symbols:
            crc = zlib.crc32(symbols.astype("<i2").tobytes(), crc)
        assert crc == frame.crc, f"frame {frame.number}"
        count += 1
    return count


def expected(fields, frame):
    """Section 6.3: vectors into each reference, or None."""

    def part(v, p, q):
        return np.clip((2 * p * v + q) // (2 * q), -8192, 8192)

    n, (a, *others) = frame.number, frame.references
    if not others:
        before = [c for c, end in fields if end == a]
        if not before:
            return None
        c = min(before)
        return [part(fields[c, a], n - a, a - c)]
    (b,) = others
    if (a, b) not in fields:
        return None
    return [part(fields[a, b], n - a, b - a), part(-fields[a, b], b - n, b - a)]


def remember(fields, frame, found):
    """Section 6.3: the fields there are after a frame."""
    a, *others = frame.references
    if not others:
        fields.clear()
    fields[a, frame.number] = found[0]
    for b in others:
        fields[frame.number, b] = -found[1]


def motion(code, base, references, h, w):
    """Section 6: vectors into each reference, and the kind of each block, see section 7."""
    if base is not None and not code(None, np.array([64 + 317 + references - 1]))[0]:
        base = None
    if base is None:
        base = [np.zeros((2, h, w), np.int64)] * references
    if references == 1:
        return [base[0] + vectors(code, 64, np.ones((h, w), bool))], np.zeros((h, w), np.int64)
    modes = np.zeros((h, w), np.int64)
    for level, places in grid(h, w):
        if level is None:
            row = [64 + 291] * len(places)
        else:
            values = [[modes[n] for n in around] for _, around in places]
            row = [64 + 292 + 5 * v.count(1) + v.count(-1) for v in values]
        symbols = code(None, np.array(row, np.int64)) if row else []
        for (place, _), symbol in zip(places, symbols, strict=True):
            modes[place] = symbol
    fields = [base[n] + vectors(code, 64 + 97 * (1 + n), modes != unused) for n, unused in enumerate((-1, 1))]
    return fields, np.where(modes == 0, 1, 2)


def numbers_of(fields, kinds):
    """Section 7: what follows from vectors and modes."""
    h, w = kinds.shape
    size = np.max([np.abs(v).sum(0) for v in fields], 0)
    spread = np.zeros((h, w), np.int64)
    for v in fields:
        for y, x in np.ndindex(h, w):
            for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= j < h and 0 <= i < w:
                    spread[y, x] = max(spread[y, x], np.abs(v[:, y, x] - v[:, j, i]).sum())
    return np.stack([size, spread, kinds])


def grid(h, w):
    """Sections 6.1: (level, [(place, neighbours)]) of the groups in their order; of the first, level None."""
    yield None, [((y, x), None) for y in range(0, h, 8) for x in range(0, w, 8)]
    for level, s in enumerate((4, 2, 1)):
        diagonal = [(-s, -s), (-s, s), (s, -s), (s, s)]
        across, along = [(0, -s), (0, s)], [(-s, 0), (s, 0)]
        odd_y, odd_x, even_y, even_x = range(s, h, 2 * s), range(s, w, 2 * s), range(0, h, 2 * s), range(0, w, 2 * s)
        for ys, xs, steps in (
            (odd_y, odd_x, diagonal),
            (even_y, odd_x, across + along),
            (odd_y, even_x, along + across),
        ):
            places = []
            for y in ys:
                for x in xs:
                    around = [(y + j, x + i) for j, i in steps]
                    first = around[0]
                    around = [(j, i) if 0 <= j < h and 0 <= i < w else first for j, i in around]
                    places.append(((y, x), around))
            if places:
                yield level, places


def vectors(code, base, used):
    """Section 6.1, by the rows from `base` on."""
    found = np.zeros((2, *used.shape), np.int64)
    for level, places in grid(*used.shape):
        own = [n for n, (place, _) in enumerate(places) if used[place]]
        if level is None:
            for axis in (0, 1):
                symbols = code(None, np.full(len(own), base)) if own else []
                for n, symbol in zip(own, symbols, strict=True):
                    found[axis][places[n][0]] = symbol
            continue
        around = np.array([[found[:, j, i] for j, i in near] for _, near in places])  # (n, 4, 2)
        ordered = np.sort(around, axis=1)
        predicted = (ordered[:, 1] + ordered[:, 2]) >> 1
        d = (ordered[:, 3] - ordered[:, 0]).sum(1)
        context = 8 * level + np.array([sum(limit < value for limit in SPREADS) for value in d])
        seen = np.zeros(len(places), np.int64)
        for axis in (0, 1):
            row = base + 1 + context if axis == 0 else base + 1 + 24 * (1 + seen) + context
            difference = np.zeros(len(places), np.int64)
            if own:
                difference[own] = code(None, row[own])
            seen = np.minimum(np.abs(difference), 2)
            for n, (place, _) in enumerate(places):
                found[axis][place] = predicted[n, axis] + difference[n]
    return found


def past_of(t, known, level, numbers):
    """Section 7."""

    def m(x):
        return clamp16(np.minimum(8 * np.abs(x), 2048) + np.abs(x))

    there = [known.last[n] for n in range(level, -1, -1) if n in known.last]
    intra = clamp16(4 * known.intra)
    last = clamp16(4 * there[0]) if there else np.zeros_like(intra)
    x = np.concatenate([m(intra), last, m(last), m(clamp16(32 * numbers))])
    return block(t, "past.block", pointwise(t, "past.enter", x))
