"""The latents that one coding step codes, in blocks: some channels, and of these all the same places.

Symbols stand in the order channel, row, column. Channels that take turns form a row of a table, one beside the other:

```
channel 0: its places | channel 1: its places | ... | channel G - 1
channel G:            | channel G + 1         | ...
```
so that each block is a stripe of it, and the table, read row by row, is in that order.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .schedule import Places, Schedule

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Block:
    """Channels of the latents, their places (n,), counted row by row, rising, and the first column of its stripe."""

    channels: range
    places: Places
    left: int

    def within(self, first: int, end: int) -> slice:
        """Which of the places are from `first` to before `end`."""
        return slice(*np.searchsorted(self.places, (first, end)).tolist())


def on_grid(places: Places, width: int, stride: int) -> Places:
    """Where places of a plane of a width are on every stride-th row and column of it."""
    y, x = np.divmod(places, width)
    found: Places = y // stride * -(-width // stride) + x // stride
    return found


class Selection:
    """What a step of a schedule codes of latents (M, h, w); `blocks` leaves out those without places."""

    def __init__(self, schedule: Schedule, step: int, latents: int, size: tuple[int, int]) -> None:
        own, groups = schedule.channels(step, latents), len(schedule.cell)
        self.blocks: list[Block] = []
        columns = 0
        for first in own[:groups]:
            places = schedule.places(step, first % groups, *size)
            if places.size:
                self.blocks.append(Block(range(first, own.stop, groups), places, columns))
                columns += places.size
        self._shape = -(-len(own) // groups), columns
        self._count = sum(len(block.channels) * block.places.size for block in self.blocks)

    def table(self, kind: type[Kind]) -> npt.NDArray[Kind]:
        """An empty table."""
        return np.empty(self._shape, kind)

    def stripe(self, table: npt.NDArray[Kind], block: Block) -> npt.NDArray[Kind]:
        """A block's part of a table: (channels, places)."""
        return table[: len(block.channels), block.left : block.left + block.places.size]

    def in_order(self, table: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """A table's values in the order of symbols, (n,), to be read or written."""
        return table.reshape(-1)[: self._count]  # only the first blocks have a channel in the last row

    def of(self, plane: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """Its values of a plane (M, h, w), in order: (n,)."""
        table: npt.NDArray[Any] = np.empty(self._shape, plane.dtype)
        flat = plane.reshape(len(plane), -1)
        for block in self.blocks:
            self.stripe(table, block)[:] = flat[block.channels][:, block.places]
        return self.in_order(table)


@lru_cache(maxsize=16)
def selection_of(schedule: Schedule, step: int, latents: int, size: tuple[int, int]) -> Selection:
    """As `Selection`, of which frames of a clip and tiles of a picture need the same ones again."""
    return Selection(schedule, step, latents, size)
