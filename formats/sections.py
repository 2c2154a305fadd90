"""The framing of SPEC.md section 4: typed sections, each with its length and its checksum.

section = type u8, length varint, payload, crc32 u32
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from .errors import CutError, FormatError
from .fields import Cursor, pack_uint, pack_varint

HEAD = 0x01
STEP = 0x02
END = 0x03
GRID = 0x04
ALPHA = 0x05
WAYS = 0x06
COMMENT = 0x81
ICC = 0x82
EXIF = 0x83
XMP = 0x84
ANCILLARY_BIT = 0x80
RESERVED_BIT = 0x40

MAX_SECTION_BYTES = 2**28
_NAMES = {
    HEAD: "HEAD",
    STEP: "STEP",
    END: "END",
    GRID: "GRID",
    ALPHA: "ALPHA",
    WAYS: "WAYS",
    COMMENT: "COMMENT",
    ICC: "ICC",
    EXIF: "EXIF",
    XMP: "XMP",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a file; `intact` says whether its checksum holds."""

    type: int
    payload: Cursor
    intact: bool
    offset: int

    @property
    def name(self) -> str:
        return _NAMES.get(self.type, f"section of type 0x{self.type:02x}")

    def damage(self) -> FormatError:
        """The error that a critical section without its checksum is."""
        return FormatError(f"{self.name} is damaged: its checksum differs", offset=self.offset, field="crc32")


def pack_section(kind: int, payload: bytes, before: bytes = b"") -> bytes:
    """`before` is covered by the checksum but not part of the section (the signature, for HEAD)."""
    if len(payload) > MAX_SECTION_BYTES:
        raise ValueError(f"a section of {len(payload)} bytes: at most {MAX_SECTION_BYTES} are allowed")
    section = bytes((kind,)) + pack_varint(len(payload), "length") + payload
    return section + pack_uint(zlib.crc32(section, zlib.crc32(before)), 4, "crc32")


def unpack_section(cursor: Cursor, crc_from: int | None = None) -> Section:
    """The next section. Raises FormatError where it is cut, or intact with a reserved bit set."""
    start = cursor.offset
    if not cursor.left_bytes:
        raise CutError("the file is cut: it has no END section", offset=start, field="type")
    kind = cursor.uint(1, "type")
    length = cursor.varint("length")
    if length > MAX_SECTION_BYTES:
        text = f"a section of {length} bytes: at most {MAX_SECTION_BYTES} are allowed"
        raise FormatError(text, offset=start, field="length")
    payload = cursor.skip(length, "payload")
    computed = zlib.crc32(cursor.data[start if crc_from is None else crc_from : payload.end])
    section = Section(kind, payload, computed == cursor.uint(4, "crc32"), start)
    if section.intact and kind & RESERVED_BIT:
        raise FormatError(f"reserved bit 6 is set in type 0x{kind:02x}", offset=start, field="type")
    return section
