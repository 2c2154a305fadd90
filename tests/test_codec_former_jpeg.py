"""Pictures that were JPEGs: recognised from their pixels, and coded on their own lattice."""

import io

import numpy as np
import pytest
import spec_decoder
import torch
from checks import ROOT, picture
from PIL import Image

import lcodec
from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.codec.former_jpeg import former_jpeg_quality
from lcodec.codec.model import ModelConfig
from lcodec.codec.registry import by_name
from lcodec.codec.transforms.jpeg import JpegAnalysis, JpegSynthesis, quantisation_tables
from lcodec.codec.weights_cache import read_weights
from lcodec.formats.container import unpack
from lcodec.formats.pictures import read_picture


def jpeg(pixels, quality):
    """The bytes of an optimised JPEG with chroma 4:2:0, and the pixels it decodes to."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=2, optimize=True)
    return out.getvalue(), np.array(Image.open(out).convert("RGB"))


@pytest.fixture(scope="module")
def photograph():
    return np.ascontiguousarray(read_picture((ROOT / "tests" / "kodim23.png").read_bytes()).pixels[:331, 100:455])


@pytest.fixture(scope="module")
def codec():
    return lcodec.Codec("base", "cpu")


@pytest.mark.parametrize("quality", [30, 50, 60, 75, 85, 90])
def test_quality_is_told_from_the_pixels(photograph, quality):
    found = former_jpeg_quality(jpeg(photograph, quality)[1])
    assert found is not None and abs(found - quality) <= 1


def test_other_pictures_are_not_taken_for_jpegs(photograph):
    assert former_jpeg_quality(photograph) is None
    assert former_jpeg_quality(np.ascontiguousarray(jpeg(photograph, 75)[1][4:, 4:])) is None
    for size in ((1, 1), (7, 500), (8, 8), (63, 65)):
        assert former_jpeg_quality(picture(*size)) is None
        assert former_jpeg_quality(np.zeros((*size, 3), np.uint8)) is None


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 95, 100])
def test_tables_are_those_of_libjpeg(quality, photograph):
    stored = Image.open(io.BytesIO(jpeg(photograph[:16, :16], quality)[0])).quantization
    assert quantisation_tables()[quality - 1].tolist() == [stored[0], stored[1]]


@pytest.mark.parametrize("quality", [30, 75, 90])
def test_transform_does_as_jpeg_does(photograph, quality):
    pixels = photograph[:320, :352]
    q = torch.tensor([quality / 100])
    rgb = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    y = JpegAnalysis()(rgb, q)
    assert torch.equal(y, y.round()) and y.shape == (1, 384, 20, 22)
    decoded = (JpegSynthesis()(y, q)[0] * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    # libjpeg rounds and limits samples to bytes on the way, this does not.
    assert psnr_db(decoded, jpeg(pixels, quality)[1]) > 42
    assert psnr_db(decoded, pixels) > psnr_db(jpeg(pixels, quality)[1], pixels) - 0.05


def test_former_jpeg_becomes_a_smaller_file_that_is_nearly_lossless(photograph, codec):
    file, pixels = jpeg(photograph, 75)
    data = codec.encode(pixels, 100, "a comment")
    about = lcodec.info(data)
    assert (about.model, about.quality, about.comment) == ("lattice", 75.0, "a comment")
    assert len(data) < len(file)
    decoded = codec.decode(data)
    assert psnr_db(decoded, pixels) > 46
    codec.verify_stream(unpack(data))
    assert np.array_equal(lcodec.decode(data), decoded)
    assert np.array_equal(lcodec.Codec("lattice", "cpu").decode(data), decoded)
    with pytest.raises(lcodec.ModelError, match="lattice"):
        lcodec.Codec("tiny", "cpu").decode(data)


def test_the_lattice_is_used_only_where_it_wins(photograph, codec):
    _, pixels = jpeg(photograph, 75)
    assert lcodec.info(codec.encode(pixels, 20)).model == "base"
    assert lcodec.info(codec.encode(np.ascontiguousarray(pixels[4:, 4:]), 100)).model == "base"
    assert lcodec.info(codec.encode(photograph, 100)).model == "base"
    untouched = lcodec.Codec("base", "cpu")
    untouched.encode(photograph, 100)
    assert "_former_jpegs" not in vars(untouched)  # nor loaded where it cannot win


def test_symbols_are_what_the_specification_says(photograph):
    pixels = np.ascontiguousarray(photograph[:49, :83])
    for quality in (0.0, 75.0, 100.0):
        stream = unpack(lcodec.encode(pixels, quality, "lattice"))
        weights = read_weights(by_name("lattice"))
        _, crc = spec_decoder.symbols_of(weights, stream.steps, stream.header.gain_index, 49, 83)
        assert crc == stream.symbols_crc


def test_sizes_that_do_not_fit_the_transform_are_refused():
    with pytest.raises(ValueError, match="width"):
        ModelConfig(latents=384, prior_width=8, hyper=4)
    with pytest.raises(ValueError, match="384"):
        ModelConfig(latents=320, prior_width=8, hyper=4, transform="jpeg")
    with pytest.raises(ValueError, match="one of gated"):
        ModelConfig(latents=320, prior_width=8, hyper=4, transform="fourier")
