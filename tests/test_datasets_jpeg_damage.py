from io import BytesIO

import pytest
from checks import picture
from PIL import Image

from lcodec.datasets.jpeg_damage import jpeg_quality, shrink_factor


def factor(kind, mode="RGB", **options):
    out = BytesIO()
    Image.fromarray(picture(40, 56)).convert(mode).save(out, kind, **options)
    data = out.getvalue()
    return shrink_factor(Image.open(BytesIO(data)), data)


@pytest.mark.parametrize("quality", [1, 10, 35, 49, 50, 60, 75, 89, 90, 94, 100])
def test_quality_is_found_in_the_tables(quality):
    out = BytesIO()
    Image.fromarray(picture(16, 16)).save(out, "JPEG", quality=quality)
    assert jpeg_quality(Image.open(out).quantization[0]) == quality


def test_a_table_of_no_standard_shape_has_a_quality_too():
    assert jpeg_quality([1] * 64) == 100
    assert jpeg_quality([255] * 64) < 30
    assert 70 < jpeg_quality([29] * 64) < 90


@pytest.mark.parametrize(
    ("quality", "subsampling", "expected"),
    [
        *((90, "4:4:4", 1), (89, "4:4:4", 2), (100, "4:2:0", 2), (95, "4:2:2", 2)),
        *((60, "4:2:0", 2), (59, "4:2:0", 4), (59, "4:4:4", 4)),
    ],
)
def test_jpeg(quality, subsampling, expected):
    assert factor("JPEG", quality=quality, subsampling=subsampling) == expected


def test_grey_jpeg_has_no_chroma_to_lose():
    assert factor("JPEG", "L", quality=92) == 1
    assert factor("JPEG", "L", quality=80) == 2


def test_webp():
    assert factor("WEBP", quality=100) == 2
    assert factor("WEBP", quality=100, icc_profile=b"profile") == 2  # a chunk of odd length before the picture
    assert factor("WEBP", lossless=True) == 1
    assert factor("WEBP", lossless=True, exif=b"Exif\0\0VP8 VP8 VP8 ") == 1


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF"])
def test_lossless(kind):
    assert factor(kind) == 1
