"""GRID, SPEC.md section 5.1: the tiles that a picture is coded in."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from .errors import FormatError
from .fields import Cursor, pack_uint, pack_varint

TILE_UNIT = 64  # pixels
MIN_TILE_UNITS = 4
MAX_TILE_UNITS = 1023


@dataclass(frozen=True, slots=True)
class Grid:
    """The tiles of `side` pixels each way, row by row: the CRC-32 of the decoded symbols of each."""

    side: int
    checks: tuple[int, ...]

    def symbols_crc(self) -> int:
        """The checksum of the checksums."""
        return zlib.crc32(_pack_checks(self.checks))


def check_tile_side(side: int) -> None:
    """Raise ValueError for a side that no tile may have."""
    units, rest = divmod(side, TILE_UNIT)
    if rest or not MIN_TILE_UNITS <= units <= MAX_TILE_UNITS:
        allowed = f"a multiple of {TILE_UNIT} in {MIN_TILE_UNITS * TILE_UNIT} .. {MAX_TILE_UNITS * TILE_UNIT}"
        raise ValueError(f"the side of a tile is {allowed}, not {side}")


def pack_grid(grid: Grid, width: int, height: int) -> bytes:
    """The payload for a picture of so many pixels. ValueError for a side or a number of checksums that do not fit."""
    check_tile_side(grid.side)
    if len(grid.checks) != _tile_count(width, height, grid.side):
        raise ValueError(f"{len(grid.checks)} checksums of tiles for {width} x {height} pixels")
    return pack_varint(grid.side // TILE_UNIT, "tile_units") + _pack_checks(grid.checks)


def unpack_grid(payload: Cursor, width: int, height: int) -> Grid:
    """The inverse. Raises FormatError."""
    start = payload.offset
    units = payload.varint("tile_units")
    if not MIN_TILE_UNITS <= units <= MAX_TILE_UNITS:
        text = f"tile_units is {units}, not in {MIN_TILE_UNITS} .. {MAX_TILE_UNITS}"
        raise FormatError(text, offset=start, field="tile_units")
    side = units * TILE_UNIT
    checks = tuple(payload.uint(4, "tile_crc") for _ in range(_tile_count(width, height, side)))
    payload.finish("GRID")
    return Grid(side, checks)


def _tile_count(width: int, height: int, side: int) -> int:
    """How many tiles of a side cover a picture; those at its right and bottom are cut."""
    return -(-width // side) * -(-height // side)


def _pack_checks(checks: tuple[int, ...]) -> bytes:
    return b"".join(pack_uint(check, 4, "tile_crc") for check in checks)
