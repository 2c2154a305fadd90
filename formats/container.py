"""The container: fields in the order of SPEC.md, each writer above its reader.

file = signature  HEAD  [GRID]  [ALPHA]  [WAYS]  (STEP | ancillary)*  END
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import FormatError, UnsupportedError
from .fields import Cursor, pack_uint, pack_varint
from .grid import Grid, pack_grid, unpack_grid
from .metadata import NO_METADATA, Metadata, pack_metadata, unpack_metadata
from .sections import (
    ALPHA,
    ANCILLARY_BIT,
    END,
    GRID,
    HEAD,
    STEP,
    WAYS,
    pack_section,
    unpack_section,
)
from .ways import pack_ways, unpack_ways

MAGIC = b"\x8bLC\n"
MAJOR = 1
MINOR = 1  # the highest that is known; a file states the lowest that has all of its sections

MAX_SIDE = 65_535
MAX_PIXELS = 2**28
DEFAULT_MAX_PIXELS = 2**27  # what our own decoder allows unless asked for more: it holds the whole picture
DEFAULT_MAX_TILE_PIXELS = 2**25  # and of a tile, for which it takes about a hundred times the memory
MAX_GAIN_INDEX = 8192
MAX_STEPS = 16
MAX_ANCILLARY = 64
MIN_DEPTH, MAX_DEPTH = 8, 16

WEIGHTS_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Header:
    """SPEC 5. `weights_hash` is 8 bytes; `gain_index` is 0 .. 8192; `grey` pictures have one plane, of `depth` bits."""

    width: int
    height: int
    model_id: int
    weights_hash: bytes
    gain_index: int
    grey: bool = False
    depth: int = 8

    @property
    def quality(self) -> float:
        """The user's quality, 0 to 100, to two decimals."""
        return round(100 * self.gain_index / MAX_GAIN_INDEX, 2)


@dataclass(frozen=True, slots=True)
class Stream:
    """One coded picture: the range-coded bytes of each step, and the CRC-32 of the decoded symbols.

    With a `grid` of T tiles, `steps` holds the first step of every tile, then the second of every tile, and so on.
    `alpha` is the payload of that section; `ways` are those of the tiles, None where all are 0.
    """

    header: Header
    steps: tuple[bytes, ...]
    symbols_crc: int
    metadata: Metadata = NO_METADATA
    grid: Grid | None = None
    alpha: bytes | None = None
    ways: tuple[int, ...] | None = None

    def tiles(self) -> tuple[Tile, ...]:
        """The steps and the checksum of every tile; without a grid, the picture is one."""
        checks = (self.symbols_crc,) if self.grid is None else self.grid.checks
        ways = self.ways or (0,) * len(checks)
        return tuple(
            Tile(self.steps[n :: len(checks)], check, way)
            for n, (check, way) in enumerate(zip(checks, ways, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its steps, or of a damaged file the first ones, and the checksum of its symbols if that is known.

    `way` is 0 for the transform of the model, and DRAWN.
    """

    steps: tuple[bytes, ...]
    symbols_crc: int | None
    way: int = 0


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a cut or damaged file: of every tile the steps before the first lost one, and what is wrong."""

    header: Header
    metadata: Metadata
    grid: Grid | None
    alpha: bytes | None
    tiles: tuple[Tile, ...]
    problem: FormatError | None


def pack(stream: Stream) -> bytes:
    """The bytes of a file. ValueError if a value lies outside what SPEC.md allows."""
    signature = MAGIC + bytes((MAJOR, stream.metadata.minor_version))
    parts = [signature, pack_section(HEAD, _pack_head(stream.header), before=signature)]
    if stream.grid is not None:
        parts.append(pack_section(GRID, pack_grid(stream.grid, stream.header.width, stream.header.height)))
    if stream.alpha is not None:
        parts.append(pack_section(ALPHA, stream.alpha))
    if stream.ways is not None:
        parts.append(pack_section(WAYS, pack_ways(stream.ways, 1 if stream.grid is None else len(stream.grid.checks))))
    parts.append(pack_metadata(stream.metadata))
    parts.extend(pack_section(STEP, step) for step in stream.steps)
    parts.append(pack_section(END, _pack_end(stream)))
    return b"".join(parts)


def unpack(data: bytes | memoryview, max_pixels: int = MAX_PIXELS) -> Stream:
    """The inverse of `pack`. Time and memory are linear in `len(data)`, whatever it holds.

    Raises FormatError for bad bytes and UnsupportedError for another major version, an unknown critical
    section, another kind of picture, or one of more than `max_pixels` pixels, or, where that is a limit at all, of a
    tile larger than a quarter of it and DEFAULT_MAX_TILE_PIXELS. Warns of damaged ancillary sections with
    DamageWarning.
    """
    cursor = Cursor(data)
    found = _unpack_start(cursor, max_pixels)
    _read_sections(cursor, found, tolerant=False)
    assert found.symbols_crc is not None
    steps = tuple(step for step in found.steps if step is not None)
    return Stream(found.header, steps, found.symbols_crc, found.metadata, found.grid, found.alpha, found.ways)


def unpack_remains(data: bytes | memoryview, max_pixels: int = MAX_PIXELS) -> Remains:
    """What can still be read of a file. Raises as `unpack` does for damage to HEAD, GRID, ALPHA or WAYS."""
    cursor = Cursor(data)
    found = _unpack_start(cursor, max_pixels)
    try:
        _read_sections(cursor, found, tolerant=True)
    except FormatError as error:
        found.problem = found.problem or error
    checks: tuple[int | None, ...] = (found.symbols_crc,) if found.grid is None else found.grid.checks
    ways = found.ways or (0,) * len(checks)
    tiles = []
    for n, (check, way) in enumerate(zip(checks, ways, strict=True)):
        steps = found.steps[n :: len(checks)]
        first_lost = steps.index(None) if None in steps else len(steps)
        tiles.append(Tile(tuple(step for step in steps[:first_lost] if step is not None), check, way))
    return Remains(found.header, found.metadata, found.grid, found.alpha, tuple(tiles), found.problem)


@dataclass(slots=True)
class _Found:
    """What the sections read so far have said. A lost step is None."""

    header: Header
    grid: Grid | None = None
    alpha: bytes | None = None
    ways: tuple[int, ...] | None = None
    steps: list[bytes | None] = field(default_factory=list)
    metadata: Metadata = NO_METADATA
    symbols_crc: int | None = None
    problem: FormatError | None = None

    @property
    def tile_count(self) -> int:
        return 1 if self.grid is None else len(self.grid.checks)


def _unpack_start(cursor: Cursor, max_pixels: int) -> _Found:
    """Signature, HEAD, and GRID, ALPHA and WAYS where there are any."""
    _unpack_signature(cursor)
    head = unpack_section(cursor, crc_from=0)
    if not head.intact and not head.type & ANCILLARY_BIT:
        raise head.damage()
    if head.type != HEAD:
        raise FormatError(f"{head.name} stands where HEAD must", offset=head.offset, field="type")
    found = _Found(_unpack_head(head.payload, max_pixels))
    for kind in (GRID, ALPHA, WAYS):
        if cursor.left_bytes and cursor.data[cursor.offset] == kind:
            section = unpack_section(cursor)
            if not section.intact:
                raise section.damage()
            if kind == GRID:
                found.grid = unpack_grid(section.payload, found.header.width, found.header.height)
            elif kind == ALPHA:
                found.alpha = section.payload.take(section.payload.left_bytes, "ALPHA")
            else:
                found.ways = unpack_ways(section.payload, found.tile_count)
    _check_tile_size(found, max_pixels)
    return found


def _check_tile_size(found: _Found, max_pixels: int) -> None:
    side = MAX_SIDE if found.grid is None else found.grid.side
    height, width = min(side, found.header.height), min(side, found.header.width)
    limit = MAX_PIXELS if max_pixels >= MAX_PIXELS else max(DEFAULT_MAX_TILE_PIXELS, max_pixels // 4)
    if height * width > limit:
        raise UnsupportedError(f"the picture has tiles of {width} x {height}: more than the limit of {limit} pixels")


def _read_sections(cursor: Cursor, found: _Found, tolerant: bool) -> None:
    """All further sections. `tolerant` takes a damaged critical one for a lost STEP and goes on."""
    ancillary_count = 0
    while True:
        section = unpack_section(cursor)
        if section.type & ANCILLARY_BIT:
            ancillary_count += 1
            if ancillary_count > MAX_ANCILLARY:
                text = f"more than {MAX_ANCILLARY} ancillary sections"
                raise FormatError(text, offset=section.offset, field="type")
            found.metadata = unpack_metadata(section, found.metadata)
        elif section.type == END and section.intact:
            break
        elif section.type == STEP or not section.intact:
            if not section.intact:
                if not tolerant:
                    raise section.damage()
                found.problem = found.problem or section.damage()
            if len(found.steps) == MAX_STEPS * found.tile_count:
                raise FormatError(f"more than {MAX_STEPS} steps", offset=section.offset, field="STEP")
            found.steps.append(section.payload.take(section.payload.left_bytes, "STEP") if section.intact else None)
        elif section.type in (HEAD, GRID, ALPHA, WAYS):
            raise FormatError(f"{section.name} is not where it must be", offset=section.offset, field="type")
        else:
            raise UnsupportedError(f"unknown critical {section.name} at byte {section.offset}")
    found.symbols_crc = _unpack_end(section.payload, found)
    cursor.finish("after END")


# SPEC 3: signature


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


# SPEC 5: HEAD


def _pack_head(header: Header) -> bytes:
    for name, side in (("width", header.width), ("height", header.height)):
        if not 1 <= side <= MAX_SIDE:
            raise ValueError(f"{name} is {side}, not in 1 .. {MAX_SIDE}")
    if header.width * header.height > MAX_PIXELS:
        raise ValueError(f"{header.width} x {header.height} is more than {MAX_PIXELS} pixels")
    if len(header.weights_hash) != WEIGHTS_HASH_BYTES:
        raise ValueError(f"weights_hash has {len(header.weights_hash)} bytes, not {WEIGHTS_HASH_BYTES}")
    if not MIN_DEPTH <= header.depth <= MAX_DEPTH:
        raise ValueError(f"depth is {header.depth}, not in {MIN_DEPTH} .. {MAX_DEPTH}")
    if not 0 <= header.gain_index <= MAX_GAIN_INDEX:
        raise ValueError(f"gain_index is {header.gain_index}, not in 0 .. {MAX_GAIN_INDEX}")
    return (
        pack_varint(header.width, "width")
        + pack_varint(header.height, "height")
        + pack_varint(header.model_id, "model_id")
        + header.weights_hash
        + pack_uint(header.gain_index, 2, "gain_index")
        + pack_uint(header.grey + 2 * (header.depth - MIN_DEPTH), 1, "picture_kind")
    )


def unpack_sides(payload: Cursor, most_pixels: int) -> tuple[int, int]:
    """Width and height, as HEAD of pictures and of clips begins. Raises FormatError beyond the limits of the format."""
    start = payload.place
    width, height = payload.varint("width"), payload.varint("height")
    for name, side in (("width", width), ("height", height)):
        if not 1 <= side <= MAX_SIDE:
            raise FormatError(f"{name} is {side}, not in 1 .. {MAX_SIDE}", offset=start, field=name)
    if width * height > most_pixels:
        raise FormatError(f"{width} x {height} is more than {most_pixels} pixels", offset=start, field="height")
    return width, height


def _unpack_head(payload: Cursor, max_pixels: int) -> Header:
    width, height = unpack_sides(payload, MAX_PIXELS)
    model_id = payload.varint("model_id")
    weights_hash = payload.take(WEIGHTS_HASH_BYTES, "weights_hash")
    gain_index = payload.uint(2, "gain_index")
    if gain_index > MAX_GAIN_INDEX:
        text = f"gain_index is {gain_index}, at most {MAX_GAIN_INDEX} is allowed"
        raise FormatError(text, offset=payload.offset - 2, field="gain_index")
    kind = payload.uint(1, "picture_kind")
    depth = MIN_DEPTH + kind // 2
    if depth > MAX_DEPTH:
        raise UnsupportedError(f"picture kind {kind}: this reader knows those of {MIN_DEPTH} to {MAX_DEPTH} bits")
    payload.finish("HEAD")
    if width * height > max_pixels:
        raise UnsupportedError(f"the picture is {width} x {height}: more than the limit of {max_pixels} pixels")
    return Header(width, height, model_id, weights_hash, gain_index, kind % 2 == 1, depth)


# SPEC 6, STEP, has no fields of its own. SPEC 7: END


def _pack_end(stream: Stream) -> bytes:
    tiles = 1 if stream.grid is None else len(stream.grid.checks)
    step_count, rest = divmod(len(stream.steps), tiles)
    if rest or not 1 <= step_count <= MAX_STEPS:
        raise ValueError(f"{len(stream.steps)} steps of {tiles} tiles, not 1 .. {MAX_STEPS} of each")
    if stream.grid is not None and stream.symbols_crc != stream.grid.symbols_crc():
        raise ValueError("the checksum of the symbols is not that of the tiles' checksums")
    return pack_uint(step_count, 1, "step_count") + pack_uint(stream.symbols_crc, 4, "symbols_crc")


def _unpack_end(payload: Cursor, found: _Found) -> int:
    start = payload.offset
    step_count = payload.uint(1, "step_count")
    if step_count * found.tile_count != len(found.steps) or step_count == 0:
        of_each = "" if found.grid is None else f" of each of {found.tile_count} tiles"
        text = f"END counts {step_count} steps{of_each}, the file holds {len(found.steps)}, at least 1 is needed"
        raise FormatError(text, offset=start, field="step_count")
    symbols_crc = payload.uint(4, "symbols_crc")
    payload.finish("END")
    if found.grid is not None and symbols_crc != found.grid.symbols_crc():
        raise FormatError("symbols_crc is not that of GRID", offset=start + 1, field="symbols_crc")
    return symbols_crc
