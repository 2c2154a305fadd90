"""The container: fields in the order of SPEC.md, each writer above its reader.

file = signature  HEAD  (STEP | ancillary)*  END
section = type u8, length varint, payload, crc32 u32
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass

from .errors import DamageWarning, FormatError, UnsupportedError
from .fields import Cursor, pack_uint, pack_varint

MAGIC = b"\x8bLC\n"
MAJOR = 1
MINOR = 0

HEAD = 0x01
STEP = 0x02
END = 0x03
COMMENT = 0x81
ANCILLARY_BIT = 0x80
RESERVED_BIT = 0x40

MAX_SIDE = 65_535
MAX_PIXELS = 2**28
DEFAULT_MAX_PIXELS = 2**26  # what our own decoder allows unless asked for more: it holds whole pictures in memory
MAX_GAIN_INDEX = 8192
MAX_STEPS = 16
MAX_ANCILLARY = 64
MAX_SECTION_BYTES = 2**28
MAX_COMMENT_BYTES = 65_535

WEIGHTS_HASH_BYTES = 8
PICTURE_RGB8 = 0
_NAMES = {HEAD: "HEAD", STEP: "STEP", END: "END", COMMENT: "COMMENT"}


@dataclass(frozen=True, slots=True)
class Header:
    """SPEC 5. `weights_hash` is 8 bytes; `gain_index` is 0 .. 8192."""

    width: int
    height: int
    model_id: int
    weights_hash: bytes
    gain_index: int

    @property
    def quality(self) -> float:
        """The user's quality, 0 to 100, to two decimals."""
        return round(100 * self.gain_index / MAX_GAIN_INDEX, 2)


@dataclass(frozen=True, slots=True)
class Stream:
    """One coded picture: the range-coded bytes of each step, and the CRC-32 of the decoded symbols."""

    header: Header
    steps: tuple[bytes, ...]
    symbols_crc: int
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class _Section:
    type: int
    payload: Cursor
    intact: bool
    offset: int

    @property
    def name(self) -> str:
        return _NAMES.get(self.type, f"section of type 0x{self.type:02x}")


def pack(stream: Stream) -> bytes:
    """The bytes of a file. ValueError if a value lies outside what SPEC.md allows."""
    signature = _pack_signature()
    parts = [signature, _pack_section(HEAD, _pack_head(stream.header), before=signature)]
    if stream.comment is not None:
        parts.append(_pack_section(COMMENT, _pack_comment(stream.comment)))
    parts.extend(_pack_section(STEP, step) for step in stream.steps)
    parts.append(_pack_section(END, _pack_end(stream)))
    return b"".join(parts)


def unpack(data: bytes | memoryview, max_pixels: int = MAX_PIXELS) -> Stream:
    """The inverse of `pack`. Time and memory are linear in `len(data)`, whatever it holds.

    Raises FormatError for bad bytes and UnsupportedError for another major version, an unknown critical
    section, another kind of picture, or one of more than `max_pixels` pixels. Warns of damaged ancillary
    sections with DamageWarning.
    """
    cursor = Cursor(data)
    _unpack_signature(cursor)
    section = _unpack_section(cursor, crc_from=0)
    if section.type != HEAD:
        raise FormatError(f"{section.name} stands where HEAD must", offset=section.offset, field="type")
    header = _unpack_head(section.payload, max_pixels)

    steps: list[bytes] = []
    comment: str | None = None
    ancillary_count = 0
    while (section := _unpack_section(cursor)).type != END:
        if section.type & ANCILLARY_BIT:
            ancillary_count += 1
            if ancillary_count > MAX_ANCILLARY:
                text = f"more than {MAX_ANCILLARY} ancillary sections"
                raise FormatError(text, offset=section.offset, field="type")
            comment = _unpack_ancillary(section, comment)
        elif section.type == STEP:
            if len(steps) == MAX_STEPS:
                raise FormatError(f"more than {MAX_STEPS} steps", offset=section.offset, field="STEP")
            steps.append(section.payload.take(section.payload.left_bytes, "STEP"))
        elif section.type == HEAD:
            raise FormatError("HEAD occurs twice", offset=section.offset, field="type")
        else:
            raise UnsupportedError(f"unknown critical {section.name} at byte {section.offset}")
    symbols_crc = _unpack_end(section.payload, len(steps))
    cursor.finish("after END")
    return Stream(header, tuple(steps), symbols_crc, comment)


# SPEC 3: signature


def _pack_signature() -> bytes:
    return MAGIC + bytes((MAJOR, MINOR))


def _unpack_signature(cursor: Cursor) -> None:
    found = cursor.take(min(len(MAGIC), cursor.left_bytes), "magic")
    if found != MAGIC[: len(found)]:
        text_damage = (b"\x8bLC\r", b"\x0bLC\n", b"\xef\xbf\xbdL", b"\xc2\x8bLC")
        why = ": it was damaged by a transfer as text" if found in text_damage else ""
        raise FormatError(f"not an lcodec file{why}", offset=0, field="magic")
    if len(found) < len(MAGIC):
        text = f"the file is cut or empty: {len(found)} bytes"
        raise FormatError(text, offset=len(found), field="magic")
    major, minor = cursor.uint(1, "major"), cursor.uint(1, "minor")
    if major != MAJOR:
        text = f"the file has format version {major}.{minor}; this reader knows {MAJOR}.{MINOR}"
        raise UnsupportedError(text)


# SPEC 4: section


def _pack_section(kind: int, payload: bytes, before: bytes = b"") -> bytes:
    """`before` is covered by the checksum but not part of the section (the signature, for HEAD)."""
    if len(payload) > MAX_SECTION_BYTES:
        raise ValueError(f"a section of {len(payload)} bytes: at most {MAX_SECTION_BYTES} are allowed")
    section = bytes((kind,)) + pack_varint(len(payload), "length") + payload
    return section + pack_uint(zlib.crc32(section, zlib.crc32(before)), 4, "crc32")


def _unpack_section(cursor: Cursor, crc_from: int | None = None) -> _Section:
    """Damage to a critical section is an error; an ancillary one comes back with `intact` false."""
    start = cursor.offset
    if not cursor.left_bytes:
        raise FormatError("the file is cut: it has no END section", offset=start, field="type")
    kind = cursor.uint(1, "type")
    length = cursor.varint("length")
    if length > MAX_SECTION_BYTES:
        text = f"a section of {length} bytes: at most {MAX_SECTION_BYTES} are allowed"
        raise FormatError(text, offset=start, field="length")
    payload = cursor.skip(length, "payload")
    computed = zlib.crc32(cursor.data[start if crc_from is None else crc_from : payload.end])
    section = _Section(kind, payload, computed == cursor.uint(4, "crc32"), start)
    if not section.intact and not kind & ANCILLARY_BIT:
        raise FormatError(f"{section.name} is damaged: its checksum differs", offset=start, field="crc32")
    if section.intact and kind & RESERVED_BIT:
        raise FormatError(f"reserved bit 6 is set in type 0x{kind:02x}", offset=start, field="type")
    return section


# SPEC 5: HEAD


def _pack_head(header: Header) -> bytes:
    for name, side in (("width", header.width), ("height", header.height)):
        if not 1 <= side <= MAX_SIDE:
            raise ValueError(f"{name} is {side}, not in 1 .. {MAX_SIDE}")
    if header.width * header.height > MAX_PIXELS:
        raise ValueError(f"{header.width} x {header.height} is more than {MAX_PIXELS} pixels")
    if len(header.weights_hash) != WEIGHTS_HASH_BYTES:
        raise ValueError(f"weights_hash has {len(header.weights_hash)} bytes, not {WEIGHTS_HASH_BYTES}")
    if not 0 <= header.gain_index <= MAX_GAIN_INDEX:
        raise ValueError(f"gain_index is {header.gain_index}, not in 0 .. {MAX_GAIN_INDEX}")
    return (
        pack_varint(header.width, "width")
        + pack_varint(header.height, "height")
        + pack_varint(header.model_id, "model_id")
        + header.weights_hash
        + pack_uint(header.gain_index, 2, "gain_index")
        + pack_uint(PICTURE_RGB8, 1, "picture_kind")
    )


def _unpack_head(payload: Cursor, max_pixels: int) -> Header:
    start = payload.offset
    width, height = payload.varint("width"), payload.varint("height")
    for name, side in (("width", width), ("height", height)):
        if not 1 <= side <= MAX_SIDE:
            raise FormatError(f"{name} is {side}, not in 1 .. {MAX_SIDE}", offset=start, field=name)
    if width * height > MAX_PIXELS:
        text = f"{width} x {height} is more than {MAX_PIXELS} pixels"
        raise FormatError(text, offset=start, field="height")
    model_id = payload.varint("model_id")
    weights_hash = payload.take(WEIGHTS_HASH_BYTES, "weights_hash")
    gain_index = payload.uint(2, "gain_index")
    if gain_index > MAX_GAIN_INDEX:
        text = f"gain_index is {gain_index}, at most {MAX_GAIN_INDEX} is allowed"
        raise FormatError(text, offset=payload.offset - 2, field="gain_index")
    kind = payload.uint(1, "picture_kind")
    if kind != PICTURE_RGB8:
        raise UnsupportedError(f"picture kind {kind}: this reader knows only {PICTURE_RGB8}, 8-bit RGB")
    payload.finish("HEAD")
    if width * height > max_pixels:
        raise UnsupportedError(f"the picture is {width} x {height}: more than the limit of {max_pixels} pixels")
    return Header(width, height, model_id, weights_hash, gain_index)


# SPEC 6, STEP, has no fields of its own. SPEC 7: END


def _pack_end(stream: Stream) -> bytes:
    if not 1 <= len(stream.steps) <= MAX_STEPS:
        raise ValueError(f"{len(stream.steps)} steps, not 1 .. {MAX_STEPS}")
    return pack_uint(len(stream.steps), 1, "step_count") + pack_uint(stream.symbols_crc, 4, "symbols_crc")


def _unpack_end(payload: Cursor, steps_seen: int) -> int:
    start = payload.offset
    step_count = payload.uint(1, "step_count")
    if step_count != steps_seen or step_count == 0:
        text = f"END counts {step_count} steps, the file holds {steps_seen}, at least 1 is needed"
        raise FormatError(text, offset=start, field="step_count")
    symbols_crc = payload.uint(4, "symbols_crc")
    payload.finish("END")
    return symbols_crc


# SPEC 8: ancillary sections, of which COMMENT is the only known one


def _pack_comment(comment: str) -> bytes:
    text = comment.encode("utf-8")  # a lone surrogate raises UnicodeEncodeError, which is a ValueError
    if len(text) > MAX_COMMENT_BYTES:
        raise ValueError(f"the comment has {len(text)} bytes of UTF-8: at most {MAX_COMMENT_BYTES} are allowed")
    return text


def _unpack_ancillary(section: _Section, comment: str | None) -> str | None:
    """The comment so far, or the one this section holds. Nothing in here can stop a decode."""
    payload = section.payload
    if not section.intact:
        _warn(section, "its checksum differs")
    elif section.type == COMMENT:
        if comment is not None:
            _warn(section, "it occurs twice")
        elif payload.left_bytes > MAX_COMMENT_BYTES:
            _warn(section, f"it is longer than {MAX_COMMENT_BYTES} bytes")
        else:
            try:
                return payload.take(payload.left_bytes, "COMMENT").decode("utf-8")
            except UnicodeDecodeError:
                _warn(section, "it is not UTF-8")
    return comment


def _warn(section: _Section, why: str) -> None:
    text = f"{section.name} at byte {section.offset} was skipped: {why}"
    warnings.warn(text, DamageWarning, stacklevel=4)  # the caller of unpack
