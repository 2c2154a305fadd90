"""Decoding of clips: symbols of frames ahead of their samples.

```
file ─► units ─► symbols (exact, frame after frame) ─► samples (floating point, frame after frame)
        thread    thread beside                         here
```
Symbols need no samples, so some cores are busy with those of the next frame while others draw this one. A frame is
drawn as soon as its own unit is there, whatever comes after it, and shown when all before it are.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ...entropy.coder import CoderError
from ...entropy.threads import beside
from ...formats.clip_order import Slot
from ...formats.clip_reader import ClipReader
from ...formats.clip_reading import Planes
from ...formats.clip_records import ClipEnd, FrameUnit, Gap, Tracks, Unit
from ...formats.clip_sections import INTRA, REPEAT
from ...formats.errors import CutError, FormatError
from .frame_coder import FrameCoder, Known, Shown, Symbols
from .read_ahead import ReadAhead

_AHEAD = 3  # units that are worked on
_SYMBOLS, _SAMPLES, _LANES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame as it is shown, its number, and its time in the time base of the head."""

    number: int
    time: int
    planes: Planes


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames from `first` to before `end` cannot be decoded; `problem` says why.

    `end` is `first` where nobody says how many there are: the rest of the file.
    """

    first: int
    end: int
    problem: FormatError


@dataclass(frozen=True, slots=True)
class FrameSymbols:
    """A frame whose symbols are decoded and right; None where it repeats another."""

    unit: FrameUnit
    symbols: Symbols | None


Other = Gap | Tracks | ClipEnd
Item = TypeVar("Item")


def decode_symbols(coder: FrameCoder, reader: ClipReader, salvage: bool = False) -> Generator[FrameSymbols | Other]:
    """The exact half of decoding, in the order of coding.

    Raises FormatError for damage; with `salvage`, frames that are lost leave a `Gap`.
    """
    walk = _Walk(coder, salvage)
    yield from _in_order(reader.units(salvage), lambda unit: beside(partial(walk.next, unit), coder.device))
    if walk.problem is not None:
        yield Gap(None, walk.problem)


def decode_units(
    coder: FrameCoder, reader: ClipReader, salvage: bool
) -> Generator[DecodedFrame | Lost | Tracks | ClipEnd]:
    """Both halves, in the order in which frames are shown."""
    walk, canvas, screen = _Walk(coder, salvage), _Canvas(coder), _Screen(reader.first)

    def begin(unit: Unit) -> Future[list[DecodedFrame | Other]]:
        symbols = beside(partial(walk.next, unit), coder.device, _SYMBOLS, _LANES)
        return beside(lambda: list(map(canvas.drawn, symbols.result())), coder.device, _SAMPLES, _LANES)

    for item in _in_order(reader.units(salvage), begin):
        if isinstance(item, DecodedFrame):
            yield from screen.put(item)
        elif isinstance(item, Gap):
            yield from screen.gap(item)
        else:
            yield item
    problem = walk.problem
    if problem is None and screen.waits:
        problem = CutError("the file is cut within a group of frames", offset=reader.offset)
    if problem is not None:
        yield from screen.gap(Gap(None, problem))


def _in_order(units: Iterator[Unit], begin: Callable[[Unit], Future[list[Item]]]) -> Generator[Item]:
    """What becomes of units, each begun as soon as it is there, while those before it are worked on."""
    ahead: ReadAhead[Unit] = ReadAhead(units)
    pending: deque[Future[list[Item]]] = deque()
    problem: FormatError | None = None
    try:
        while True:
            try:
                while len(pending) < _AHEAD and (unit := ahead.next(wait=not pending)) is not None:
                    pending.append(begin(unit))
            except FormatError as error:  # what came before it is whole
                problem = error
            if not pending:
                break
            yield from pending.popleft().result()
        if problem is not None:
            raise problem
    finally:
        ahead.leave()


class _Canvas:
    """Frames drawn one after the other, and kept while others are predicted from them."""

    def __init__(self, coder: FrameCoder) -> None:
        self._coder = coder
        self._shown: dict[int, Shown] = {}

    def drawn(self, item: FrameSymbols | Other) -> DecodedFrame | Other:
        if not isinstance(item, FrameSymbols):
            return item
        unit, symbols = item.unit, item.symbols
        references = [self._shown[number] for number in unit.references]
        own = references[0] if symbols is None else self._coder.draw(symbols, references, unit.gain_index)
        # Groups are coded from their beginnings on: nothing before these will be asked for again.
        first = min(unit.references, default=unit.number)
        self._shown = {number: frame for number, frame in self._shown.items() if number >= first}
        self._shown[unit.number] = own
        return DecodedFrame(unit.number, unit.time, self._coder.shape.store(*own.planes))


class _Screen:
    """Frames as they come, given out as they are shown."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._waiting: dict[int, DecodedFrame] = {}

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def put(self, frame: DecodedFrame) -> Generator[DecodedFrame]:
        self._waiting[frame.number] = frame
        while self._next in self._waiting:
            self._next += 1
            yield self._waiting.pop(self._next - 1)

    def gap(self, gap: Gap) -> Generator[DecodedFrame | Lost]:
        """What has come, and what is missing between."""
        for number in sorted(self._waiting):
            if number > self._next:
                yield Lost(self._next, number, gap.problem)
            self._next = number + 1
            yield self._waiting.pop(number)
        end = self._next if gap.end is None else gap.end
        if gap.end is None or end > self._next:
            yield Lost(self._next, end, gap.problem)
        self._next = end


class _Walk:
    """The symbols of unit after unit."""

    def __init__(self, coder: FrameCoder, salvage: bool) -> None:
        self._coder, self._salvage = coder, salvage
        self._known: Known | None = None
        self.problem: FormatError | None = None  # since which frames are lost, until the next intra frame

    def next(self, unit: Unit) -> list[FrameSymbols | Other]:
        if isinstance(unit, Tracks):
            return [unit]
        if self.problem is None:
            return self._whole(unit)
        problem = self.problem
        match unit:
            case FrameUnit() if unit.kind == INTRA:
                self.problem = None
                return [Gap(unit.number, problem), *self._whole(unit)]
            case FrameUnit():
                return []
            case Gap():
                self.problem = None
                return [Gap(unit.end, problem)]
            case ClipEnd():
                self.problem = None
                return [Gap(unit.frames, problem), unit]

    def _whole(self, unit: FrameUnit | Gap | ClipEnd) -> list[FrameSymbols | Other]:
        if not isinstance(unit, FrameUnit):
            return [unit]
        try:
            return [FrameSymbols(unit, self._symbols(unit))]
        except FormatError as problem:
            if not self._salvage:
                raise
            self.problem = problem
            return []

    def _symbols(self, unit: FrameUnit) -> Symbols | None:
        if unit.kind == REPEAT:
            return None
        try:
            symbols = self._decoded(unit)
        except CoderError as error:
            raise FormatError(f"frame {unit.number} is damaged: {error}", offset=unit.offset, field="symbols") from None
        if symbols.crc != unit.symbols_crc:
            text = f"frame {unit.number} is damaged: its symbols have another checksum"
            raise FormatError(text, offset=unit.offset, field="symbols_crc")
        self._known = symbols.known
        return symbols

    def _decoded(self, unit: FrameUnit) -> Symbols:
        if unit.kind == INTRA:
            return self._coder.intra_symbols(unit.data, unit.gain_index)
        assert self._known is not None
        slot = Slot(unit.number, unit.references, unit.level)
        return self._coder.predicted_symbols(unit.data, self._known, slot, unit.gain_index)
