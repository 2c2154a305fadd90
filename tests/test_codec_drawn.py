"""Drawings in lossless files: every sample back, smaller than PNG, beside other tiles, and nothing from bad bytes."""

import lzma
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import spec_drawn
from checks import picture, run_cli
from PIL import Image, ImageDraw

import lcodec
from lcodec.codec.drawn import drawn_crc, is_mixed, looks_drawn, pack_drawn, unpack_drawn
from lcodec.entropy.coder import CoderError
from lcodec.formats.container import pack, unpack
from lcodec.formats.errors import FormatError
from lcodec.formats.pictures import Picture
from lcodec.formats.ways import DRAWN

LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 4096}]
LZMA_8K = [{**LZMA[0], "dict_size": 8192}]


def drawing(height, width, colours=2):
    """Lines, ellipses and text in some colours on white, (H, W, 3)."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for n in range(1, colours):
        fill = ((53 * n) % 256, (97 * n) % 256, (29 * n) % 256)
        x, y = 7 * n % width, 5 * n % height
        draw.ellipse((x, y, x + width // 2, y + height // 3), fill, fill)
        draw.line((0, 11 * n % height, width, 31 * n % height), fill, 2)
        draw.text((13 * n % width, 17 * n % height), f"text {n}", fill)
    return np.asarray(image)


def ways_of(data):
    return [tile.way for tile in unpack(data).tiles()]


@pytest.fixture(scope="module")
def codec():
    return lcodec.Codec("lossless", "cpu")


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (13, 1), (37, 51)], ids=lambda s: f"{s[1]}x{s[0]}")
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("depth", [8, 12, 16])
@pytest.mark.parametrize("colours", [1, 2, 4, 15, 200, "all"])
def test_samples_come_back_in_the_decoder_of_the_specification_too(size, planes, depth, colours):
    rng = np.random.default_rng(1)
    kind = np.uint8 if depth == 8 else np.uint16
    if colours == "all":
        samples = rng.integers(0, 1 << depth, (*size, planes)).astype(kind)
    else:
        listed = rng.integers(0, 1 << depth, (colours, planes)).astype(kind)
        samples = listed[np.sort(rng.integers(0, colours, size), axis=1)]
    payload = pack_drawn(samples)
    found = unpack_drawn(payload, *size, planes, depth)
    assert found.dtype == kind and np.array_equal(found, samples)
    assert np.array_equal(spec_drawn.samples_of(payload, *size, planes, depth), samples)


@pytest.mark.parametrize("way", range(8))
def test_every_way_is_read(way):
    """Those that the encoder did not choose too: smooth colours, a gradient, few colours."""
    samples = drawing(40, 50, 2)
    if way < 4:
        data = samples
        for axis in ((), (1,), (0,), (0, 1))[way]:
            data = np.diff(data, axis=axis, prepend=np.zeros_like(data.take([0], axis)))
        payload = bytes([way]) + lzma.compress(data.tobytes(), lzma.FORMAT_RAW, filters=LZMA_8K)
    else:
        bits = (8, 4, 2, 1)[way - 4]
        colours, index = np.unique(samples.reshape(-1, 3), axis=0, return_inverse=True)
        colours, index = colours[: 1 << bits], index.reshape(40, 50) % min(len(colours), 1 << bits)
        samples = colours[index]
        index = np.pad(index, ((0, 0), (0, -50 % (8 // bits)))).astype(np.uint8)
        rows = np.packbits((index[..., None] >> np.arange(bits - 1, -1, -1)) & 1, axis=None)
        head = bytes([way, len(colours) - 1]) + colours.tobytes()
        payload = head + lzma.compress(rows.tobytes(), lzma.FORMAT_RAW, filters=LZMA)
    assert np.array_equal(unpack_drawn(payload, 40, 50, 3, 8), samples)
    assert np.array_equal(spec_drawn.samples_of(payload, 40, 50, 3, 8), samples)


def test_a_drawing_is_smaller_than_its_png_and_comes_back(codec):
    for colours, kind in ((2, "L"), (2, "RGB"), (12, "RGB"), (400, "RGB")):
        pixels = np.asarray(Image.fromarray(drawing(300, 400, colours)).convert(kind))
        data, png = codec.encode(pixels), BytesIO()
        Image.fromarray(pixels).save(png, "PNG", optimize=True)
        assert ways_of(data) == [DRAWN] and len(data) < 0.9 * len(png.getvalue())
        codec.verify_stream(unpack(data))
        assert np.array_equal(codec.decode(data), pixels)


def test_alpha_sixteen_bits_and_depths_between(codec):
    pixels = drawing(64, 80, 5).astype(np.uint16) * 257
    four = np.dstack([pixels, pixels[..., :1]])
    assert np.array_equal(codec.decode(codec.encode(four)), four)
    deep = Picture(pixels >> 4, (), False, None, depth=12)
    data = codec.encode(deep)
    assert ways_of(data) == [DRAWN] and np.array_equal(codec.decode(data), pixels >> 4)


@pytest.fixture(scope="module")
def mixed():
    """A page with a photograph in a corner."""
    pixels = drawing(300, 530, 6).copy()
    pixels[:256, :256] = picture(256, 256)
    return pixels


@pytest.fixture(scope="module")
def mixed_file(codec, mixed):
    return codec.encode(mixed)


def test_pictures_that_are_drawn_in_part_are_coded_in_tiles_of_either_way(codec, mixed, mixed_file, tmp_path):
    assert is_mixed(mixed, 256) and not is_mixed(drawing(300, 530), 256) and not looks_drawn(picture(64, 64))
    data = mixed_file
    assert unpack(data).grid.side == 256 and ways_of(data) == [0, 1, 1, 1, 1, 1]
    assert np.array_equal(codec.decode(data), mixed)
    region = codec.decode(data, region=(200, 200, 120, 90))
    assert np.array_equal(region, mixed[200:290, 200:320])
    path = tmp_path / "a.lcc"
    path.write_bytes(data)
    assert b"5 of 6 tiles drawn" in run_cli("info", str(path)).stdout
    assert lcodec.info(data).drawn_tiles == 5


def test_salvage_keeps_the_drawn_tiles_that_are_whole(codec, mixed, mixed_file):
    data = mixed_file
    stream = unpack(data)
    start = data.index(stream.steps[1])
    damaged = bytearray(data)
    damaged[start + 20] ^= 255
    with pytest.raises(FormatError):
        codec.decode(bytes(damaged))
    found = codec.salvage(bytes(damaged))
    assert found.steps[1] == 0 and found.steps[2] == found.step_count
    assert np.array_equal(found.pixels[:256, 512:], mixed[:256, 512:])


def test_the_coded_size_bounds_what_is_made_of_it():
    zeros = lzma.compress(bytes(10_000_000), lzma.FORMAT_RAW, filters=LZMA)
    with pytest.raises(CoderError, match="another number of bytes than 300"):
        unpack_drawn(b"\0" + zeros, 10, 10, 3, 8)


@pytest.mark.parametrize(
    "payload, line",
    [
        (b"", "of nothing"),
        (b"\x08abc", "in the way 08"),
        (b"\x00", "another number"),
        (b"\x00\x03\xff", "is damaged"),
        (b"\x04", "are cut"),
        (b"\x07\x02" + bytes(9), "too many"),
        (b"\x04\x05" + bytes(9), "are cut"),
        (b"\x04\x00abc" + lzma.compress(b"\x01" * 100, lzma.FORMAT_RAW, filters=LZMA), "does not have"),
        (b"\x00" + lzma.compress(bytes(299), lzma.FORMAT_RAW, filters=LZMA), "another number"),
        (b"\x00" + lzma.compress(bytes(300), lzma.FORMAT_RAW, filters=LZMA) + b"x", "another number"),
    ],
)
def test_bad_bytes_are_one_error(payload, line):
    with pytest.raises(CoderError, match=line):
        unpack_drawn(payload, 10, 10, 3, 8)


def test_samples_beyond_the_depth_are_bad():
    payload = pack_drawn(np.full((4, 4, 3), 4096, np.uint16))
    with pytest.raises(CoderError, match="more than 12 bits"):
        unpack_drawn(payload, 4, 4, 3, 12)


def test_only_lossless_files_have_drawn_tiles_and_only_in_their_first_step(codec):
    stream = unpack(lcodec.Codec("tiny", "cpu").encode(picture(20, 30)))
    with pytest.raises(FormatError, match="only those of lossless files"):
        lcodec.decode(pack(replace(stream, ways=(DRAWN,))))
    drawn = unpack(codec.encode(drawing(40, 40)))
    moved = replace(drawn, steps=(drawn.steps[1], drawn.steps[0], *drawn.steps[2:]))
    with pytest.raises(FormatError, match="another step than the first"):
        codec.decode(pack(moved))
    with pytest.raises(FormatError, match="do not match their checksum"):
        codec.decode(pack(replace(drawn, symbols_crc=drawn_crc(drawing(40, 40)) ^ 1)))
    with pytest.raises(ValueError, match="2 ways of 1 tiles"):
        pack(replace(drawn, ways=(0, DRAWN)))


def test_ways_stand_where_they_must(codec):
    stream = unpack(codec.encode(drawing(40, 40)))
    data = pack(stream)
    where = data.index(b"\x06\x01\x01")  # type, length, the way of the only tile
    with pytest.raises(FormatError, match="WAYS is damaged"):
        unpack(data[: where + 2] + b"\x02" + data[where + 3 :])
    section = data[where : where + 7]
    with pytest.raises(FormatError, match="WAYS is not where it must be"):
        unpack(data[:where] + section + section + data[where + 7 :])
