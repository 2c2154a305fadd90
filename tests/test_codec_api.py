"""The library as its users call it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from checks import GOLDEN, picture
from PIL import Image

import lcodec
from lcodec.codec import model_file
from lcodec.codec.codec import gain_index_of
from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.codec.registry import MODELS, by_name
from lcodec.codec.weights_cache import read_weights
from lcodec.entropy.tables import gaussian_rows
from lcodec.formats.container import pack, unpack

NAMES = [entry.name for entry in MODELS if not entry.lossless and not entry.moving]
SIZES = [(1, 1), (1, 7), (7, 1), (17, 31), (63, 65), (333, 500)]


@pytest.fixture(scope="module", params=NAMES)
def codec(request):
    return lcodec.Codec(request.param, "cpu")


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[1]}x{s[0]}")
def test_any_size_comes_back(codec, size):
    original = picture(*size)
    data = codec.encode(original, 60)
    codec.verify_stream(unpack(data))
    decoded = codec.decode(data)
    assert decoded.shape == original.shape and decoded.dtype == np.uint8
    assert psnr_db(original, decoded) > 15


def test_quality_buys_fidelity_with_bytes():
    codec = lcodec.Codec("base", "cpu")
    original = picture(192, 256)
    files = [codec.encode(original, quality) for quality in (0, 25, 50, 75, 100)]
    psnrs = [psnr_db(original, codec.decode(data)) for data in files]
    assert sorted(psnrs) == psnrs and sorted(map(len, files)) == [len(f) for f in files]


def test_arrays_tensors_and_pil_images_are_the_same_picture():
    original = picture(40, 50)
    data = lcodec.encode(original, 30, model="tiny")
    assert lcodec.encode(torch.from_numpy(original), 30, model="tiny") == data
    assert lcodec.encode(Image.fromarray(original), 30, model="tiny") == data
    assert lcodec.encode(np.asfortranarray(original), 30, model="tiny") == data


def test_open_and_info(tmp_path):
    original = picture(40, 50)
    path = tmp_path / "any name"
    path.write_bytes(lcodec.encode(original, 37.5, model="tiny"))
    image = lcodec.open(path)
    assert image.size == (50, 40) and image.mode == "RGB"
    assert np.array_equal(np.asarray(image), lcodec.decode(path.read_bytes()))
    about = lcodec.info(path.read_bytes())
    assert (about.width, about.height, about.model, about.quality) == (50, 40, "tiny", 37.5)
    assert about.file_bytes == path.stat().st_size and len(about.step_bytes) == 3


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4,), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        torch.zeros(3, 4, 4),
        "photo.png",
        None,
    ],
    ids=str,
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match="image is"):
        lcodec.encode(image, model="tiny")


@pytest.mark.parametrize("quality", [-0.1, 100.1, float("nan"), float("inf"), "75", True])
def test_what_is_no_quality_is_refused(quality):
    with pytest.raises(ValueError, match="quality"):
        lcodec.encode(picture(4, 4), quality, model="tiny")


def test_quality_is_continuous():
    assert [gain_index_of(q) for q in (0, 50, 75, 100)] == [0, 4096, 6144, 8192]


def test_unknown_model_or_device_is_a_value_error():
    with pytest.raises(ValueError, match="no model 'nope'"):
        lcodec.Codec("nope")
    with pytest.raises(ValueError, match="device"):
        lcodec.Codec("tiny", "tpu")


def test_threads_may_share_a_codec():
    codec = lcodec.Codec("tiny", "cpu")
    originals = [picture(60 + n, 90 - n, n) for n in range(8)]
    expected = [codec.encode(original, 10 * n) for n, original in enumerate(originals)]
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(codec.encode, originals * 4, [10 * n for n in range(8)] * 4))
        pictures = list(pool.map(codec.decode, files))
    assert files == expected * 4
    for n, decoded in enumerate(pictures):
        assert decoded.shape == originals[n % 8].shape


def test_swapped_steps_fail_by_the_checksum_of_the_symbols():
    data = (GOLDEN / "large-q100.lcc").read_bytes()
    stream = unpack(data)
    z, first, second = stream.steps
    swapped = pack(type(stream)(stream.header, (z, second, first), stream.symbols_crc))
    with pytest.raises(lcodec.FormatError, match="damaged"):
        lcodec.decode(swapped)


def test_a_file_that_claims_to_be_huge_is_refused_before_any_work():
    stream = unpack((GOLDEN / "one-pixel-q50.lcc").read_bytes())
    head = stream.header
    big = type(head)(16_000, 16_000, head.model_id, head.weights_hash, head.gain_index)
    with pytest.raises(lcodec.UnsupportedError, match="pixels"):
        lcodec.decode(pack(type(stream)(big, stream.steps, stream.symbols_crc)), max_pixels=10**6)


def test_few_bytes_cannot_claim_a_large_picture():
    codec = lcodec.Codec("base", "cpu")
    stream = unpack(codec.encode(picture(16, 16), 50))
    head = stream.header
    big = type(head)(5700, 5700, head.model_id, head.weights_hash, head.gain_index)
    with pytest.raises(lcodec.FormatError, match="at least"):
        codec.decode(pack(type(stream)(big, stream.steps, stream.symbols_crc)))


def test_files_of_other_models_and_weights_are_named():
    stream = unpack((GOLDEN / "one-pixel-q50.lcc").read_bytes())
    head = stream.header

    def with_header(model_id, weights):
        header = type(head)(1, 1, model_id, weights, head.gain_index)
        return pack(type(stream)(header, stream.steps, stream.symbols_crc))

    with pytest.raises(lcodec.UnsupportedError, match="model 999"):
        lcodec.decode(with_header(999, head.weights_hash))
    with pytest.raises(lcodec.ModelError, match="tiny-0000"):
        lcodec.decode(with_header(head.model_id, bytes(8)))
    with pytest.raises(lcodec.ModelError, match=r"'tiny-.*this codec is 'base-"):
        lcodec.Codec("base", "cpu").decode(with_header(head.model_id, head.weights_hash))


def test_damaged_model_files_are_model_errors():
    data = read_weights(by_name("tiny"))
    for damaged in (
        b"",
        data[:5],
        data[:2000],
        b"x" * 500,
        data[:-7],
        data.replace(b"lcodec model 1", b"lcodec model 9"),
    ):
        with pytest.raises(lcodec.ModelError):
            model_file.unpack_model(damaged, torch.device("cpu"))


def test_info_of_an_unknown_model_still_tells_the_size():
    stream = unpack((GOLDEN / "one-pixel-q50.lcc").read_bytes())
    header = type(stream.header)(3, 2, 77, bytes(8), 0)
    assert lcodec.info(pack(type(stream)(header, stream.steps, 0))).model == "unknown"


def test_a_model_file_is_packed_the_same_every_time():
    """The hash of the bytes is the model's identity, so two exports of one checkpoint must be one model."""
    data = read_weights(by_name("tiny"))
    model = model_file.unpack_model(data, torch.device("cpu"))
    again = model_file.pack_model(model.transforms, model.prior, gaussian_rows(), model.coder.first_row)
    assert again == data
