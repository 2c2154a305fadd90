"""Golden files pin the bitstream; damaged copies of them must never do more than raise."""

import resource
import shutil
import sys
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from carriers import CARRIERS_AND_ORACLE
from checks import GOLDEN
from make_golden import CASES, LOSSLESS, symbols_digest

from lcodec import Codec, DamageWarning, LcodecError
from lcodec.formats.container import unpack
from lcodec.formats.pictures import read_picture


@pytest.fixture(scope="module")
def codec():
    return Codec("tiny", "cpu")


@contextmanager
def quiet():
    """A flipped bit 7 makes a critical section look like a damaged ancillary one: a warning, then an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        yield


@pytest.mark.parametrize("name", CASES)
def test_golden_file_decodes_to_its_symbols_and_pixels(name, codec):
    data = (GOLDEN / f"{name}.lcc").read_bytes()
    assert symbols_digest(data) == (GOLDEN / f"{name}.sha256").read_text().strip()
    expected = read_picture((GOLDEN / f"{name}.png").read_bytes()).pixels
    difference = codec.decode(data).astype(int) - expected.astype(int)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", CASES)
def test_golden_file_is_what_the_encoder_writes(name, codec):
    height, width, quality, comment, tile = CASES[name]
    golden = unpack((GOLDEN / f"{name}.lcc").read_bytes())
    assert (golden.header.height, golden.header.width, golden.metadata.comment) == (height, width, comment)
    source = read_picture((GOLDEN / f"{name}.source.png").read_bytes()).pixels
    again = codec.encode(source, quality, comment, tile=tile)
    # The analysis is floating point: another machine may round a latent the other way, so only the size is held.
    assert abs(len(again) - (GOLDEN / f"{name}.lcc").stat().st_size) <= 8


def test_lossless_golden_file_is_written_and_read_to_the_bit(tmp_path, monkeypatch):
    shutil.copytree(GOLDEN.parent, tmp_path / "weights")
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path))
    data = (GOLDEN / "lossless.lcc").read_bytes()
    source = read_picture((GOLDEN / "lossless.source.png").read_bytes()).pixels
    lossless = Codec(LOSSLESS, "cpu")
    assert lossless.encode(source, tile=256) == data
    assert np.array_equal(lossless.decode(data), source)


@CARRIERS_AND_ORACLE
def test_golden_files_have_the_same_symbols_on_every_carrier(carrier, tmp_path, monkeypatch):
    shutil.copytree(GOLDEN.parent, tmp_path / "weights")
    monkeypatch.setenv("LCODEC_HOME", str(tmp_path))
    for module in ("model_file", "lossless_file"):
        monkeypatch.setattr(f"lcodec.codec.{module}.carrier", lambda device: carrier)
    for model, names in (("tiny", CASES), (LOSSLESS, ["lossless", "drawn"])):
        codec = Codec(model, "cpu")
        for name in names:
            codec.verify_stream(unpack((GOLDEN / f"{name}.lcc").read_bytes()))


def test_drawn_golden_file_is_read_to_the_bit():
    data = (GOLDEN / "drawn.lcc").read_bytes()
    source = read_picture((GOLDEN / "drawn.source.png").read_bytes()).pixels
    assert [tile.way for tile in unpack(data).tiles()] == [0, 1]
    lossless = Codec(LOSSLESS, "cpu")
    assert np.array_equal(lossless.decode(data), source)
    # liblzma may find other repetitions in another version.
    assert abs(len(lossless.encode(source, tile=256)) - len(data)) <= 30


def test_truncation_at_every_byte_is_an_error(codec):
    data = (GOLDEN / "comment-q33.3.lcc").read_bytes()
    for length in range(len(data)):
        with pytest.raises(LcodecError):
            codec.decode(data[:length])


def test_flip_of_every_byte_is_an_error_or_a_warning_about_an_ancillary_section(codec):
    data = (GOLDEN / "comment-q33.3.lcc").read_bytes()
    text = "a comment: é".encode()
    start = data.index(text)
    harmless = range(start, start + len(text) + 4)  # payload and checksum of the comment
    expected = codec.decode(data)
    for offset in range(len(data)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[offset] ^= mask
            # The comment's type byte with another low bit is an ancillary section still.
            if offset in harmless or (offset == start - 2 and mask == 0x01):
                with pytest.warns(DamageWarning):
                    assert np.array_equal(codec.decode(bytes(damaged)), expected)
            else:
                with pytest.raises(LcodecError), quiet():
                    codec.decode(bytes(damaged))


def test_damage_takes_no_memory(codec):
    data = (GOLDEN / "large-q100.lcc").read_bytes()
    codec.decode(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for offset in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[offset] ^= 0xFF
        with pytest.raises(LcodecError), quiet():
            codec.decode(bytes(damaged))
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 300 * 2**20
