"""WAYS, SPEC.md section 5.3: how each tile is coded, where not all are as the model's transform says."""

from __future__ import annotations

from .errors import FormatError
from .fields import Cursor

DRAWN = 1  # SPEC 21


def pack_ways(ways: tuple[int, ...], tile_count: int) -> bytes:
    """The payload: a byte a tile. ValueError for another number of them, or one that is neither 0 nor DRAWN."""
    if len(ways) != tile_count or not set(ways) <= {0, DRAWN}:
        raise ValueError(f"{len(ways)} ways of {tile_count} tiles, each 0 or {DRAWN}")
    return bytes(ways)


def unpack_ways(payload: Cursor, tile_count: int) -> tuple[int, ...]:
    """The inverse. Raises FormatError."""
    start = payload.offset
    ways = tuple(payload.take(tile_count, "ways"))
    payload.finish("WAYS")
    if not set(ways) <= {0, DRAWN}:
        raise FormatError(f"a tile is coded in the way {max(ways)}, not 0 or {DRAWN}", offset=start, field="ways")
    return ways
