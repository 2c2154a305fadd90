"""What pictures have beside RGB: grey, alpha, and metadata, through the codec and the command line."""

import zlib

import numpy as np
import pytest
from checks import picture, run_cli
from PIL import Image

import lcodec
from lcodec import FormatError
from lcodec.codec.alpha import fill_transparent, pack_alpha, unpack_alpha
from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.formats.container import pack, unpack
from lcodec.formats.metadata import Metadata
from lcodec.formats.picture_writing import write_picture
from lcodec.formats.pictures import read_picture

EXIF = Image.Exif()
EXIF[0x0112] = 8
METADATA = Metadata(None, b"a profile" * 20, EXIF.tobytes().removeprefix(b"Exif\0\0"), b"<x:xmpmeta/>")


def alpha_of(height, width):
    """Opaque, transparent, and a soft edge between."""
    y, x = np.mgrid[:height, :width]
    return np.clip(20 * (np.hypot(y - height / 2, x - width / 2) - height / 4), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_arrays_come_back_with_their_planes(planes):
    colour = picture(60, 70)
    samples = {1: colour[..., 0], 3: colour}.get(planes)
    if samples is None:
        rest = colour[..., :1] if planes == 2 else colour
        samples = np.concatenate([rest, alpha_of(60, 70)[..., None]], axis=2)
    data = lcodec.encode(samples, 90, "tiny")
    found = lcodec.decode(data)
    assert found.shape == samples.shape and found.dtype == np.uint8
    assert lcodec.info(data).planes == {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}[planes]
    if planes in (2, 4):
        assert np.array_equal(found[..., -1], samples[..., -1])
        seen = samples[..., -1] > 0
        found, samples = found[seen][:, None], samples[seen][:, None]
    assert psnr_db(np.atleast_3d(samples)[..., :1].repeat(3, 2), np.atleast_3d(found)[..., :1].repeat(3, 2)) > 24
    part = lcodec.decode(data, region=(10, 20, 30, 5))
    assert part.shape[:2] == (5, 30) and part.ndim == (2 if planes == 1 else 3)


@pytest.mark.parametrize("planes", [1, 3, 4])
def test_deep_arrays_come_back_deep(planes):
    y, x = np.mgrid[:64, :80]
    smooth = np.stack([700 * x + 100 * y, 65535 - 600 * x, 900 * y, 800 * x], axis=2)[..., :planes].astype(np.uint16)
    data = lcodec.encode(smooth[..., 0] if planes == 1 else smooth, 95)
    assert lcodec.info(data).depth == 16
    found = lcodec.decode(data)
    assert found.dtype == np.uint16 and found.shape == (smooth.shape[:2] if planes == 1 else smooth.shape)
    error = (np.atleast_3d(found).astype(float) - smooth)[..., :3]
    # Finer than 8 bits could say: their rounding alone is worth 58.9 dB.
    assert 20 * np.log10(65535 / np.sqrt(np.square(error).mean())) > 40
    assert len(np.unique(found)) > 1000
    if planes == 4:
        assert np.array_equal(found[..., 3], smooth[..., 3])


def test_depth_of_a_file_is_kept(tmp_path):
    source, coded, out = tmp_path / "a.ppm", tmp_path / "a.lcc", tmp_path / "out.ppm"
    samples = (picture(40, 50).astype(np.uint32) * 1023 // 255).astype(np.uint16)
    source.write_bytes(write_picture(samples, ".ppm", depth=10))
    assert run_cli("encode", source, "-o", coded, "-m", "tiny", "-q", "90").stderr == b""
    assert b"planes    RGB, 10 bits" in run_cli("info", coded).stdout
    assert run_cli("decode", coded, "-o", out).stderr == b""
    found = read_picture(out.read_bytes())
    assert found.depth == 10 and psnr_db(picture(40, 50), found.eight_bits()) > 24
    assert b"has 8 bits a sample of 10" in run_cli("decode", coded, "-o", tmp_path / "out.webp").stderr
    assert lcodec.open(coded).mode == "RGB"


def test_one_plane_of_one_array_is_grey():
    assert lcodec.decode(lcodec.encode(picture(9, 9)[..., :1], 50, "tiny")).shape == (9, 9)


def test_grey_costs_no_more_than_its_light():
    codec = lcodec.Codec("base", "cpu")
    colour = picture(96, 128)
    grey = np.asarray(Image.fromarray(colour).convert("L"))
    assert len(codec.encode(grey, 50)) <= len(codec.encode(np.repeat(grey[..., None], 3, 2), 50))
    assert len(codec.encode(grey, 50)) < 0.9 * len(codec.encode(colour, 50))


def test_opaque_alpha_takes_no_byte():
    colour = picture(30, 40)
    opaque = np.concatenate([colour, np.full((30, 40, 1), 255, np.uint8)], axis=2)
    assert lcodec.encode(opaque, 50, "tiny") == lcodec.encode(colour, 50, "tiny")


def test_hidden_colours_take_few_bytes():
    """They are replaced by smooth ones; those that show stay."""
    alpha = np.zeros((96, 96), np.uint8)
    alpha[:40] = 255
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    filled = fill_transparent(noise, alpha)
    assert np.array_equal(filled[:40], noise[:40])
    assert np.abs(np.diff(filled[48:].astype(int), axis=0)).max() <= 40
    hidden, shown = (np.concatenate([noise, a[..., None]], axis=2) for a in (alpha, alpha // 2 + 100))
    assert len(lcodec.encode(hidden, 60)) < 0.6 * len(lcodec.encode(shown, 60))
    for value in (0, 3):
        whole = fill_transparent(noise, np.full_like(alpha, value))
        assert np.array_equal(whole, noise) == (value > 0) and (value > 0 or (whole == 128).all())


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (63, 65)])
@pytest.mark.parametrize("kind", ["soft", "noise", "columns", "rows", "zero"])
def test_alpha_is_kept_without_loss(size, kind):
    y, x = np.mgrid[: size[0], : size[1]]
    plane = {
        "soft": alpha_of(*size),
        "noise": np.random.default_rng(1).integers(0, 256, size, np.uint8),
        "columns": (x * 7).astype(np.uint8),
        "rows": (y * 7).astype(np.uint8),
        "zero": np.zeros(size, np.uint8),
    }[kind]
    packed = pack_alpha(plane)
    assert np.array_equal(unpack_alpha(packed, *size), plane)
    assert len(packed) < plane.size + 30 and (kind == "noise" or size != (63, 65) or len(packed) < plane.size / 2)


def test_deep_alpha_is_kept_without_loss():
    plane = np.random.default_rng(2).integers(0, 2**12, (33, 20), np.uint16)
    assert np.array_equal(unpack_alpha(pack_alpha(plane), 33, 20, 12), plane)
    with pytest.raises(FormatError, match="more than 11 bits"):
        unpack_alpha(pack_alpha(plane), 33, 20, 11)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x04" + zlib.compress(bytes(12)),
        b"\x00not deflate",
        b"\x00" + zlib.compress(bytes(11)),
        b"\x00" + zlib.compress(bytes(13)),
        b"\x00" + zlib.compress(bytes(2**24)),
        b"\x00" + zlib.compress(bytes(12)) + b"more",
        b"\x00" + zlib.compress(bytes(12))[:-1],
    ],
)
def test_bad_alpha_is_a_format_error(payload):
    with pytest.raises(FormatError, match="alpha"):
        unpack_alpha(payload, 3, 4)
    stream = unpack(lcodec.encode(picture(3, 4), 50, "tiny"))
    with pytest.raises(FormatError, match="alpha"):
        lcodec.decode(pack(type(stream)(stream.header, stream.steps, stream.symbols_crc, alpha=payload)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif"])
def test_metadata_goes_through_a_file(suffix, tmp_path):
    source, coded, out = tmp_path / f"a{suffix}", tmp_path / "a.lcc", tmp_path / f"out{suffix}"
    source.write_bytes(write_picture(picture(40, 50), suffix, METADATA))
    assert run_cli("encode", source, "-o", coded, "-m", "tiny", "--comment", "hello").stderr == b""
    assert b"ICC 180 bytes, EXIF 26 bytes, XMP 12 bytes" in run_cli("info", coded).stdout
    assert unpack(coded.read_bytes()).metadata == Metadata("hello", METADATA.icc, METADATA.exif, METADATA.xmp)
    assert run_cli("decode", coded, "-o", out).stderr == b""
    assert read_picture(out.read_bytes()).metadata == METADATA
    image = lcodec.open(coded)
    assert (image.size, image.info["icc_profile"], image.info["xmp"]) == ((50, 40), METADATA.icc, METADATA.xmp)
    assert image.getexif()[0x0112] == 8
    again = lcodec.encode(image, 50, "tiny")
    assert unpack(again).metadata == METADATA

    assert run_cli("encode", source, "-o", coded, "-f", "-m", "tiny", "--strip").returncode == 0
    left = unpack(coded.read_bytes()).metadata
    assert (left.icc, left.xmp) == (None, None) and 0 < len(left.exif) <= len(METADATA.exif)
    done = run_cli("decode", coded, "-o", tmp_path / "out.ppm")
    assert done.returncode == 0 and b"note: .ppm does not hold EXIF" in done.stderr


def test_alpha_goes_through_a_file(tmp_path):
    samples = np.concatenate([picture(40, 50), alpha_of(40, 50)[..., None]], axis=2)
    source, coded, out = tmp_path / "a.png", tmp_path / "a.lcc", tmp_path / "out.png"
    source.write_bytes(write_picture(samples, ".png"))
    assert run_cli("encode", source, "-o", coded, "-m", "tiny", "-q", "90").returncode == 0
    assert b"planes    RGB and alpha" in run_cli("info", coded).stdout
    assert run_cli("decode", coded, "-o", out).returncode == 0
    assert np.array_equal(read_picture(out.read_bytes()).alpha, samples[..., 3])
    done = run_cli("decode", coded, "-o", tmp_path / "out.jpg")
    assert done.returncode == 0 and b"on white" in done.stderr
    data = bytearray(coded.read_bytes())
    assert lcodec.salvage(bytes(data[:-30])).pixels.shape == (40, 50, 4)
