"""Vectors as symbols: there and back, also by a reading of CLIP-SPEC 6.1 that knows nothing of the program."""

import numpy as np
import pytest
from spec_clip_decoder import grid

from lcodec.entropy.coder import RowCoder
from lcodec.entropy.vectors import (
    FIELDS,
    LIMIT,
    MODE_ROW,
    ROW_COUNT,
    VECTOR_ROWS,
    decode_modes,
    decode_vectors,
    encode_modes,
    encode_vectors,
    laplacian_rows,
)

SIZES = [(1, 1), (1, 9), (7, 1), (2, 2), (9, 17), (18, 22), (23, 40)]


def fields(size, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    yield np.zeros((2, *size), np.int32)
    yield np.stack([y * 3 - x, 40 - 2 * x]).astype(np.int32)
    yield rng.integers(-30, 30, (2, *size)).astype(np.int32)
    yield rng.integers(-LIMIT, LIMIT, (2, *size)).astype(np.int32)


def coded(vectors):
    """(row, symbol) of all symbols in order."""
    found = []

    def coding(row, wanted):
        found.extend(zip(row.tolist(), wanted.tolist(), strict=True))
        return wanted

    encode_vectors(vectors, coding)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(size):
    coder = RowCoder(laplacian_rows(), 0)
    for vectors in fields(size):
        writer = coder.writer()
        encode_vectors(vectors, lambda row, wanted, writer=writer: (writer.push(wanted, row), wanted)[1])
        reader = coder.reader(writer.bytes())
        assert np.array_equal(decode_vectors(size, lambda row, wanted, reader=reader: reader.pull(row)), vectors)
        reader.finish()


def as_specified(vectors):
    """(row, symbol) of all symbols, by the text."""
    _, h, w = vectors.shape
    found = []
    for axis in (0, 1):
        found += [(0, int(vectors[axis, y, x])) for y in range(0, h, 8) for x in range(0, w, 8)]
    for level, s in enumerate((4, 2, 1)):
        odd_y, odd_x = range(s, h, 2 * s), range(s, w, 2 * s)
        even_y, even_x = range(0, h, 2 * s), range(0, w, 2 * s)
        diagonal = [(-s, -s), (-s, s), (s, -s), (s, s)]
        across, along = [(0, -s), (0, s)], [(-s, 0), (s, 0)]
        for rows, columns, around in (
            (odd_y, odd_x, diagonal),
            (even_y, odd_x, across + along),
            (odd_y, even_x, along + across),
        ):
            first, second = [], []
            for y in rows:
                for x in columns:
                    near = [(y + a, x + b) for a, b in around]
                    near = [p if 0 <= p[0] < h and 0 <= p[1] < w else near[0] for p in near]
                    values = [sorted(int(vectors[axis, p[0], p[1]]) for p in near) for axis in (0, 1)]
                    d = sum(v[-1] - v[0] for v in values)
                    k = sum(limit < d for limit in (0, 1, 2, 4, 8, 16, 32))
                    symbols = [int(vectors[axis, y, x]) - (values[axis][1] + values[axis][2]) // 2 for axis in (0, 1)]
                    first.append((1 + 8 * level + k, symbols[0]))
                    second.append((1 + 24 * (1 + min(abs(symbols[0]), 2)) + 8 * level + k, symbols[1]))
            found += first + second
    return found


@pytest.mark.parametrize("size", SIZES)
def test_symbols_and_rows_are_those_of_the_specification(size):
    for vectors in list(fields(size, seed=3))[:3]:
        assert coded(vectors) == as_specified(vectors)


def test_rows_are_few_and_all_used():
    assert len(laplacian_rows()) == ROW_COUNT
    rng = np.random.default_rng(1)
    used = set()
    for scale in (0.1, 0.3, 1, 3, 10):
        field = np.round(rng.normal(0, scale, (2, 64, 64)).cumsum(2)).astype(np.int32)
        used |= {row for row, _ in coded(field)}
    assert used == set(range(VECTOR_ROWS))


def test_a_smooth_field_costs_little():
    coder = RowCoder(laplacian_rows(), 0)
    writer = coder.writer()
    field = np.full((2, 18, 22), 7, np.int32)
    encode_vectors(field, lambda row, wanted: (writer.push(wanted, row), wanted)[1])
    assert len(writer.bytes()) < 100


def mode_fields(size):
    rng = np.random.default_rng(3)
    yield np.zeros(size, np.int32)
    yield rng.integers(-1, 2, size).astype(np.int32)
    halves = np.ones(size, np.int32)
    halves[:, size[1] // 2 :] = -1
    yield halves


@pytest.mark.parametrize("size", SIZES)
def test_vectors_that_are_not_used_take_nothing(size):
    coder = RowCoder(laplacian_rows(), 0)
    for modes in mode_fields(size):
        for vectors in fields(size):
            writer, count = coder.writer(), [0]

            def push(row, wanted, writer=writer, count=count):
                writer.push(wanted, row)
                count[0] += wanted.size
                return wanted

            used = modes != 1
            encode_modes(modes, push)
            there = encode_vectors(vectors, push, used)
            assert count[0] == modes.size + 2 * used.sum()
            assert np.array_equal(there[:, used], vectors[:, used])
            reader = coder.reader(writer.bytes())

            def pull(row, wanted, reader=reader):
                return reader.pull(row)

            read = decode_modes(size, pull)
            assert np.array_equal(read, modes)
            assert np.array_equal(decode_vectors(size, pull, read != 1), there)
            reader.finish()


def test_what_is_not_used_is_as_its_neighbours():
    vectors = np.full((2, 9, 9), 7, np.int32)
    used = np.ones((9, 9), bool)
    used[3, 5] = False
    vectors[:, 3, 5] = -400
    assert (encode_vectors(vectors, lambda row, wanted: wanted, used) == 7).all()


@pytest.mark.parametrize("size", SIZES)
def test_modes_are_coded_as_the_text_says(size):
    for modes in mode_fields(size):
        found = []

        def coding(row, wanted, found=found):
            found.extend(zip(row.tolist(), wanted.tolist(), strict=True))
            return wanted

        encode_modes(modes, coding)
        right = []
        for level, places in grid(*size):
            for place, around in places:
                values = [] if level is None else [int(modes[near]) for near in around]
                row = MODE_ROW if level is None else MODE_ROW + 1 + 5 * values.count(1) + values.count(-1)
                right.append((row, int(modes[place])))
        assert found == right


def test_the_table_has_a_row_for_all():
    assert len(laplacian_rows()) == ROW_COUNT and MODE_ROW == FIELDS * VECTOR_ROWS
    assert ROW_COUNT > MODE_ROW + 1 + 5 * 4
