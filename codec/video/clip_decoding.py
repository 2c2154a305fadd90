"""Decoding of clips: symbols of frames ahead of their samples.

```
file ─► units ─► symbols (exact, frame after frame) ─► samples (floating point, frame after frame)
        thread    thread beside                         here
```
Symbols need no samples, so one core is busy with those of the next frame while others draw this one. A frame is drawn
as soon as its own unit is there, whatever comes after it.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from ...entropy.coder import CoderError
from ...entropy.threads import beside
from ...formats.clip_container import ClipEnd, ClipReader, FrameUnit, Lost, Tracks, Unit
from ...formats.clip_reading import Planes
from ...formats.clip_sections import INTRA, REPEAT
from ...formats.errors import FormatError
from .frame_coder import FrameCoder, Known, Shown, Symbols
from .read_ahead import ReadAhead

_AHEAD = 2  # frames


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame as it is shown, its number, and its time in the time base of the head."""

    number: int
    time: int
    planes: Planes


@dataclass(frozen=True, slots=True)
class FrameSymbols:
    """A frame whose symbols are decoded and right; None where it repeats the one before."""

    unit: FrameUnit
    symbols: Symbols | None


Other = Lost | Tracks | ClipEnd


def decode_symbols(coder: FrameCoder, reader: ClipReader, salvage: bool = False) -> Generator[FrameSymbols | Other]:
    """The exact half of decoding.

    Raises FormatError for damage; with `salvage`, frames that are lost come as `Lost`.
    """
    units: ReadAhead[Unit] = ReadAhead(reader.units(salvage))
    walk = _Walk(coder, salvage)
    pending: deque[Future[list[FrameSymbols | Other]]] = deque()
    try:
        while True:
            while len(pending) < _AHEAD and (unit := units.next(wait=not pending)) is not None:
                pending.append(beside(partial(walk.next, unit), coder.device))
            if not pending:
                break
            yield from pending.popleft().result()
    finally:
        units.leave()
    if walk.lost is not None:
        yield walk.lost


def decode_units(coder: FrameCoder, reader: ClipReader, salvage: bool) -> Generator[DecodedFrame | Other]:
    """Both halves."""
    shown: Shown | None = None
    for item in decode_symbols(coder, reader, salvage):
        if not isinstance(item, FrameSymbols):
            yield item
            continue
        if item.symbols is not None:
            shown = coder.draw(item.symbols, shown, item.unit.gain_index)
        assert shown is not None
        yield DecodedFrame(item.unit.number, item.unit.time, coder.shape.store(*shown.planes))


class _Walk:
    """The symbols of unit after unit."""

    def __init__(self, coder: FrameCoder, salvage: bool) -> None:
        self._coder, self._salvage = coder, salvage
        self._known: Known | None = None
        self.lost: Lost | None = None  # since a frame whose symbols are damaged, until the next intra frame

    def next(self, unit: Unit) -> list[FrameSymbols | Other]:
        found: list[FrameSymbols | Other] = []
        ends = unit.kind == INTRA if isinstance(unit, FrameUnit) else not isinstance(unit, Tracks)
        if self.lost is not None and ends:
            found.append(self.lost)
            self.lost = None
        if not isinstance(unit, FrameUnit):
            return [*found, unit]
        if self.lost is not None:
            self.lost = Lost(self.lost.first, unit.number + 1, self.lost.problem)
            return found
        try:
            return [*found, FrameSymbols(unit, self._symbols(unit))]
        except FormatError as problem:
            if not self._salvage:
                raise
            self.lost = Lost(unit.number, unit.number + 1, problem)
            return found

    def _symbols(self, unit: FrameUnit) -> Symbols | None:
        if unit.kind == REPEAT:
            return None
        try:
            symbols = self._coder.symbols(unit.data, None if unit.kind == INTRA else self._known, unit.gain_index)
        except CoderError as error:
            raise FormatError(f"frame {unit.number} is damaged: {error}", offset=unit.offset, field="symbols") from None
        if symbols.crc != unit.symbols_crc:
            text = f"frame {unit.number} is damaged: its symbols have another checksum"
            raise FormatError(text, offset=unit.offset, field="symbols_crc")
        self._known = symbols.known
        return symbols
