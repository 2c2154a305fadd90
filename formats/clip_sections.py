"""The framing of CLIP-SPEC.md: the sections of SPEC.md, read from a file as it comes, and found again after damage."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from .errors import CutError, FormatError
from .fields import MAX_VARINT_BYTES, Cursor
from .sections import MAX_SECTION_BYTES, RESERVED_BIT, Section

HEAD = 0x01
INTRA = 0x02
PREDICTED = 0x03
REPEAT = 0x04
END = 0x05
INDEX = 0x06
TRACKS = 0x07
BETWEEN = 0x08
COMMENT = 0x81

SYNC = b"\x8bLVI"  # what the payload of every INTRA section begins with
_CHUNK_BYTES = 2**16
_CRC_BYTES = 4
# At most so many bytes are summed up in search of a section that holds: hostile files have no end of them.
_SEARCH_BYTES = 2**30


class SectionReader:
    """Sections of a file, in memory no more than one and what was read beyond it."""

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        """offset: of the next byte of the file."""
        self._file = file
        self._buffer = bytearray()
        self.offset = offset  # of the buffer's first byte
        self._searched = 0
        self._damaged_size: int | None = None  # of the section here, if it is not what it says

    def take(self, count: int) -> bytes:
        """The next bytes, fewer only at the end of the file."""
        self._fill(count)
        taken = bytes(self._buffer[:count])
        self._drop(len(taken))
        return taken

    def next(self, before: bytes = b"") -> Section:
        """The next section, which is then left behind if it is intact. `before` is covered by its checksum too.

        Raises CutError where the file ends in it, FormatError for a length beyond MAX_SECTION_BYTES.
        """
        self._damaged_size = None
        section, size = self._section(before)
        if section.intact:
            self._drop(size)
            self._damaged_size = 0
        else:
            self._damaged_size = size
        return section

    def at_end(self) -> bool:
        return not self._fill(1)

    def go_on(self) -> bool:
        """After damage, go to the next section that holds; whether there is one.

        That is the one after the damaged one, if it has the length that it says, else the next INTRA.
        """
        size = self._damaged_size
        if size is not None and self._holds(size):
            self._drop(size)
            return True
        return self._resync()

    def _resync(self) -> bool:
        start = 1
        while True:
            found = self._buffer.find(SYNC, start)
            if found >= 0:
                for length in range(1, MAX_VARINT_BYTES + 1):
                    first = found - 1 - length
                    if first >= 1 and self._buffer[first] == INTRA and self._holds(first):
                        self._drop(first)
                        return True
                    if self._searched > _SEARCH_BYTES:
                        return False
                start = found + 1
                continue
            # What may be the beginning of one stays.
            kept = len(SYNC) + MAX_VARINT_BYTES + 1
            if len(self._buffer) > kept:
                self._drop(len(self._buffer) - kept)
            start = 1
            before = len(self._buffer)
            if self._fill(before + _CHUNK_BYTES) == before:
                return False

    def _holds(self, first: int) -> bool:
        try:
            section, _ = self._section(b"", first)
        except FormatError:
            return False
        return section.intact

    def _section(self, before: bytes, first: int = 0) -> tuple[Section, int]:
        """The section that begins at a place of the buffer, and its size."""
        self._fill(first + 1 + MAX_VARINT_BYTES)
        head = Cursor(bytes(self._buffer[first : first + 1 + MAX_VARINT_BYTES]), base=self.offset + first)
        start = head.place
        if not head.left_bytes:
            raise CutError("the file is cut: it has no END section", offset=start, field="type")
        kind = head.uint(1, "type")
        length = head.varint("length")
        if length > MAX_SECTION_BYTES:
            text = f"a section of {length} bytes: at most {MAX_SECTION_BYTES} are allowed"
            raise FormatError(text, offset=start, field="length")
        size = head.offset + length + _CRC_BYTES
        if self._fill(first + size) < first + size:
            text = f"the file is cut or damaged: {size} bytes wanted, {len(self._buffer) - first} left"
            raise CutError(text, offset=start, field="payload")
        data = bytes(self._buffer[first : first + size])
        self._searched += size if first else 0
        payload = Cursor(data, head.offset, head.offset + length, self.offset + first)
        stored = int.from_bytes(data[-_CRC_BYTES:], "little")
        intact = zlib.crc32(memoryview(data)[:-_CRC_BYTES], zlib.crc32(before)) == stored
        if intact and kind & RESERVED_BIT:
            raise FormatError(f"reserved bit 6 is set in type 0x{kind:02x}", offset=start, field="type")
        return Section(kind, payload, intact, start), size

    def _fill(self, count: int) -> int:
        """Have so many bytes in the buffer if the file has them; how many there are."""
        while len(self._buffer) < count:
            chunk = self._file.read(min(_CHUNK_BYTES, max(count - len(self._buffer), 1)))
            if not chunk:
                break
            self._buffer += chunk
        return len(self._buffer)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self.offset += count
