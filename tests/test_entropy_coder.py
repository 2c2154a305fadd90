"""Probability rows and the range coder over them."""

import constriction
import numpy as np
import pytest
import spec_decoder
from scipy.stats import norm

from lcodec.entropy.coder import SYMBOL_LIMIT, CoderError, RowCoder
from lcodec.entropy.fixed import SCALE_MAX, SCALE_MIN
from lcodec.entropy.tables import TOTAL, Rows, gaussian_rows


@pytest.fixture(scope="module")
def rows():
    return gaussian_rows()


def sample(rng, n, first_row):
    row = rng.integers(0, 64, n).astype(np.int16)
    scale = SCALE_MIN * (SCALE_MAX / SCALE_MIN) ** (row / 63)
    symbols = np.clip(np.rint(rng.standard_t(2, n) * scale), -SYMBOL_LIMIT, SYMBOL_LIMIT).astype(np.int16)
    symbols[row < first_row] = 0
    return symbols, row


def test_rows_are_positive_with_the_right_total_and_near_the_gaussian(rows):
    for r, frequencies in enumerate(rows.frequencies):
        assert frequencies.min() >= 1 and frequencies.sum() == TOTAL
        scale = SCALE_MIN * (SCALE_MAX / SCALE_MIN) ** (r / 63)
        edges = np.arange(-rows.bound(r), rows.bound(r) + 2) - 0.5
        mass = np.diff(norm.cdf(edges / scale))
        penalty_bits = (mass * (np.log2(np.maximum(mass, 1e-300)) + rows.bits(r)[:-1])).sum()
        assert 0 <= penalty_bits < 0.06 if scale > 100 else penalty_bits < 0.01


def test_rows_survive_packing(rows):
    again = Rows.unpack(*rows.pack(), 64)
    assert all(np.array_equal(a, b) for a, b in zip(rows.frequencies, again.frequencies, strict=True))


@pytest.mark.parametrize("spoil", ["total", "zero", "size"])
def test_bad_rows_are_refused(rows, spoil):
    entries, sizes = rows.pack()
    if spoil == "total":
        entries[5] += 1
    if spoil == "zero":
        entries[0], entries[1] = 0, entries[1] + entries[0]
    if spoil == "size":
        sizes[0] += 2
    with pytest.raises(ValueError, match="row"):
        Rows.unpack(entries, sizes, 64)


def test_every_boundary_of_every_row_is_the_intended_one(rows):
    """The library takes float probabilities; its 24-bit boundaries must be our 16-bit ones times 256."""
    coder = RowCoder(rows, 0)
    scale = (2**64 - 1) >> 24
    for r, frequencies in enumerate(rows.frequencies):
        ends = 256 * np.cumsum(frequencies)
        for entry, (left, end) in enumerate(zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)):
            for quantile in (int(left), int(end) - 1):
                point = quantile * scale
                words = np.array([point >> 32, point & 0xFFFFFFFF], dtype=np.uint32)
                assert constriction.stream.queue.RangeDecoder(words).decode(coder._models[r]) == entry


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 40_001])
@pytest.mark.parametrize("first_row", [0, 5, 63])
def test_round_trip_with_heavy_tails(rows, n, first_row):
    symbols, row = sample(np.random.default_rng(n), n, first_row)
    coder = RowCoder(rows, first_row)
    assert np.array_equal(coder.pull(coder.push(symbols, row), row), symbols)


def test_extreme_symbols_escape(rows):
    coder = RowCoder(rows, 0)
    symbols = np.array([SYMBOL_LIMIT, -SYMBOL_LIMIT, 3, -3, 0], dtype=np.int16)
    row = np.array([0, 63, 0, 0, 0], dtype=np.int16)
    assert np.array_equal(coder.pull(coder.push(symbols, row), row), symbols)


def test_an_independent_decoder_reads_the_same(rows):
    symbols, row = sample(np.random.default_rng(7), 3000, 2)
    payload = RowCoder(rows, 2).push(symbols, row)
    assert np.array_equal(
        spec_decoder.group_symbols(spec_decoder.RangeDecoder(payload), rows.frequencies, 2, row), symbols
    )


def test_size_is_that_of_the_ideal_code(rows):
    rng = np.random.default_rng(3)
    row = rng.integers(10, 50, 50_000).astype(np.int16)
    symbols = np.rint(rng.normal(size=row.size) * SCALE_MIN * (SCALE_MAX / SCALE_MIN) ** (row / 63)).astype(np.int16)
    bounds = np.array([rows.bound(r) for r in range(64)])
    inside = np.abs(symbols) <= bounds[row]
    symbols, row = symbols[inside], row[inside]
    ideal = sum(rows.bits(r)[s + bounds[r]] for r, s in zip(row, symbols, strict=True))
    assert 8 * len(RowCoder(rows, 0).push(symbols, row)) <= ideal * 1.0001 + 64


def test_garbage_is_an_error_or_other_symbols_but_nothing_else(rows):
    rng = np.random.default_rng(1)
    coder = RowCoder(rows, 2)
    refused = 0
    for length in range(300):
        _, row = sample(rng, 50, 2)
        try:
            assert coder.pull(rng.bytes(length % 64), row).shape == row.shape
        except CoderError:
            refused += 1
    assert refused > 200  # lengths that are no multiple of four, and impossible quantiles


def test_a_payload_too_short_for_its_symbols_is_refused(rows):
    coder = RowCoder(rows, 6)
    row = np.full(100_000, 6, dtype=np.int16)
    shortest = coder.push(np.zeros(row.size, dtype=np.int16), row)
    assert np.array_equal(coder.pull(shortest, row), np.zeros(row.size))
    for length in (0, 4, len(shortest) // 8 * 4):
        with pytest.raises(CoderError, match="at least"):
            coder.pull(shortest[:length], row)


def test_bytes_for_nothing_are_refused(rows):
    with pytest.raises(CoderError, match="no symbol"):
        RowCoder(rows, 63).pull(b"1234", np.zeros(9, dtype=np.int16))
