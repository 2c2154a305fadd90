"""Anchor codecs: whatever is here goes round, whatever is not says so, and the ladders are those we compare with."""

import os
import sys
from functools import partial

import numpy as np
import pytest
from checks import run_python

from lcodec.codec.evaluation.anchor_codecs import ANCHOR_CODECS, by_name
from lcodec.codec.evaluation.bd_rate import bd_rate
from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.datasets.curves import anchor
from lcodec.datasets.kodak import kodak
from lcodec.formats.errors import FormatError, UnsupportedError
from lcodec.formats.pictures import read_picture

PACKAGES = {"av", "imagecodecs", "pillow_heif"}
FROM_PACKAGES = [
    *("jpeg-420", "jpeg-444", "webp-m6", "jpeg2000-openjpeg", "avif-aom-s6", "avif-aom-s6-420", "avif-aom-s6-iq"),
    *("avif-aom-s2", "avif-aom-s6-10bit-iq", "jxl-e7", "jxl-e9", "heic-x265-slow-444", "heic-x265-slow-420"),
    *("svtav1-p4-420", "x264-444", "x264-420", "x265-444", "x265-420", "vp9-444", "vp9-420"),
]
LADDERS = ["jpeg-420", "jpeg-444", "webp-m6", "avif-aom-s6", "jxl-e7", "heic-x265-slow-444", "svtav1-p4-420"]
every_codec = pytest.mark.parametrize("codec", ANCHOR_CODECS, ids=lambda codec: codec.name)


def here(codec):
    """Skip where the codec is absent, which it may be only if it is a program."""
    if (why := codec.absence()) is not None:
        assert codec.name not in FROM_PACKAGES, why
        pytest.skip(why)
    return codec


@every_codec
def test_round_trip(codec, cut):
    files = [here(codec).encode(cut, quality) for quality in codec.qualities]
    sizes = [len(data) for data in files]
    assert sizes == sorted(sizes) and sizes[0] < sizes[len(sizes) // 2] < sizes[-1]
    rebuilt = [codec.decode(data) for data in (files[0], files[len(files) // 2], files[-1])]
    assert all(pixels.shape == cut.shape and pixels.dtype == np.uint8 for pixels in rebuilt)
    worst, middle, best = (psnr_db(cut, pixels) for pixels in rebuilt)
    assert 18 < worst < middle < best < 60 and middle > 30 and best > 38
    assert np.abs(cut.astype(float) - rebuilt[2]).mean(axis=(0, 1)).max() < 4  # each colour is where it was


@every_codec
def test_damage_is_one_error(codec, cut):
    data = here(codec).encode(cut, codec.qualities[-1])
    for bad in (b"", data[:20], data[: len(data) // 2], b"no picture " * 50):
        with pytest.raises(FormatError, match=f"^no picture that {codec.name} can decode: ") as caught:
            codec.decode(bad)
        assert "\n" not in str(caught.value)


@every_codec
def test_what_is_stated(codec):
    assert codec.settings and "\n" not in codec.settings
    assert len(set(codec.qualities)) == len(codec.qualities) >= 8
    assert list(codec.qualities) in (sorted(codec.qualities), sorted(codec.qualities, reverse=True))
    assert by_name(codec.name.upper()) is codec
    assert any(digit in here(codec).version() for digit in "0123456789")


@pytest.mark.parametrize("name", ["svtav1-p4-420", "x265-420", "heic-x265-slow-420", "avif-aom-s6"])
def test_encoders_say_nothing(name, cut, capfd):
    codec = by_name(name)
    codec.decode(codec.encode(cut[:64, :64], codec.qualities[0]))
    assert capfd.readouterr() == ("", "")


def test_names():
    names = [codec.name for codec in ANCHOR_CODECS]
    assert len(set(names)) == len(names) and set(FROM_PACKAGES) < set(names)
    with pytest.raises(ValueError, match="no anchor codec 'gif'; there are: jpeg-420, "):
        by_name("gif")


def test_callers_mistakes_and_pictures_too_small(cut):
    for wrong in (cut[:, :, 0], cut.astype(np.float32), cut[:0]):
        with pytest.raises(ValueError, match="expected uint8"):
            by_name("jpeg-444").encode(wrong, 50)
    with pytest.raises(UnsupportedError, match="svtav1-p4-420 cannot code a picture of 1 x 1 at quality 40"):
        by_name("svtav1-p4-420").encode(cut[:1, :1], 40)


def test_the_registry_loads_no_codec():
    code = f"import sys, lcodec.codec.evaluation.anchor_codecs; print({PACKAGES!r} & set(sys.modules))"
    assert run_python("-c", code).stdout.decode().strip() == "set()"


def test_absent_packages_are_named(monkeypatch, cut):
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    for name, package in (("svtav1-p4-420", "PyAV"), ("jxl-e7", "imagecodecs"), ("heic-x265-slow-444", "pillow-heif")):
        codec = by_name(name)
        reason = f"{name} is absent: needs {package}: pip install 'lcodec[bench]'"
        assert codec.absence() == reason
        for call in (codec.version, partial(codec.encode, cut, 30), partial(codec.decode, b"1234567")):
            with pytest.raises(ImportError) as caught:
                call()
            assert str(caught.value) == reason


@pytest.mark.slow
@pytest.mark.skipif("LCODEC_DATA" not in os.environ, reason="needs the Kodak pictures: set LCODEC_DATA")
@pytest.mark.parametrize("name", LADDERS)
def test_ladders_agree_with_the_measured_curves(name):
    codec, reference = by_name(name), anchor(name)
    pictures = [read_picture(path.read_bytes()).pixels for path in kodak()]
    n_pixels = [picture[:, :, 0].size for picture in pictures]
    bpp, psnr = [], []
    for quality in codec.qualities:
        files = [codec.encode(picture, quality) for picture in pictures]
        bpp.append(np.mean([8 * len(data) / n for data, n in zip(files, n_pixels, strict=True)]))
        psnr.append(np.mean([psnr_db(p, codec.decode(data)) for p, data in zip(pictures, files, strict=True)]))
    result = bd_rate(reference.bpp, reference.psnr_db, bpp, psnr)
    print(f"{name}: {result}, bpp {np.round(bpp, 4)}, PSNR {np.round(psnr, 3)}, {codec.version()}")
    assert abs(result.percent) < 2 and result.dropped == 0
    assert bpp[0] < 0.2 and bpp[-1] > 1.7
