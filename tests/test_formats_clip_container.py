"""The container of clips: fields there and back, damage, cuts, and what is hostile."""

import io
from fractions import Fraction

import pytest

from lcodec.formats import clip_sections
from lcodec.formats.clip_kinds import MAGIC
from lcodec.formats.clip_order import Slot, group_slots
from lcodec.formats.clip_reader import ClipReader, read_index
from lcodec.formats.clip_records import MAJOR, MINOR, ClipEnd, ClipHead, FrameUnit, Gap, ModelName, Picture, Tracks
from lcodec.formats.clip_sections import BETWEEN, INTRA, PREDICTED, REPEAT, SYNC
from lcodec.formats.clip_writer import ClipWriter
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
# As coded: kind, number, time, references.
FRAMES = (
    (INTRA, 0, -5, ()),
    (PREDICTED, 3, 70000, (0,)),
    (BETWEEN, 1, -4, (0, 3)),
    (REPEAT, 2, 0, (1,)),
    (INTRA, 4, 70001, ()),
    (REPEAT, 5, 70002, (4,)),
    (INTRA, 6, 2**40, ()),
    (PREDICTED, 7, 2**40 + 7, (6,)),
)
AFTER = {0: range(4), 4: range(4, 6), 6: range(6, 8)}  # an intra frame, and those that hang on it


def written(data=b"payload"):
    file = io.BytesIO()
    writer = ClipWriter(file, HEAD)
    for n, (kind, number, time, references) in enumerate(FRAMES):
        if n == 2:
            writer.tracks(b"sound")
        rest = 100 * number, 0xDEADBEE0 + number, data + bytes([number])
        match kind:
            case clip_sections.INTRA:
                writer.intra(time, *rest)
            case clip_sections.PREDICTED:
                writer.predicted(number - references[0] - 1, time, *rest)
            case clip_sections.BETWEEN:
                writer.between(time, *rest)
            case clip_sections.REPEAT:
                writer.repeat(time)
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
    there = [u for u in found if isinstance(u, FrameUnit)]
    assert [(u.kind, u.number, u.time, u.references) for u in there] == list(FRAMES)
    assert [u.level for u in there] == [0, 0, 1, 2, 0, 0, 0, 0]
    for unit in there:
        wanted = (0, 0, b"") if unit.kind == REPEAT else (100 * unit.number, 0xDEADBEE0 + unit.number)
        assert (unit.gain_index, unit.symbols_crc) == wanted[:2]
        assert unit.data == (b"" if unit.kind == REPEAT else b"payload" + bytes([unit.number]))
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

    cut = data[: data.index(b"payload\x03") + len(b"payload\x03") + 4]
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
        assert reader.first == first and sorted(frames(reader.units())) == list(range(first, 8))
    assert read_index(io.BytesIO(data[:-1])) == [] and read_index(io.BytesIO(b"")) == []


def test_every_cut_is_known_and_what_came_before_is_kept():
    data = written()
    ends = [data.index(b"payload" + bytes([number])) + 12 for kind, number, _, _ in FRAMES if kind != REPEAT]
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
        own = [AFTER[number] for number, start in first if place >= start][-1]
        assert set(range(8)) - kept <= set(own), place
        ends = [unit.end for unit in found if isinstance(unit, Gap)]
        # Of the last group nobody says any more how many there were, if END is damaged.
        assert ends == [own.stop] or (own.stop == 8 and ends == [None]) or (kept == set(range(8)) and not ends), place


def test_a_false_sync_in_a_payload_is_no_frame():
    data = written(data=b"xx" + SYNC + b"y")
    damaged = bytearray(data)
    damaged[data.index(SYNC) + 30] ^= 1
    assert set(range(4, 8)) <= set(frames(units(bytes(damaged), salvage=True)))


def written_so(*calls):
    """What a writer says to calls of its methods, each a name and arguments before gain_index."""
    writer = ClipWriter(io.BytesIO(), HEAD)
    for name, *arguments in calls:
        getattr(writer, name)(*arguments, *(() if name in ("repeat", "finish") else (0, 0, b"")))


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ((("predicted", 0, 0),), "first frame is an intra frame"),
        ((("repeat", 0),), "first frame is an intra frame"),
        ((("between", 0),), "first frame is an intra frame"),
        ((("intra", 5), ("repeat", 5)), "times must rise"),
        ((("intra", 5), ("intra", 4)), "times must rise"),
        ((("intra", 5), ("predicted", 0, 5)), "times must rise"),
        ((("intra", 5), ("predicted", 1, 9), ("between", 9)), "times must rise"),
        ((("intra", 5), ("predicted", 1, 9), ("between", 5)), "times must rise"),
        ((("intra", 5), ("predicted", 1, 9), ("repeat", 9)), "times must rise"),
        ((("intra", 0), ("between", 9)), "has all its frames"),
        ((("intra", 0), ("predicted", 1, 9), ("between", 3), ("between", 4)), "has all its frames"),
        ((("intra", 0), ("predicted", 1, 9), ("intra", 10)), "frame 1 of the group before"),
        ((("intra", 0), ("predicted", 3, 9), ("predicted", 0, 10)), "frame 2 of the group before"),
        ((("intra", 0), ("predicted", 3, 9), ("between", 4), ("finish", 1)), "ends where frame 1"),
        ((("intra", 0), ("predicted", 8, 9)), "at most 8"),
        ((("intra", 2**63),), "at most"),
    ],
)
def test_frames_that_cannot_come(calls, message):
    with pytest.raises(ValueError, match=message):
        written_so(*calls)


@pytest.mark.parametrize("length", range(1, 9))
def test_groups_are_coded_from_their_ends(length):
    slots = list(group_slots(10, length))
    assert sorted(slot.frame for slot in slots) == list(range(11, 11 + length))
    assert slots[0] == Slot(10 + length, (10,), 0)
    done = {10}
    for slot in slots:
        assert set(slot.references) <= done
        if slot.level:
            first, last = slot.references
            assert first < slot.frame < last and abs((slot.frame - first) - (last - slot.frame)) <= 1
            assert not any(first < n < last for n in done)
        done.add(slot.frame)
    assert max(slot.level for slot in slots) <= 3


def head_with(payload):
    signature = MAGIC + bytes((MAJOR, MINOR))
    return signature + pack_section(1, payload, before=signature)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", FormatError, "not an lcodec clip"),
        (b"\x8bLC\n\x03\x00", FormatError, "not an lcodec clip"),
        (MAGIC, CutError, "cut"),
        (MAGIC + b"\x01\x00", UnsupportedError, "version 1"),
        (MAGIC + bytes((MAJOR, MINOR)), CutError, "cut"),
        (head_with(b"\x00\x01"), FormatError, "width is 0"),
        (head_with(b"\xff\xff\x03\xff\xff\x03"), FormatError, "more than"),
        (head_with(b"\x10\x10\x08\x07\x02\x02\x02\x00"), UnsupportedError, "not known"),
        (head_with(b"\x10\x10\x11\x01\x02\x02\x02\x00"), UnsupportedError, "not known"),
        (head_with(b"\x10\x10\x08\x01\x02\x02\x02\x00\x00\x01"), FormatError, "time base|varint|cut"),
        (head_with(b"\x10\x10\x08\x01\x02\x02\x02\x00\x01\x00"), FormatError, "time_base is 1/0"),
        (MAGIC + bytes((MAJOR, MINOR)) + b"\x02\xff\xff\xff\xff\x0f", FormatError, "at most"),
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
        (pack_section(PREDICTED, b"\x00\x01\x00\x00" + bytes(4)), FormatError, "first frame is an intra frame"),
        (pack_section(BETWEEN, b"\x01\x00\x00" + bytes(4)), FormatError, "first frame is an intra frame"),
        (pack_section(0x1F, b""), UnsupportedError, "unknown critical"),
        (pack_section(INTRA, b"abcd"), FormatError, "does not begin"),
        (pack_section(INTRA, SYNC + b"\x05" + bytes(14)), FormatError, "frame 5 where 0"),
        (pack_section(INTRA, SYNC + b"\x00" + bytes(8) + b"\x01\x20" + bytes(4)), FormatError, "gain_index"),
    ],
)
def test_sections_that_are_wrong(section, error, message):
    start = written()[: read_index(io.BytesIO(written()))[0][1]]
    with pytest.raises(error, match=message):
        units(start + section)


def test_unknown_ancillary_sections_are_skipped_if_they_are_whole():
    data = written()
    place = read_index(io.BytesIO(data))[1][1]
    extra = pack_section(0x9F, b"whatever")
    assert sorted(frames(units(data[:place] + extra + data[place:]))) == list(range(8))
    damaged = extra[:-1] + bytes([extra[-1] ^ 1])
    with pytest.raises(FormatError, match="damaged"):
        units(data[:place] + damaged + data[place:])


def test_bytes_after_the_end_are_noticed():
    with pytest.raises(FormatError, match="follow END"):
        units(written() + b"x")
