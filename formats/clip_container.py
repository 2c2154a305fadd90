"""The container of clips: the fields of CLIP-SPEC.md, each writer beside its reader.

file = signature  HEAD  (INTRA | PREDICTED | REPEAT | TRACKS | ancillary)*  INDEX  END
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Protocol

from .clip_kinds import MAGIC
from .clip_sections import END, HEAD, INDEX, INTRA, PREDICTED, REPEAT, SYNC, TRACKS, SectionReader
from .container import MAX_DEPTH, MAX_GAIN_INDEX, MIN_DEPTH, WEIGHTS_HASH_BYTES, unpack_sides
from .errors import CutError, FormatError, UnsupportedError
from .fields import Cursor, pack_uint, pack_varint
from .sections import ANCILLARY_BIT, Section, pack_section

MAJOR, MINOR = 1, 0
MAX_FRAME_PIXELS = 2**26
DEFAULT_MAX_FRAME_PIXELS = 2**24
MAX_FRAMES = 2**32 - 1
GREY, HALVED, HALF_WIDTH, FULL = range(4)  # of `chroma`: none, 4:2:0, 4:2:2, 4:4:4
NAMES = {
    HEAD: "HEAD", INTRA: "INTRA", PREDICTED: "PREDICTED", REPEAT: "REPEAT", END: "END", INDEX: "INDEX", TRACKS:
    "TRACKS",
}  # fmt: skip

_MAX_TIME = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model by its wire id and the first 8 bytes of the SHA-256 of its weights."""

    id: int
    weights_hash: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """How samples are laid out and what they mean:

    numbers of ITU-T H.273, 2 for unspecified. `chroma` is one of those above.
    """

    width: int
    height: int
    depth: int = 8
    chroma: int = HALVED
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class ClipHead:
    """CLIP-SPEC 4. A time counts `time_base` seconds; `rate` is the nominal one in frames a second, 0 if unknown.

    The times of packets in TRACKS are `track_shift` seconds too late.
    """

    picture: Picture
    time_base: Fraction
    rate: Fraction
    aspect: Fraction
    intra: ModelName
    predicted: ModelName
    track_shift: int = 0


@dataclass(frozen=True, slots=True)
class FrameUnit:
    """A frame: `kind` is INTRA, PREDICTED or REPEAT, and of the last no more is used than number and time."""

    kind: int
    number: int
    time: int
    gain_index: int = 0
    symbols_crc: int = 0
    data: bytes = b""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames from `first` to before `end` cannot be decoded; `problem` says why."""

    first: int
    end: int
    problem: FormatError


@dataclass(frozen=True, slots=True)
class ClipEnd:
    """The number of frames, and how long the last one is shown, in `time_base`."""

    frames: int
    duration: int
    index_offset: int


@dataclass(frozen=True, slots=True)
class Tracks:
    """The next bytes of a NUT file with the other streams."""

    data: bytes


Unit = FrameUnit | Lost | Tracks | ClipEnd


class Output(Protocol):
    """What a clip is written to."""

    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> object: ...


class ClipWriter:
    """Writes a clip section by section, each whole when the method returns, so that what is there can be played."""

    def __init__(self, file: Output, head: ClipHead) -> None:
        self._file = file
        self._offset = 0
        self._frames = 0
        self._time = 0
        self._intra: list[tuple[int, int]] = []
        signature = MAGIC + bytes((MAJOR, MINOR))
        self._put(signature + pack_section(HEAD, _pack_head(head), before=signature))

    @property
    def offset(self) -> int:
        """Bytes written so far."""
        return self._offset

    def intra(self, time: int, gain_index: int, symbols_crc: int, data: bytes) -> None:
        """A frame that needs no other. Times rise; ValueError otherwise."""
        self._intra.append((self._frames, self._offset))
        number = pack_varint(self._next(time), "number")
        stamp = time.to_bytes(8, "little", signed=True)
        self._put(pack_section(INTRA, SYNC + number + stamp + _pack_coded(gain_index, symbols_crc) + data))

    def predicted(self, time: int, gain_index: int, symbols_crc: int, data: bytes) -> None:
        """A frame that needs the one before."""
        step = self._step(time)
        self._put(pack_section(PREDICTED, step + _pack_coded(gain_index, symbols_crc) + data))

    def repeat(self, time: int) -> None:
        """The frame before, once more."""
        self._put(pack_section(REPEAT, self._step(time)))

    def tracks(self, data: bytes) -> None:
        if data:
            self._put(pack_section(TRACKS, data))

    def finish(self, duration: int) -> None:
        """The last frame is shown so long."""
        index_offset = self._offset
        index, last = [pack_varint(len(self._intra), "count")], (0, 0)
        for number, offset in self._intra:
            index += [pack_varint(number - last[0], "number"), pack_varint(offset - last[1], "offset")]
            last = number, offset
        self._put(pack_section(INDEX, b"".join(index)))
        end = pack_uint(self._frames, 4, "frames") + pack_uint(min(duration, 2**32 - 1), 4, "duration")
        self._put(pack_section(END, end + pack_uint(index_offset, 8, "index_offset")))

    def _step(self, time: int) -> bytes:
        if not self._frames:
            raise ValueError("the first frame is an intra frame")
        step = pack_varint(time - self._time, "step")
        self._next(time)
        return step

    def _next(self, time: int) -> int:
        if not -_MAX_TIME <= time <= _MAX_TIME or (self._frames and time <= self._time):
            raise ValueError(f"a frame at {time} after one at {self._time}: times must rise")
        self._time = time
        self._frames += 1
        return self._frames - 1

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        self._offset += len(data)


class ClipReader:
    """Reads a clip as it comes. Raises FormatError or UnsupportedError for a beginning that is none."""

    def __init__(self, file: BinaryIO, max_pixels: int = DEFAULT_MAX_FRAME_PIXELS) -> None:
        self._file = file
        self._sections = SectionReader(file)
        self._first = 0
        signature = self._sections.take(len(MAGIC) + 2)
        if signature[: len(MAGIC)] != MAGIC:
            raise FormatError("not an lcodec clip", offset=0, field="magic")
        if len(signature) < len(MAGIC) + 2:
            raise CutError("the file is cut: it has no HEAD section", offset=len(signature), field="major")
        if signature[len(MAGIC)] != MAJOR:
            raise UnsupportedError(f"format version {signature[len(MAGIC)]}; this reader knows {MAJOR}")
        section = self._sections.next(signature)
        if section.type != HEAD:
            raise FormatError(f"{_name(section)} stands where HEAD must", offset=section.offset, field="type")
        if not section.intact:
            raise _damage(section)
        self.head = _unpack_head(section.payload, max_pixels)

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._sections.offset

    def skip_to(self, frame: int) -> None:
        """Go on with the last intra frame up to a frame, in a file that can be searched and has its END."""
        before = [entry for entry in read_index(self._file) if entry[0] <= frame]
        if before:
            self._first, offset = before[-1]
            self._file.seek(offset)
            self._sections = SectionReader(self._file, offset)

    def units(self, salvage: bool = False) -> Iterator[Unit]:
        """Frames, tracks and the end, in order.

        Raises FormatError for damage, CutError where the file ends before END. With `salvage`, what cannot be decoded
        comes as `Lost` instead, and a file that is cut just ends.
        """
        walk = _Walk(self._first)
        while True:
            try:
                if salvage and self._sections.at_end():
                    if walk.problem is not None:
                        yield Lost(walk.expected, walk.expected, walk.problem)
                    return
                section = self._sections.next()
                if not section.intact:  # whatever it says it is: it may have been a frame
                    raise _damage(section)
                unit = walk.unit(section)
            except FormatError as problem:
                if not salvage:
                    raise
                walk.problem = walk.problem or problem
                if not self._sections.go_on():
                    yield Lost(walk.expected, walk.expected, walk.problem)
                    return
                continue
            if walk.lost is not None:
                yield walk.lost
                walk.lost = None
            if unit is not None:
                yield unit
                if isinstance(unit, ClipEnd):
                    if not self._sections.at_end() and not salvage:
                        raise FormatError("bytes follow END", offset=self._sections.offset, field="END")
                    return


class _Walk:
    """What is known while sections are read one after the other."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.expected = first  # the number of the next frame
        self.time = 0
        self.problem: FormatError | None = None  # since which frames are lost
        self.lost: Lost | None = None  # to be told

    def unit(self, section: Section) -> Unit | None:
        """What a section says, or None for nothing of use. Raises FormatError and UnsupportedError."""
        payload = section.payload
        match section.type:
            case kind if kind == INTRA:
                return self._intra(section)
            case kind if kind in (PREDICTED, REPEAT):
                if self.expected == self._first and self.problem is None:
                    raise FormatError(f"{_name(section)} before any INTRA", offset=section.offset, field="type")
                if self.problem is not None:
                    return None
                self.time += payload.varint("step")
                fields = (0, 0, b"") if kind == REPEAT else _unpack_coded(payload)
                payload.finish(_name(section))
                self.expected += 1
                return FrameUnit(kind, self.expected - 1, self.time, *fields, section.offset)
            case kind if kind == TRACKS:
                return Tracks(payload.take(payload.left_bytes, "tracks"))
            case kind if kind == INDEX:
                return None
            case kind if kind == END:
                end = ClipEnd(payload.uint(4, "frames"), payload.uint(4, "duration"), payload.uint(8, "index_offset"))
                payload.finish("END")
                self._caught_up(end.frames)
                if end.frames != self.expected:
                    text = f"END counts {end.frames} frames, the file holds {self.expected}"
                    raise FormatError(text, offset=section.offset, field="frames")
                return end
            case kind if kind & ANCILLARY_BIT:
                return None
        if self.problem is not None:
            return None
        raise UnsupportedError(f"unknown critical {_name(section)} at byte {section.offset}")

    def _intra(self, section: Section) -> FrameUnit:
        payload = section.payload
        if payload.take(len(SYNC), "sync") != SYNC:
            raise FormatError("INTRA does not begin as it must", offset=section.offset, field="sync")
        number = payload.varint("number")
        time = int.from_bytes(payload.take(8, "time"), "little", signed=True)
        coded = _unpack_coded(payload)
        self._caught_up(number)
        if number != self.expected or (number > self._first and time <= self.time):
            raise FormatError(f"frame {number} where {self.expected} must be", offset=section.offset, field="number")
        self.expected, self.time = number + 1, time
        return FrameUnit(INTRA, number, time, *coded, section.offset)

    def _caught_up(self, number: int) -> None:
        """After damage, a frame says which number it has."""
        if self.problem is not None and number >= self.expected:
            self.lost = Lost(self.expected, number, self.problem) if number > self.expected else None
            self.expected, self.problem = number, None


def read_index(file: BinaryIO) -> list[tuple[int, int]]:
    """(frame number, offset) of the intra frames of a file that can be searched; empty where it has no whole END."""
    size = 1 + 1 + 16 + 4
    end = file.seek(0, 2)
    if end < size:
        return []
    file.seek(end - size)
    try:
        section = SectionReader(file).next()
        if section.type != END or not section.intact:
            return []
        section.payload.take(8, "frames")
        file.seek(min(section.payload.uint(8, "index_offset"), end))
        index = SectionReader(file).next()
        if index.type != INDEX or not index.intact:
            return []
        payload, found, number, offset = index.payload, [], 0, 0
        for _ in range(payload.varint("count")):
            number += payload.varint("number")
            offset += payload.varint("offset")
            found.append((number, offset))
        return found
    except FormatError:
        return []


def _damage(section: Section) -> FormatError:
    return FormatError(f"{_name(section)} is damaged: its checksum differs", offset=section.offset, field="crc32")


def _name(section: Section) -> str:
    return NAMES.get(section.type, f"section of type 0x{section.type:02x}")


def _pack_coded(gain_index: int, symbols_crc: int) -> bytes:
    if gain_index > MAX_GAIN_INDEX:
        raise ValueError(f"gain_index is {gain_index}, at most {MAX_GAIN_INDEX} is allowed")
    return pack_uint(gain_index, 2, "gain_index") + pack_uint(symbols_crc, 4, "symbols_crc")


def _unpack_coded(payload: Cursor) -> tuple[int, int, bytes]:
    gain_index = payload.uint(2, "gain_index")
    if gain_index > MAX_GAIN_INDEX:
        text = f"gain_index is {gain_index}, at most {MAX_GAIN_INDEX} is allowed"
        raise FormatError(text, offset=payload.place - 2, field="gain_index")
    return gain_index, payload.uint(4, "symbols_crc"), payload.take(payload.left_bytes, "symbols")


def _pack_head(head: ClipHead) -> bytes:
    picture = head.picture
    sides = pack_varint(picture.width, "width") + pack_varint(picture.height, "height")
    codes = (picture.depth, picture.chroma, picture.matrix, picture.primaries, picture.transfer, picture.full_range)
    numbers = b"".join(pack_uint(int(code), 1, "picture") for code in codes)
    ratios = b"".join(
        pack_varint(part, name)
        for name, ratio in (("time_base", head.time_base), ("rate", head.rate), ("aspect", head.aspect))
        for part in (ratio.numerator, ratio.denominator)
    )
    models = b"".join(pack_varint(model.id, "model") + model.weights_hash for model in (head.intra, head.predicted))
    return sides + numbers + ratios + pack_varint(head.track_shift, "track_shift") + models


def _unpack_head(payload: Cursor, max_pixels: int) -> ClipHead:
    width, height = unpack_sides(payload, MAX_FRAME_PIXELS)
    depth, chroma, matrix, primaries, transfer, full = (payload.uint(1, "picture") for _ in range(6))
    if not MIN_DEPTH <= depth <= MAX_DEPTH or chroma > FULL or full > 1:
        text = f"samples of {depth} bits, chroma {chroma}, range {full}: not known to this reader"
        raise UnsupportedError(text)
    time_base, rate, aspect = (_unpack_ratio(payload, name) for name in ("time_base", "rate", "aspect"))
    if not time_base:
        raise FormatError("the time base is 0", offset=payload.place, field="time_base")
    shift = payload.varint("track_shift")
    intra, predicted = (
        ModelName(payload.varint("model"), payload.take(WEIGHTS_HASH_BYTES, "weights_hash")) for _ in range(2)
    )
    payload.finish("HEAD")
    if width * height > max_pixels:
        raise UnsupportedError(f"the frames are {width} x {height}: more than the limit of {max_pixels} pixels")
    picture = Picture(width, height, depth, chroma, matrix, primaries, transfer, bool(full))
    return ClipHead(picture, time_base, rate, aspect, intra, predicted, shift)


def _unpack_ratio(payload: Cursor, name: str) -> Fraction:
    start = payload.place
    top, bottom = payload.varint(name), payload.varint(name)
    if not bottom:
        raise FormatError(f"{name} is {top}/0", offset=start, field=name)
    return Fraction(top, bottom)
