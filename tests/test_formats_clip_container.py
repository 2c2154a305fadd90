"""The container of clips: fields there and back, damage, cuts, and what is hostile."""

import io
from fractions import Fraction

import pytest

from lcodec.formats.clip_container import (
    MAGIC,
    ClipEnd,
    ClipHead,
    ClipReader,
    ClipWriter,
    FrameUnit,
    Lost,
    ModelName,
    Picture,
    Tracks,
    read_index,
)
from lcodec.formats.clip_sections import INTRA, PREDICTED, REPEAT, SYNC
from lcodec.formats.errors import CutError, FormatError, UnsupportedError
from lcodec.formats.sections import pack_section

HEAD = ClipHead(
    Picture(352, 289, 10, 2, 9, 9, 16, True),
    Fraction(1001, 30000),
    Fraction(30000, 1001),
    Fraction(12, 11),
    ModelName(2, b"12345678"),
    ModelName(300, b"abcdefgh"),
    3,
)
KINDS = (INTRA, PREDICTED, REPEAT, PREDICTED, INTRA, PREDICTED, INTRA, PREDICTED)
TIMES = (-5, -4, 0, 70000, 70001, 70002, 2**40, 2**40 + 7)


def written(kinds=KINDS, finish=True, data=b"payload"):
    file = io.BytesIO()
    writer = ClipWriter(file, HEAD)
    for n, (kind, time) in enumerate(zip(kinds, TIMES, strict=True)):
        if n == 2:
            writer.tracks(b"sound")
        if kind == REPEAT:
            writer.repeat(time)
        else:
            put = writer.intra if kind == INTRA else writer.predicted
            put(time, 100 * n, 0xDEADBEE0 + n, data + bytes([n]))
    if finish:
        writer.finish(9)
    return file.getvalue()


def units(data, salvage=False):
    return list(ClipReader(io.BytesIO(data)).units(salvage))


def frames(found):
    return [unit.number for unit in found if isinstance(unit, FrameUnit)]


def test_what_is_written_is_read():
    data = written()
    reader = ClipReader(io.BytesIO(data))
    assert reader.head == HEAD
    found = list(reader.units())
    assert [u.kind for u in found if isinstance(u, FrameUnit)] == list(KINDS)
    assert [u.time for u in found if isinstance(u, FrameUnit)] == list(TIMES)
    assert [u.gain_index for u in found if isinstance(u, FrameUnit) and u.kind != REPEAT] == [
        0,
        100,
        300,
        400,
        500,
        600,
        700,
    ]
    assert found[1].data == b"payload\x01" and found[1].symbols_crc == 0xDEADBEE1
    assert [u.data for u in found if isinstance(u, Tracks)] == [b"sound"]
    assert isinstance(found[-1], ClipEnd) and (found[-1].frames, found[-1].duration) == (8, 9)
    assert reader.offset == len(data)


def test_units_come_as_soon_as_they_are_there():
    """From a file that never gives more than one byte, and stops after the second frame."""
    data = written()
    second = units(data)[1]

    class Trickle(io.BytesIO):
        def read(self, count=-1):
            return super().read(1)

    cut = data[: data.index(b"payload\x01") + len(b"payload\x01") + 4]
    reader = ClipReader(Trickle(cut)).units()
    assert [next(reader).number, next(reader)] == [0, second]
    with pytest.raises(CutError):
        next(reader)


def test_index_and_going_to_a_frame():
    data = written()
    index = read_index(io.BytesIO(data))
    assert [number for number, _ in index] == [0, 4, 6]
    assert all(data[offset] == INTRA for _, offset in index)
    for frame, first in ((0, 0), (3, 0), (4, 4), (5, 4), (7, 6)):
        reader = ClipReader(io.BytesIO(data))
        reader.skip_to(frame)
        assert frames(reader.units()) == list(range(first, 8))
    assert read_index(io.BytesIO(data[:-1])) == [] and read_index(io.BytesIO(b"")) == []


def test_every_cut_is_known_and_what_came_before_is_kept():
    data = written()
    ends = [data.index(b"payload" + bytes([n])) + 12 for n in range(8) if KINDS[n] != REPEAT]
    for size in range(len(data)):
        with pytest.raises(FormatError):
            units(data[:size])
        try:
            kept = frames(units(data[:size], salvage=True))
        except FormatError:
            assert size < 80  # within HEAD
            continue
        assert len(kept) >= sum(end <= size for end in ends)


@pytest.mark.parametrize("change", [0x01, 0x80])
def test_a_changed_byte_costs_no_more_than_up_to_the_next_intra_frame(change):
    data = written()
    first = read_index(io.BytesIO(data))
    starts = [offset for _, offset in first] + [len(data)]
    for place in range(starts[0], len(data)):
        damaged = bytearray(data)
        damaged[place] ^= change
        with pytest.raises(FormatError):
            units(bytes(damaged))
        found = units(bytes(damaged), salvage=True)
        kept = set(frames(found))
        group = sum(place >= start for start in starts) - 1
        own = [range(0, 4), range(4, 6), range(6, 8)][group]
        assert set(range(8)) - kept <= set(own), place
        told = {n for unit in found if isinstance(unit, Lost) for n in range(unit.first, unit.end)}
        # Of the last group nobody says any more how many there were.
        assert told == set(range(8)) - kept or (group == 2 and any(isinstance(u, Lost) for u in found)), place


def test_a_false_sync_in_a_payload_is_no_frame():
    data = written(data=b"xx" + SYNC + b"y")
    damaged = bytearray(data)
    damaged[data.index(SYNC) + 30] ^= 1
    assert set(range(4, 8)) <= set(frames(units(bytes(damaged), salvage=True)))


@pytest.mark.parametrize(
    ("kinds", "message"),
    [((PREDICTED,), "first frame is an intra frame"), ((REPEAT,), "first frame is an intra frame")],
)
def test_writer_wants_an_intra_frame_first(kinds, message):
    writer = ClipWriter(io.BytesIO(), HEAD)
    with pytest.raises(ValueError, match=message):
        writer.repeat(0) if kinds == (REPEAT,) else writer.predicted(0, 0, 0, b"")


def test_times_rise():
    writer = ClipWriter(io.BytesIO(), HEAD)
    writer.intra(5, 0, 0, b"")
    with pytest.raises(ValueError):
        writer.repeat(5)


def head_with(payload):
    signature = MAGIC + bytes((1, 0))
    return signature + pack_section(1, payload, before=signature)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", FormatError, "not an lcodec clip"),
        (b"\x8bLC\n\x01\x00", FormatError, "not an lcodec clip"),
        (MAGIC, CutError, "cut"),
        (MAGIC + b"\x02\x00", UnsupportedError, "version 2"),
        (MAGIC + b"\x01\x00", CutError, "cut"),
        (head_with(b"\x00\x01"), FormatError, "width is 0"),
        (head_with(b"\xff\xff\x03\xff\xff\x03"), FormatError, "more than"),
        (head_with(b"\x10\x10\x08\x07\x02\x02\x02\x00"), UnsupportedError, "not known"),
        (head_with(b"\x10\x10\x11\x01\x02\x02\x02\x00"), UnsupportedError, "not known"),
        (head_with(b"\x10\x10\x08\x01\x02\x02\x02\x00\x00\x01"), FormatError, "time base|varint|cut"),
        (head_with(b"\x10\x10\x08\x01\x02\x02\x02\x00\x01\x00"), FormatError, "time_base is 1/0"),
        (MAGIC + b"\x01\x00\x02\xff\xff\xff\xff\x0f", FormatError, "at most"),
    ],
)
def test_beginnings_that_are_none(data, error, message):
    with pytest.raises(error, match=message):
        ClipReader(io.BytesIO(data))


def test_a_limit_of_ones_own():
    with pytest.raises(UnsupportedError, match="limit of 1000"):
        ClipReader(io.BytesIO(written()), max_pixels=1000)


@pytest.mark.parametrize(
    ("section", "error", "message"),
    [
        (pack_section(PREDICTED, b"\x01\x00\x00" + bytes(4)), FormatError, "before any INTRA"),
        (pack_section(0x1F, b""), UnsupportedError, "unknown critical"),
        (pack_section(INTRA, b"abcd"), FormatError, "does not begin"),
        (pack_section(INTRA, SYNC + b"\x05" + bytes(14)), FormatError, "frame 5 where 0"),
        (pack_section(INTRA, SYNC + b"\x00" + bytes(8) + b"\x01\x20" + bytes(4)), FormatError, "gain_index"),
    ],
)
def test_sections_that_are_wrong(section, error, message):
    start = len(written(KINDS, finish=False)) and written()[: read_index(io.BytesIO(written()))[0][1]]
    with pytest.raises(error, match=message):
        units(start + section)


def test_unknown_ancillary_sections_are_skipped_if_they_are_whole():
    data = written()
    place = read_index(io.BytesIO(data))[1][1]
    extra = pack_section(0x9F, b"whatever")
    assert frames(units(data[:place] + extra + data[place:])) == list(range(8))
    damaged = extra[:-1] + bytes([extra[-1] ^ 1])
    with pytest.raises(FormatError, match="damaged"):
        units(data[:place] + damaged + data[place:])


def test_bytes_after_the_end_are_noticed():
    with pytest.raises(FormatError, match="follow END"):
        units(written() + b"x")
