"""Files of a wanted size or fidelity."""

import numpy as np
import pytest
from checks import assert_one_line_error, picture, run_cli

import lcodec
from lcodec import Target
from lcodec.codec.evaluation.metrics import psnr_db, ssim
from lcodec.codec.targets import encode_to
from lcodec.formats.picture_writing import write_picture


@pytest.fixture(scope="module")
def codec():
    return lcodec.Codec("base", "cpu")


@pytest.fixture
def counted(codec, monkeypatch):
    """The qualities that were tried."""
    tried = []
    original = codec.encode

    def encode(image, quality, **options):
        tried.append(quality)
        return original(image, quality, **options)

    monkeypatch.setattr(codec, "encode", encode)
    return tried


@pytest.mark.parametrize("size", [900, 3000, 9000])
def test_a_size_is_reached_from_below(size, codec, counted):
    data = encode_to(codec, picture(160, 200), Target(size=size))
    assert 0.98 * size <= len(data) <= size and len(counted) <= 7


def test_bits_per_pixel_are_a_size(codec, counted):
    data = encode_to(codec, picture(160, 200), Target(bpp=0.5))
    assert 0.49 <= 8 * len(data) / (160 * 200) <= 0.5


@pytest.mark.parametrize("wanted", [31.0, 36.5])
def test_a_psnr_is_reached_from_above(wanted, codec, counted, cut):
    data = encode_to(codec, cut, Target(psnr=wanted))
    assert wanted <= psnr_db(cut, codec.decode(data)) <= wanted + 0.15 and len(counted) <= 12


def test_an_ssim_is_reached_from_above(codec, counted, cut):
    data = encode_to(codec, cut, Target(ssim=0.9))
    assert 0.9 <= ssim(cut, codec.decode(data)) <= 0.902 and len(counted) <= 8


@pytest.mark.parametrize("planes", [1, 4])
def test_grey_and_alpha_have_a_fidelity_too(planes, codec, cut):
    """Hidden colours have none. Those count as well as they are filled here."""
    alpha = np.zeros((*cut.shape[:2], 1), np.uint8)
    alpha[20:] = 255
    samples = cut[..., 0] if planes == 1 else np.concatenate([cut, alpha], 2)
    found = codec.decode(encode_to(codec, samples, Target(psnr=31)))
    error = (found.astype(int) - samples)[20:]
    assert 10 * np.log10(255**2 / np.square(error[..., :3] if planes == 4 else error).mean()) > 29.9


def test_what_no_quality_reaches(codec):
    small = picture(64, 64)
    with pytest.raises(ValueError, match=r"quality 0 takes .* bytes, more than 50"):
        encode_to(codec, small, Target(size=50))
    with pytest.raises(ValueError, match=r"quality 100 reaches .* dB, not 90"):
        encode_to(codec, small, Target(psnr=90))
    with pytest.raises(ValueError, match=r"quality 100 reaches an SSIM of 0\..*, not 0\.999999"):
        encode_to(codec, small, Target(ssim=0.999999))
    with pytest.raises(ValueError, match="too few for SSIM"):
        encode_to(codec, small[:5], Target(ssim=0.9))
    whole = encode_to(codec, small, Target(size=10**6))
    assert lcodec.info(whole).quality == 100
    assert lcodec.info(encode_to(codec, small, Target(psnr=1))).quality == 0


@pytest.mark.parametrize(
    "given", [{}, {"size": 1, "psnr": 30}, {"psnr": float("nan")}, {"bpp": 0}, {"size": -1}, {"ssim": 1}]
)
def test_a_target_is_one_number(given):
    with pytest.raises(ValueError, match="a target is one of"):
        Target(**given)


def test_on_the_command_line_and_in_the_api(tmp_path):
    source, coded = tmp_path / "a.ppm", tmp_path / "a.lcc"
    source.write_bytes(write_picture(picture(120, 160), ".ppm"))
    assert run_cli("encode", source, "-o", coded, "-m", "tiny", "--size", "1.2kB").returncode == 2
    done = run_cli("encode", source, "-o", coded, "-m", "tiny", "--size", "1200B", "--comment", "small")
    assert done.returncode == 0 and 1176 <= coded.stat().st_size <= 1200
    assert lcodec.info(coded.read_bytes()).comment == "small"
    assert run_cli("encode", source, "-o", coded, "-f", "--size", "2kB", "--psnr", "30").returncode == 2
    assert_one_line_error(run_cli("encode", source, "-o", coded, "-f", "-m", "tiny", "--psnr", "80"))
    data = lcodec.encode(picture(120, 160), model="tiny", target=Target(bpp=0.4))
    assert 0.39 < lcodec.info(data).bpp <= 0.4
    with pytest.raises(ValueError, match="not both"):
        lcodec.encode(picture(9, 9), 50, model="tiny", target=Target(bpp=0.8))
