"""Rows fitted to counted symbols."""

import numpy as np

from lcodec.entropy.coder import RowCoder
from lcodec.entropy.fitting import RowCounter
from lcodec.entropy.tables import TOTAL, gaussian_rows

ROW = 20


def laplacian(count, seed, scale=1.5):
    return np.random.default_rng(seed).laplace(0, scale, count).round().astype(np.int16)


def fitted(*portions, row=ROW, first_row=6):
    counter = RowCounter(gaussian_rows(), first_row)
    for symbols in portions:
        counter.push(symbols, np.full(symbols.size, row, np.int16))
        counter.weigh()
    return counter.fitted()


def test_fitted_rows_code_other_symbols_of_the_kind_in_fewer_bytes():
    rows = fitted(laplacian(20000, 0))
    symbols, row = laplacian(20000, 1), np.full(20000, ROW, np.int16)
    coder = RowCoder(rows, 6)
    data = coder.push(symbols, row)
    assert np.array_equal(coder.pull(data, row), symbols)
    assert len(data) < 0.97 * len(RowCoder(gaussian_rows(), 6).push(symbols, row))


def test_rows_are_symmetric_and_whole():
    rows = fitted(np.abs(laplacian(5000, 0)))
    for frequencies in rows.frequencies:
        assert frequencies.sum() == TOTAL and frequencies.min() >= 1
    inner = rows.frequencies[ROW][:-1]
    assert np.abs(inner - inner[::-1]).max() <= 1  # one from rounding to the sum


def test_what_was_never_seen_stays_possible_and_as_it_was():
    rows, gaussian = fitted(np.zeros(5000, np.int16)), gaussian_rows()
    assert rows.frequencies[ROW][rows.bound(ROW)] > gaussian.frequencies[ROW][rows.bound(ROW)]
    for r in (5, ROW - 1, ROW + 1, 63):
        assert np.array_equal(rows.frequencies[r], gaussian.frequencies[r])


def test_symbols_of_uncoded_rows_are_not_counted():
    rows = fitted(laplacian(5000, 0), row=5)
    assert np.array_equal(rows.frequencies[5], gaussian_rows().frequencies[5])


def test_escapes_are_counted():
    far = np.full(1000, 4000, np.int16)
    assert fitted(np.concatenate([laplacian(1000, 0), far])).frequencies[ROW][-1] > 0.3 * TOTAL


def test_portions_weigh_alike_whatever_their_length():
    narrow, wide = laplacian(20000, 0, 1.0), laplacian(2000, 1, 1.0)
    wide[::2] = 5
    long, short = fitted(np.tile(narrow, 10), wide), fitted(narrow, wide)
    assert np.allclose(long.frequencies[ROW], short.frequencies[ROW], rtol=1e-3, atol=2)
    assert not np.allclose(short.frequencies[ROW], fitted(narrow).frequencies[ROW], rtol=1e-3, atol=2)
