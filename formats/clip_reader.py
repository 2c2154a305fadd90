"""The reader of clips, as they come, and around damage: CLIP-SPEC.md."""

from collections.abc import Iterator
from typing import BinaryIO

from .clip_head import unpack_head
from .clip_kinds import MAGIC
from .clip_order import FrameOrder
from .clip_records import DEFAULT_MAX_FRAME_PIXELS, MAJOR, NAMES, ClipEnd, FrameUnit, Gap, Tracks, Unit
from .clip_sections import BETWEEN, END, HEAD, INDEX, INTRA, PREDICTED, REPEAT, SYNC, TRACKS, SectionReader
from .container import MAX_GAIN_INDEX
from .errors import CutError, FormatError, UnsupportedError
from .fields import Cursor
from .sections import ANCILLARY_BIT, Section


class ClipReader:
    """Reads a clip as it comes. Raises FormatError or UnsupportedError for a beginning that is none."""

    def __init__(self, file: BinaryIO, max_pixels: int = DEFAULT_MAX_FRAME_PIXELS) -> None:
        self._file = file
        self._sections = SectionReader(file)
        self.first = 0  # the number of the frame that comes first
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
        self.head = unpack_head(section.payload, max_pixels)

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._sections.offset

    def skip_to(self, frame: int) -> None:
        """Go on with the last intra frame up to a frame, in a file that can be searched and has its END."""
        before = [entry for entry in read_index(self._file) if entry[0] <= frame]
        if before:
            self.first, offset = before[-1]
            self._file.seek(offset)
            self._sections = SectionReader(self._file, offset)

    def units(self, salvage: bool = False) -> Iterator[Unit]:
        """Frames as they are coded, tracks and the end.

        Raises FormatError for damage, CutError where the file ends before END. With `salvage`, a `Gap` comes in place
        of what cannot be read, and a file that is cut between two sections just ends.
        """
        walk = _Walk(self.first)
        while True:
            try:
                if salvage and self._sections.at_end():
                    if walk.problem is not None:
                        yield Gap(None, walk.problem)
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
                    yield Gap(None, walk.problem)
                    return
                continue
            if walk.gap is not None:
                yield walk.gap
                walk.gap = None
            if unit is not None:
                yield unit
                if isinstance(unit, ClipEnd):
                    if not self._sections.at_end() and not salvage:
                        raise FormatError("bytes follow END", offset=self._sections.offset, field="END")
                    return


class _Walk:
    """What is known while sections are read one after the other."""

    def __init__(self, first: int) -> None:
        self._order = FrameOrder(first)
        self.problem: FormatError | None = None  # since which frames are lost
        self.gap: Gap | None = None  # to be told

    def unit(self, section: Section) -> Unit | None:
        """What a section says, or None for nothing of use. Raises FormatError and UnsupportedError."""
        try:
            return self._unit(section)
        except ValueError as error:
            raise FormatError(f"{_name(section)}: {error}", offset=section.offset, field="type") from None

    def _unit(self, section: Section) -> Unit | None:
        payload = section.payload
        match section.type:
            case kind if kind == INTRA:
                return self._intra(section)
            case kind if kind in (PREDICTED, BETWEEN, REPEAT):
                return None if self.problem is not None else self._predicted(section)
            case kind if kind == TRACKS:
                return Tracks(payload.take(payload.left_bytes, "tracks"))
            case kind if kind == INDEX:
                return None
            case kind if kind == END:
                end = ClipEnd(payload.uint(4, "frames"), payload.uint(4, "duration"), payload.uint(8, "index_offset"))
                payload.finish("END")
                self._ended(end, section)
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
        if self.problem is not None and number > self._order.anchor:
            self.gap = Gap(number, self.problem)
            self._order, self.problem = FrameOrder(number), None
        slot = self._order.intra()
        if number != slot.frame:
            raise FormatError(f"frame {number} where {slot.frame} must be", offset=section.offset, field="number")
        self._order.put(slot, time)
        return FrameUnit(INTRA, number, time, (), 0, *coded, section.offset)

    def _predicted(self, section: Section) -> FrameUnit:
        payload, kind, order = section.payload, section.type, self._order
        if kind == PREDICTED:
            slot = order.predicted(payload.varint("ahead"))
        else:
            slot = order.between() if kind == BETWEEN else order.repeat()
        time = order.time_before(slot) + payload.varint("step")
        fields = (0, 0, b"") if kind == REPEAT else _unpack_coded(payload)
        payload.finish(_name(section))
        order.put(slot, time)
        return FrameUnit(kind, slot.frame, time, slot.references, slot.level, *fields, section.offset)

    def _ended(self, end: ClipEnd, section: Section) -> None:
        if self.problem is not None:
            self.gap, self.problem = Gap(end.frames, self.problem), None
        elif self._order.waiting or end.frames != self._order.anchor + 1:
            text = f"END counts {end.frames} frames, the file holds {self._order.anchor + 1 - len(self._order.waiting)}"
            raise FormatError(text, offset=section.offset, field="frames")


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


def _unpack_coded(payload: Cursor) -> tuple[int, int, bytes]:
    gain_index = payload.uint(2, "gain_index")
    if gain_index > MAX_GAIN_INDEX:
        text = f"gain_index is {gain_index}, at most {MAX_GAIN_INDEX} is allowed"
        raise FormatError(text, offset=payload.place - 2, field="gain_index")
    return gain_index, payload.uint(4, "symbols_crc"), payload.take(payload.left_bytes, "symbols")
