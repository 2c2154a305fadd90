"""The four primitive fields of SPEC.md section 2: bytes, fixed-width integers, varints; out and in."""

from __future__ import annotations

from .errors import CutError, FormatError

MAX_VARINT_BYTES = 5
MAX_VARINT = 2**32 - 1


def pack_uint(value: int, width_bytes: int, field: str) -> bytes:
    """A little-endian unsigned integer of `width_bytes`. ValueError names `field` if it does not fit."""
    if not 0 <= value < 1 << (8 * width_bytes):
        raise ValueError(f"{field} is {value}, which does not fit {8 * width_bytes} bits")
    return value.to_bytes(width_bytes, "little")


def pack_varint(value: int, field: str) -> bytes:
    """Unsigned LEB128, 1 to 5 bytes. ValueError names `field` if it is not in 0 .. 2^32 - 1."""
    if not 0 <= value <= MAX_VARINT:
        raise ValueError(f"{field} is {value}, not in 0 .. {MAX_VARINT}")
    groups = bytearray()
    while value > 0x7F:
        groups.append(0x80 | value & 0x7F)
        value >>= 7
    groups.append(value)
    return bytes(groups)


class Cursor:
    """Reads fields in order from `data[offset:end]`; every failure is a FormatError with field and offset.

    Invariant: `0 <= offset <= end <= len(data)`, so no slice is ever shorter than was asked for.
    Offsets are those of the whole file, also in a cursor over one section's payload; of a file that is read piece by
    piece, `base` bytes come before the data.
    """

    __slots__ = ("base", "data", "end", "offset")

    def __init__(self, data: bytes | memoryview, offset: int = 0, end: int | None = None, base: int = 0) -> None:
        self.data = memoryview(data).cast("B").toreadonly()
        self.base = base
        self.offset = offset
        self.end = len(self.data) if end is None else end
        assert 0 <= self.offset <= self.end <= len(self.data)

    @property
    def left_bytes(self) -> int:
        return self.end - self.offset

    @property
    def place(self) -> int:
        """Bytes of the file before the next one."""
        return self.base + self.offset

    def skip(self, count: int, field: str) -> Cursor:
        """Step over `count` bytes and return a cursor over just them. Copies nothing."""
        if count > self.left_bytes:
            text = f"the file is cut or damaged: {count} bytes wanted, {self.left_bytes} left"
            raise CutError(text, offset=self.place, field=field)
        start = self.offset
        self.offset += count
        return Cursor(self.data, start, self.offset, self.base)

    def take(self, count: int, field: str) -> bytes:
        """The next `count` bytes, copied."""
        part = self.skip(count, field)
        return bytes(part.data[part.offset : part.end])

    def uint(self, width_bytes: int, field: str) -> int:
        """A little-endian unsigned integer of `width_bytes`."""
        return int.from_bytes(self.take(width_bytes, field), "little")

    def varint(self, field: str) -> int:
        """Unsigned LEB128 below 2^32 in the fewest bytes that hold it; anything else is a FormatError."""
        start = self.place
        value = 0
        for position in range(MAX_VARINT_BYTES):
            byte = self.uint(1, field)
            value |= (byte & 0x7F) << (7 * position)
            if byte < 0x80:
                if byte == 0 and position > 0:
                    raise FormatError("varint is longer than it need be", offset=start, field=field)
                if value > MAX_VARINT:
                    raise FormatError("varint is 2^32 or more", offset=start, field=field)
                return value
        raise FormatError(f"varint has more than {MAX_VARINT_BYTES} bytes", offset=start, field=field)

    def finish(self, field: str) -> None:
        """Nothing may be left."""
        if self.left_bytes:
            text = f"{self.left_bytes} bytes follow where nothing may"
            raise FormatError(text, offset=self.place, field=field)
