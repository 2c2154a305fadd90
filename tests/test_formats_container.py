"""The container: round trips, the document's example and limits, and every kind of damage."""

import pickle
import random
import re
import subprocess
import sys
import time
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from lcodec.formats import container, grid, metadata, sections
from lcodec.formats.container import MAX_PIXELS, Header, Stream, pack, unpack, unpack_remains
from lcodec.formats.errors import DamageWarning, FormatError, LcodecError, UnsupportedError
from lcodec.formats.fields import Cursor, pack_uint, pack_varint
from lcodec.formats.grid import Grid
from lcodec.formats.metadata import Metadata

SPEC = (Path(__file__).parent.parent / "formats" / "SPEC.md").read_text(encoding="utf-8")
SIGNATURE = bytes.fromhex("8b4c430a0100")
HASH = bytes(range(1, 9))
HEADER = Header(768, 513, 7, HASH, 4096)
STREAM = Stream(HEADER, (b"\x11\x22\x33", b"", b"\x44\x55\x66\x77"), 0x12345678, Metadata("hi"))
HEAD_PAYLOAD = bytes.fromhex("8006 8104 07") + HASH + bytes.fromhex("0010 00")
END_PAYLOAD = bytes.fromhex("01 00000000")


def section(kind, payload, before=b""):
    """A section made from the text of SPEC.md, apart from the writer; payloads below 128 bytes."""
    body = bytes([kind, len(payload)]) + payload
    return body + zlib.crc32(before + body).to_bytes(4, "little")


def file_of(*sections, head=HEAD_PAYLOAD, signature=SIGNATURE):
    return signature + section(1, head, signature) + b"".join(sections)


ONE_STEP = section(2, b"abc")
END = section(3, END_PAYLOAD)


@pytest.mark.parametrize("size", [(1, 1), (17, 31), (63, 1), (65535, 1), (1, 4096), (16384, 16384)])
@pytest.mark.parametrize("comment", [None, "", "ein Gruß, 図", "x" * 65535])
def test_round_trip_of_sizes_and_comments(size, comment):
    stream = Stream(Header(*size, 2**32 - 1, HASH, 8192), (b"z",), 2**32 - 1, Metadata(comment))
    assert unpack(pack(stream)) == stream


@pytest.mark.parametrize("count", range(1, 17))
def test_round_trip_of_step_counts(count):
    steps = tuple(random.Random(n).randbytes(n * 97) for n in range(count))
    stream = replace(STREAM, steps=steps, symbols_crc=0)
    assert unpack(memoryview(pack(stream))) == stream


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("depth", [8, 9, 12, 16])
def test_round_trip_of_kinds_of_pictures(grey, depth):
    stream = replace(STREAM, header=replace(HEADER, grey=grey, depth=depth), alpha=b"\x00alpha")
    assert unpack(pack(stream)) == stream


@pytest.mark.parametrize("metadata", [Metadata("c", b"i", b"e", b"x"), Metadata(xmp=b""), Metadata(icc=bytes(2**24))])
def test_round_trip_of_metadata(metadata):
    data = pack(replace(STREAM, metadata=metadata))
    assert unpack(data).metadata == metadata
    assert data[5] == 1 and pack(STREAM)[5] == 0  # the lowest version that has all of it


def test_round_trip_of_tiles():
    """768 x 513 pixels are six tiles of 256 and a strip of one row."""
    grid = Grid(256, tuple(range(9)))
    steps = tuple(bytes([n]) * n for n in range(18))
    stream = replace(STREAM, steps=steps, grid=grid, symbols_crc=grid.symbols_crc(), alpha=b"a")
    data = pack(stream)
    assert unpack(data) == stream
    assert stream.tiles()[4].steps == (bytes([4]) * 4, bytes([13]) * 13) and stream.tiles()[4].symbols_crc == 4
    # signature, HEAD, and then GRID: its type, length, units of 64 pixels, checksums
    assert data[28:31] == bytes([4, 37, 4]) and data[31:67] == b"".join(n.to_bytes(4, "little") for n in range(9))


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"\x03", "tile_units"),
        (b"\x80\x08", "tile_units"),
        (b"\x0c" + bytes(3), "tile_crc"),
        (b"\x0c" + bytes(5), "GRID"),
        (b"\x04" + bytes(32), "tile_crc"),
    ],
)
def test_malformed_grid(payload, field):
    with pytest.raises(FormatError) as caught:
        unpack(file_of(section(4, payload), ONE_STEP, END))
    assert caught.value.field == field


def test_grid_and_alpha_have_their_places():
    grid, alpha = section(4, b"\x0c" + bytes(4)), section(5, b"a")
    crc = zlib.crc32(bytes(4)).to_bytes(4, "little")
    end = section(3, b"\x01" + crc)
    assert unpack(file_of(grid, alpha, ONE_STEP, end)).grid == Grid(768, (0,))
    for wrong in (alpha + grid, ONE_STEP + grid, grid + grid, ONE_STEP + alpha):
        with pytest.raises(FormatError, match="is not where it must be"):
            unpack(file_of(wrong, ONE_STEP, end))
    with pytest.raises(FormatError, match="symbols_crc is not that of GRID"):
        unpack(file_of(grid, ONE_STEP, END))


def test_remains_of_every_truncation():
    """After HEAD something is always left, and the first problem is told."""
    data = pack(STREAM)
    for length in range(len(data)):
        if length < 28:
            with pytest.raises(FormatError, match="cut"):
                unpack_remains(data[:length])
            continue
        remains = unpack_remains(data[:length])
        (tile,) = remains.tiles
        assert remains.header == HEADER and tile.steps == STREAM.steps[: len(tile.steps)]
        assert "cut" in str(remains.problem) and (tile.symbols_crc is None)
    whole = unpack_remains(data)
    assert whole.problem is None and whole.tiles == STREAM.tiles() and whole.metadata == STREAM.metadata


def test_document_example_is_what_the_writer_writes():
    block = re.search(r"```hex\n(.*?)```", SPEC, re.DOTALL).group(1)
    data = bytearray()
    for line in block.splitlines():
        offset, hex_bytes = re.match(r" *(\d+)  ((?:[0-9a-f]{2} )+) ", line).groups()
        assert int(offset) == len(data), line
        data += bytes.fromhex(hex_bytes)
    assert bytes(data) == pack(STREAM)
    assert unpack(data) == STREAM


def test_document_limits_are_those_of_the_program():
    rows = dict(re.findall(r"^\| (MAX_\w+) \| (\d+) \|$", SPEC, re.MULTILINE))
    assert {name: int(value) for name, value in rows.items()} == {
        name: value
        for name, value in {**vars(sections), **vars(metadata), **vars(grid), **vars(container)}.items()
        if name.startswith("MAX_") and name in rows
    }
    assert len(rows) == 9


def test_independent_writer_agrees():
    assert unpack(file_of(ONE_STEP, END)) == Stream(HEADER, (b"abc",), 0)
    assert pack(Stream(HEADER, (b"abc",), 0)) == file_of(ONE_STEP, END)


def test_overhead_of_three_steps_is_60_bytes():
    steps = (bytes(300), bytes(1500), bytes(3000))
    assert len(pack(Stream(HEADER, steps, 0))) - 4800 == 60


def test_quality_of_gain_index():
    assert [replace(HEADER, gain_index=n).quality for n in (0, 4096, 8192)] == [0, 50, 100]


def test_every_truncation_is_called_cut():
    data = pack(STREAM)
    for length in range(len(data)):
        with pytest.raises(FormatError, match="cut"):
            unpack(data[:length])


def test_every_change_of_a_byte_is_noticed():
    data = pack(STREAM)
    note = data.index(b"hi")
    only_note = range(note, note + 6)  # payload and checksum of COMMENT
    for position in range(len(data)):
        for flip in range(1, 256):
            damaged = bytearray(data)
            damaged[position] ^= flip
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    result = unpack(damaged)
                except LcodecError as error:
                    assert position not in only_note, (position, flip)
                    assert "\n" not in str(error)
                else:
                    assert [w.category for w in caught] == [DamageWarning], (position, flip)
                    assert result == replace(STREAM, metadata=Metadata())
                    # bits 0 to 6 of the type of COMMENT may also change: it stays ancillary, and damaged
                    assert position in only_note or (position == note - 2 and not flip & 0x80)


def test_damaged_comment_warns_with_its_place():
    data = bytearray(pack(STREAM))
    data[data.index(b"hi")] ^= 1
    with pytest.warns(DamageWarning, match="COMMENT at byte 28 was skipped: its checksum differs") as caught:
        unpack(data)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ((section(0x81, b"one"), section(0x81, b"two")), "twice"),
        ((section(0x81, b"one"), section(0x81, b"\xff\xfe")), "twice"),
    ],
)
def test_second_comment_is_skipped(sections, why):
    with pytest.warns(DamageWarning, match=why):
        assert unpack(file_of(*sections, ONE_STEP, END)).metadata.comment == "one"


def test_comment_that_is_not_utf8_is_skipped():
    with pytest.warns(DamageWarning, match="UTF-8"):
        assert unpack(file_of(section(0x81, b"\xff"), ONE_STEP, END)).metadata.comment is None


def test_comment_beyond_its_limit_is_skipped():
    body = b"\x81" + pack_varint(65536, "length") + b"x" * 65536
    long = body + zlib.crc32(body).to_bytes(4, "little")
    with pytest.warns(DamageWarning, match="longer"):
        assert unpack(file_of(long, ONE_STEP, END)).metadata.comment is None


def test_unknown_ancillary_section_is_skipped_silently_anywhere():
    unknown = section(0x9E, b"whatever")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unpack(file_of(unknown, ONE_STEP, unknown, END)) == Stream(HEADER, (b"abc",), 0)


def test_unknown_critical_section_is_named():
    with pytest.raises(UnsupportedError, match="type 0x1e at byte 28"):
        unpack(file_of(section(0x1E, b""), ONE_STEP, END))


def test_higher_minor_is_read_and_other_majors_are_not():
    newer = SIGNATURE[:5] + b"\x09"
    assert unpack(file_of(ONE_STEP, END, signature=newer)).steps == (b"abc",)
    for major in (0, 2, 255):
        with pytest.raises(UnsupportedError, match=rf"version {major}\.0.* 1\.1"):
            unpack(file_of(ONE_STEP, END, signature=SIGNATURE[:4] + bytes([major, 0])))


@pytest.mark.parametrize("head", [b"\x8bLC\r\n", b"\x0bLC\n", "\x8bLC\n".encode(), b"\xef\xbf\xbdLC\n"])
def test_damage_by_text_transfer_is_named(head):
    with pytest.raises(FormatError, match="as text"):
        unpack(head + pack(STREAM)[4:])


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"hello, world", b"L", bytes(100)])
def test_other_files_are_not_ours(data):
    with pytest.raises(FormatError, match="not an lcodec file"):
        unpack(data)


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        ((END,), "step_count"),
        ((section(3, b"\x00" + bytes(4)),), "step_count"),
        ((ONE_STEP, ONE_STEP, END), "step_count"),
        ((ONE_STEP, section(3, END_PAYLOAD[:4])), "symbols_crc"),
        ((ONE_STEP, section(3, END_PAYLOAD + b"\0")), "END"),
        ((ONE_STEP, END, b"\0"), "after END"),
        ((ONE_STEP, END, END), "after END"),
        ((section(1, HEAD_PAYLOAD), ONE_STEP, END), "type"),
        ((section(0x42, b"abc"), END), "type"),
        ((section(0xC1, b"abc"), ONE_STEP, END), "type"),
        ((ONE_STEP,) * 17, "STEP"),
        ((section(0xBF, b""),) * 65, "type"),
        ((b"\x02\xff\xff\xff\xff\x0f",), "length"),
        ((b"\x02\x80\x80\x80\x80\x01",), "payload"),
        ((b"\x02\x81\x80\x80\x80\x01",), "length"),
        ((b"\x02\xff\xff\xff\x7f",), "payload"),
        ((b"\x82\xff\xff\xff\x7f",), "payload"),
        ((b"\x02\x83\x00abc",), "length"),
        ((b"\x02\xff\xff\xff\xff\x10",), "length"),
        ((b"\x02\x80\x80\x80\x80\x80\x00",), "length"),
        ((b"\x02\x03ab",), "payload"),
        ((b"\x02\x03abc\0\0",), "crc32"),
    ],
)
def test_malformed_files_name_the_field(sections, field):
    with pytest.raises(FormatError) as caught:
        unpack(file_of(*sections))
    assert caught.value.field == field
    assert caught.value.offset is not None and caught.value.offset >= 28
    assert field in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sizes", "field"),
    [("00 01", "width"), ("01 00", "height"), ("808004 01", "width"), ("ffff03 ffff03", "height")],
)
def test_sizes_out_of_range(sizes, field):
    head = bytes.fromhex(sizes) + HEAD_PAYLOAD[4:]
    with pytest.raises(FormatError) as caught:
        unpack(file_of(ONE_STEP, END, head=head))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("tail", "field"),
    [("0120 00", "gain_index"), ("0010", "picture_kind"), ("00", "gain_index"), ("0010 00 00", "HEAD")],
)
def test_malformed_head(tail, field):
    with pytest.raises(FormatError) as caught:
        unpack(file_of(ONE_STEP, END, head=HEAD_PAYLOAD[:13] + bytes.fromhex(tail)))
    assert caught.value.field == field


def test_other_picture_kinds_are_unsupported_whatever_follows():
    with pytest.raises(UnsupportedError, match="picture kind 18"):
        unpack(file_of(ONE_STEP, END, head=HEAD_PAYLOAD[:-1] + b"\x12more"))


@pytest.mark.parametrize("first", [ONE_STEP, END, section(0x81, b"hi"), section(0x1E, b"")])
def test_head_must_be_first(first):
    kind, payload = first[0], first[2:-4]
    with pytest.raises(FormatError, match="where HEAD must"):
        unpack(SIGNATURE + section(kind, payload, SIGNATURE) + file_of(ONE_STEP, END)[6:])


def test_head_checksum_covers_the_signature():
    with pytest.raises(FormatError, match="HEAD is damaged"):
        unpack(SIGNATURE + section(1, HEAD_PAYLOAD) + ONE_STEP + END)


def test_lower_limit_of_the_caller():
    data = file_of(ONE_STEP, END)
    assert unpack(data, max_pixels=768 * 513).header == HEADER
    with pytest.raises(UnsupportedError, match="768 x 513"):
        unpack(data, max_pixels=768 * 513 - 1)
    square = Stream(Header(16384, 16384, 0, HASH, 0), (b"",), 0)
    assert unpack(pack(square), max_pixels=2 * MAX_PIXELS) == square


def test_a_tile_may_not_take_all_memory():
    """A picture that is one tile is decoded at once, whatever claims to be one."""
    large = pack(Stream(Header(8192, 8192, 0, HASH, 0), (b"",), 0))
    assert unpack(large).header.width == 8192
    for limit in (2**26, 2**27):
        with pytest.raises(UnsupportedError, match="tiles of 8192 x 8192: more than the limit of 33554432 pixels"):
            unpack(large, limit)
    assert unpack(large, MAX_PIXELS).header.width == 8192
    grid = Grid(1024, (0,) * 64)
    tiled = Stream(Header(8192, 8192, 0, HASH, 0), (b"",) * 64, grid.symbols_crc(), grid=grid)
    assert unpack(pack(tiled), 2**26) == tiled


@pytest.mark.parametrize(
    "stream",
    [
        replace(STREAM, steps=()),
        replace(STREAM, steps=(b"",) * 17),
        replace(STREAM, symbols_crc=2**32),
        replace(STREAM, symbols_crc=-1),
        replace(STREAM, metadata=Metadata("x" * 65536)),
        replace(STREAM, metadata=Metadata("\ud800")),
        replace(STREAM, header=replace(HEADER, width=0)),
        replace(STREAM, header=replace(HEADER, height=65536)),
        replace(STREAM, header=replace(HEADER, width=16385, height=16384)),
        replace(STREAM, header=replace(HEADER, model_id=2**32)),
        replace(STREAM, header=replace(HEADER, model_id=-1)),
        replace(STREAM, header=replace(HEADER, weights_hash=b"short")),
        replace(STREAM, header=replace(HEADER, gain_index=8193)),
        replace(STREAM, header=replace(HEADER, gain_index=-1)),
        replace(STREAM, header=replace(HEADER, depth=7)),
        replace(STREAM, header=replace(HEADER, depth=17)),
        replace(STREAM, grid=Grid(1000, (1,))),
        replace(STREAM, grid=Grid(256, (1, 2))),
        replace(STREAM, grid=Grid(512, (1, 2, 3, 4))),
        replace(STREAM, grid=Grid(768, (0,)), symbols_crc=1),
        replace(STREAM, metadata=Metadata(icc=bytes(2**24 + 1))),
    ],
)
def test_writer_refuses_what_the_reader_would(stream):
    with pytest.raises(ValueError):
        pack(stream)


def test_writer_refuses_an_oversized_section(monkeypatch):
    monkeypatch.setattr(sections, "MAX_SECTION_BYTES", 20)
    with pytest.raises(ValueError, match="21 bytes"):
        pack(replace(STREAM, steps=(bytes(21),)))
    with pytest.raises(FormatError, match="21 bytes"):
        unpack(file_of(section(2, bytes(21)), END))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 768, 16383, 16384, 2**21, 2**28 - 1, 2**28, 2**32 - 1])
def test_varint_round_trip(value):
    data = pack_varint(value, "v")
    assert len(data) == max(1, -(-value.bit_length() // 7))
    cursor = Cursor(data + b"rest")
    assert cursor.varint("v") == value and cursor.left_bytes == 4


def test_integers_that_do_not_fit():
    for value in (-1, 256):
        with pytest.raises(ValueError, match="v is"):
            pack_uint(value, 1, "v")


def test_noise_behind_a_good_start_never_escapes_as_another_error():
    chance = random.Random(5)
    good = pack(STREAM)
    for _ in range(3000):
        keep = chance.choice((0, 4, 6, 28, 36, 45))
        data = good[:keep] + chance.randbytes(chance.randrange(80))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(LcodecError):
                unpack(data)


def test_a_long_run_of_sections_is_refused_at_once():
    data = file_of(section(0x90, b"") * 500_000)
    start = time.perf_counter()
    with pytest.raises(FormatError, match="ancillary"):
        unpack(data)
    assert time.perf_counter() - start < 1


def test_errors_can_be_pickled():
    error = FormatError("bad", offset=3, field="width")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "bad (width at byte 3)"
    assert (again.offset, again.field) == (3, "width")
    assert str(FormatError("bad")) == "bad"
    assert str(FormatError("bad", offset=3)) == "bad (at byte 3)"


def test_container_needs_only_the_standard_library():
    code = "import sys, lcodec.formats.container; print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
