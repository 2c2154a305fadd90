"""Approximations of the DCT without multipliers."""

import math
from itertools import pairwise

import pytest
import torch

from lcodec.codec.transforms.dct_approximations import (
    SIZES,
    approximate_dct,
    coding_gain_db,
    orthonormal,
    transform_efficiency,
)
from lcodec.codec.transforms.front import dct_matrix

# Cintra and Bayer's rounded DCT (2011): round(2 C) of the exact DCT of eight points.
ROUNDED = (2 * dct_matrix(8)).round()


def normalised(matrix):
    return matrix / matrix.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("n", SIZES)
def test_rows_are_small_whole_numbers_and_orthogonal(n):
    matrix = approximate_dct(n)
    assert matrix.dtype == torch.int64 and matrix.shape == (n, n)
    assert matrix.abs().max() == 2
    gram = matrix @ matrix.t()
    assert torch.equal(gram, torch.diag(gram.diagonal())) and gram.diagonal().min() > 0
    assert torch.allclose(orthonormal(n) @ orthonormal(n).t(), torch.eye(n, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("n", SIZES)
def test_rows_have_the_symmetry_of_the_dct(n):
    matrix = approximate_dct(n)
    assert torch.equal(matrix[0], torch.ones(n, dtype=torch.int64))
    assert torch.equal(matrix[::2], matrix[::2].flip(1))
    assert torch.equal(matrix[1::2], -matrix[1::2].flip(1))


@pytest.mark.parametrize("n", SIZES[1:])
def test_even_rows_are_those_of_half_the_points(n):
    assert torch.equal(approximate_dct(n)[::2, : n // 2], approximate_dct(n // 2))


@pytest.mark.parametrize(("n", "most_degrees"), [(8, 24), (16, 32), (32, 61), (64, 61)])
def test_rows_lean_to_those_of_the_exact_dct(n, most_degrees):
    cosine = (orthonormal(n) * dct_matrix(n)).sum(1)
    assert cosine.min() > math.cos(math.radians(most_degrees))


def test_eight_points_are_those_of_24_additions():
    odd = approximate_dct(8)[1::2, :4].tolist()
    assert odd == [[2, 2, 1, 0], [1, 0, -2, -2], [2, -2, 0, 1], [0, -1, 2, -2]]
    assert approximate_dct(8)[2].tolist() == [2, 1, -1, -2, -2, -1, 1, 2]
    # 8 for the first butterflies, 4 + 4 for the even half, 4 rows of three terms.
    assert 8 + 4 + 4 + sum(sum(entry != 0 for entry in row) - 1 for row in odd) == 24


@pytest.mark.parametrize(
    ("matrix", "gain_db", "efficiency"),
    [
        (dct_matrix(8), 8.8259, 93.9912),
        (normalised(ROUNDED), 8.1827, 87.4297),
        (orthonormal(8), 8.6337, 90.4615),
    ],
)
def test_figures_of_eight_points(matrix, gain_db, efficiency):
    # The first two as published.
    assert coding_gain_db(matrix) == pytest.approx(gain_db, abs=1e-4)
    assert transform_efficiency(matrix) == pytest.approx(efficiency, abs=1e-4)


def test_gain_grows_with_the_points_and_stays_below_the_exact_dct():
    gains = [coding_gain_db(orthonormal(n)) for n in SIZES]
    assert all(a < b for a, b in pairwise(gains))
    for n, gain in zip(SIZES, gains, strict=True):
        assert gain < coding_gain_db(dct_matrix(n))
        assert transform_efficiency(orthonormal(n)) < transform_efficiency(dct_matrix(n))


@pytest.mark.parametrize("n", SIZES)
def test_gain_does_not_depend_on_the_scale_of_rows(n):
    assert coding_gain_db(approximate_dct(n)) == pytest.approx(coding_gain_db(orthonormal(n)), abs=1e-9)
    assert coding_gain_db(torch.eye(n)) == pytest.approx(0, abs=1e-9)
    assert transform_efficiency(dct_matrix(n), rho=0.0) == pytest.approx(100)


@pytest.mark.parametrize("n", [4, 12, 128])
def test_other_sizes_are_refused(n):
    with pytest.raises(ValueError, match=f"not {n}"):
        approximate_dct(n)
