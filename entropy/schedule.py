"""Which latents are coded in which step: schedules over channels and places.

The latents are cut into `slices` of channels, coded one after the other. Within a slice they belong to groups by
channel index modulo the number of groups, and a square cell of positions repeats over the plane. A step codes, of each
group, the positions of the cell that the table gives to it, so that it sees all channels and all places thinly, and
later steps see their neighbours. A step with a stride works on the plane of every so many-th row and column alone.

| schedule | after |
|---|---|
| one-step | mean-scale hyperprior without context, Minnen et al. 2018 |
| checkerboard | all channels of every other place, He et al. 2021 |
| two-step, four-step | Li et al., DCVC-DC, 2023, section 3.3 |
| channel-wise | equal slices, Minnen and Singh, CHARM, 2020 |
| space-channel | uneven slices, each in checkerboard order, He et al., ELIC, 2022 |
| masked | all channels of ever denser places, after Mentzer et al., M2T, 2023 |
| progressive | every fourth place, every other one, the rest, Li et al., HPCM, 2025 |
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Cell = tuple[tuple[tuple[int, ...], ...], ...]
Places = npt.NDArray[np.intp]
# What indexes a step's part of a plane (B, M, h, w).
View = tuple[slice, slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Schedule:
    """`cell[group][y % p][x % p]` is the step, within a slice, that codes a position of a channel group.

    `slices` are shares of the channels, `strides` those of the steps within a slice.
    """

    name: str
    cell: Cell
    strides: tuple[int, ...]
    slices: tuple[int, ...] = (1,)

    @property
    def steps(self) -> int:
        return len(self.slices) * len(self.strides)

    def stride(self, step: int) -> int:
        return self.strides[step % len(self.strides)]

    def channels(self, step: int, latents: int) -> range:
        """Those of the slice that a step codes; empty where there are fewer channels than slices."""
        index, total = step // len(self.strides), sum(self.slices)
        first, last = sum(self.slices[:index]), sum(self.slices[: index + 1])
        return range(latents * first // total, latents * last // total)

    def known_channels(self, step: int, latents: int) -> int:
        """How many channels, from the first, a step can know something of."""
        channels = self.channels(step, latents)
        return channels.stop if step % len(self.strides) else channels.start

    def view(self, step: int, latents: int) -> View:
        """The part of the latents that a step works on: its slice, on its grid."""
        channels, grid = self.channels(step, latents), slice(None, None, self.stride(step))
        return slice(None), slice(channels.start, channels.stop), grid, grid

    def channels_at(self, step: int, latents: int, y: int, x: int) -> list[range]:
        """The channels that a step codes at a position of the cell, one range a group."""
        own, groups = self.channels(step, latents), len(self.cell)
        inner = step % len(self.strides)
        return [range(c, own.stop, groups) for c in own[:groups] if self.cell[c % groups][y][x] == inner]

    def groups(self, step: int, latents: int) -> list[range]:
        """The channels of each group that a step codes at some position of the cell."""
        own, groups, inner = self.channels(step, latents), len(self.cell), step % len(self.strides)
        return [range(c, own.stop, groups) for c in own[:groups] if any(inner in row for row in self.cell[c % groups])]

    def places(self, step: int, group: int, height: int, width: int) -> Places:
        """The places of a plane, counted row by row, of the latents of a channel group that a step codes."""
        cell = np.array(self.cell[group]) == step % len(self.strides)
        times = -(-height // len(cell)), -(-width // len(cell))
        return np.flatnonzero(np.tile(cell, times)[:height, :width])


def _progressive(groups: int, fine_steps: int) -> tuple[Cell, tuple[int, ...]]:
    """Cells of 4x4 and the strides: two steps at every fourth place, three at every second, `fine_steps` at the rest.

    At each of the finer levels three places are new. Which of them comes first differs between the groups of channels.
    """

    def step(group: int, y: int, x: int) -> int:
        if (y, x) == (0, 0):
            return group % 2
        if y % 2 == 0 and x % 2 == 0:
            return 2 + (y + x // 2 - 1 + group) % 3
        turn = (2 * (y % 2) + x % 2 - 1 + group) % 3
        halves = fine_steps // 3
        return 5 + turn * halves + group // 3 % halves

    cell = tuple(tuple(tuple(step(g, y, x) for x in range(4)) for y in range(4)) for g in range(groups))
    return cell, (4, 4, 2, 2, 2, *(1,) * fine_steps)


_ALL: Cell = (((0,),),)
_CHECKERBOARD: Cell = (((0, 1), (1, 0)),)

ONE_STEP = Schedule("one-step", _ALL, (1,))
CHECKERBOARD = Schedule("checkerboard", _CHECKERBOARD, (1, 1))
TWO_STEP = Schedule("two-step", (((0, 1), (1, 0)), ((1, 0), (0, 1))), (1, 1))
FOUR_STEP = Schedule(
    "four-step", (((0, 2), (3, 1)), ((1, 3), (2, 0)), ((2, 0), (1, 3)), ((3, 1), (0, 2))), (1, 1, 1, 1)
)
CHANNEL_WISE = Schedule("channel-wise", _ALL, (1,), slices=(1,) * 10)
EVEN_SPACE_CHANNEL = Schedule("even-space-channel", _CHECKERBOARD, (1, 1), slices=(1,) * 5)
SPACE_CHANNEL = Schedule("space-channel", _CHECKERBOARD, (1, 1), slices=(1, 1, 2, 4, 12))
# In each 4x4 cell one place, one more, two, four, eight, each time between those before.
MASKED = Schedule("masked", (((0, 4, 2, 4), (4, 3, 4, 3), (2, 4, 1, 4), (4, 3, 4, 3)),), (1, 1, 1, 1, 1))
PROGRESSIVE = Schedule("progressive", *_progressive(groups=6, fine_steps=3))
PROGRESSIVE_FINE = Schedule("progressive-fine", *_progressive(groups=6, fine_steps=6))
