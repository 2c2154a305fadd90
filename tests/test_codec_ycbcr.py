"""RGB to YCbCr planes and back: the numbers of the standards, odd sizes, both depths."""

import numpy as np
import pytest
from checks import picture

from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.codec.evaluation.ycbcr import BT601, BT709, from_planes, to_planes

every_matrix = pytest.mark.parametrize("matrix", [BT601, BT709], ids=["BT.601", "BT.709"])


@every_matrix
def test_primaries(matrix):
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    green = 1 - matrix.red - matrix.blue
    y, cb, cr = (plane[0].tolist() for plane in to_planes(colours, matrix, 8, "4:4:4"))
    assert y == [0, 255, *(round(255 * weight) for weight in (matrix.red, green, matrix.blue))]
    assert cb[:2] == cr[:2] == [128, 128]
    assert cb[4] == cr[2] == 255  # 255.5, kept in range
    y, cb, cr = (plane[0].tolist() for plane in to_planes(colours, matrix, 10, "4:4:4"))
    assert y[1] == 1023 and cb[0] == cr[1] == 512 and cb[4] == 1023


@every_matrix
@pytest.mark.parametrize("size", [(1, 1), (17, 31), (16, 1), (2, 33)])
def test_ten_bits_without_subsampling_are_lossless(matrix, size):
    pixels = np.random.default_rng(5).integers(0, 256, (*size, 3), dtype=np.uint8)
    planes = to_planes(pixels, matrix, 10, "4:4:4")
    assert all(plane.dtype == np.uint16 and plane.shape == size for plane in planes)
    assert np.array_equal(from_planes(planes, matrix, 10, *size), pixels)


@pytest.mark.parametrize("size", [(1, 1), (17, 31), (16, 1), (97, 131), (64, 48)])
@pytest.mark.parametrize("bits", [8, 10])
def test_subsampling(size, bits):
    pixels = np.repeat(picture(*size)[:, :, :1], 3, axis=2)  # grey: nothing is lost with chroma
    y, cb, cr = to_planes(pixels, BT709, bits, "4:2:0")
    assert y.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert cb.shape == cr.shape == (y.shape[0] // 2, y.shape[1] // 2)
    assert y.dtype == cb.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.array_equal(from_planes([y, cb, cr], BT709, bits, *size), pixels)
    # a decoder that crops luma itself, as AV1 does, gives the same
    assert np.array_equal(from_planes([y[: size[0], : size[1]], cb, cr], BT709, bits, *size), pixels)


def test_chroma_stays_in_place():
    y, x = np.mgrid[:97, :131]
    smooth = np.stack([100 + x / 2, 220 - y, 60 + (x + y) / 2], axis=2).astype(np.uint8)
    for bits, least_db in ((8, 50), (10, 55)):
        rebuilt = from_planes(to_planes(smooth, BT709, bits, "4:2:0"), BT709, bits, 97, 131)
        assert psnr_db(smooth, rebuilt) > least_db


def test_other_sizes_are_refused():
    planes = to_planes(picture(16, 18), BT709, 8, "4:2:0")
    for size in ((17, 18), (14, 18), (16, 19), (16, 16)):
        with pytest.raises(ValueError, match="the planes are 18 x 16"):
            from_planes(planes, BT709, 8, *size)
