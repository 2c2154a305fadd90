"""The order in which a picture is coded without loss: from coarse to fine, each time what lies between the known.

```
A 2 A 2 A       A: samples of the coarser level, whose rows and columns are even
3 1 3 1 3       1: phase 0, odd rows and columns, predicted from A
A 2 A 2 A       2: phase 1, even rows and odd columns, from A and 1
3 1 3 1 3       3: phase 2, odd rows and even columns, from A, 1 and 2
```

Level l has the samples whose rows and columns are multiples of 2^l. A phase's plane and those of its known neighbours
have about half the rows and columns of the level; what is beyond the border of one is as its nearest sample.
"""

import torch
from torch import Tensor

PHASES = 3
COARSEST_SIDE = 4  # at most, of the level that is coded first

View = tuple[slice, slice]

# Of each phase: (known plane, rows down, columns right) of the four nearest known samples.
_NEAREST = (
    ((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)),
    ((0, 0, 0), (0, 0, 1), (1, -1, 0), (1, 0, 0)),
    ((0, 0, 0), (0, 1, 0), (1, 0, -1), (1, 0, 0)),
)


def level_count(side: int) -> int:
    """Levels above the finest for tiles of a side."""
    level = 0
    while -(-side >> level) > COARSEST_SIDE:
        level += 1
    return level


def coarse_view(level: int) -> View:
    """Rows and columns of a level's samples."""
    return slice(None, None, 1 << level), slice(None, None, 1 << level)


def phase_views(level: int) -> tuple[View, View, View]:
    """Rows and columns of the samples that a level adds, phase by phase."""
    even, odd = slice(0, None, 2 << level), slice(1 << level, None, 2 << level)
    return (odd, odd), (even, odd), (odd, even)


class Surroundings:
    """Some known planes (B, C, h, w) as seen from rows `top` to before `bottom` of a phase's plane `width` wide.

    With `margin` more places at each side. A plane without samples is as the first one.
    """

    def __init__(self, known: list[Tensor], top: int, bottom: int, width: int, margin: int) -> None:
        self._known = [plane if plane.numel() else known[0] for plane in known]
        device = known[0].device
        self._rows = torch.arange(top - margin, bottom + margin, device=device)
        self._columns = torch.arange(-margin, width + margin, device=device)

    def planes(self) -> list[Tensor]:
        """All of them, each (B, C, bottom - top + 2 margin, width + 2 margin)."""
        return [self._moved(index, 0, 0) for index in range(len(self._known))]

    def base(self, phase: int) -> Tensor:
        """The mean of the four nearest samples, with MEAN_BITS binary places: 8 times their sum."""
        a, b, c, d = (self._moved(*place) for place in _NEAREST[phase])
        return (a + b + c + d) * 8

    def _moved(self, index: int, down: int, right: int) -> Tensor:
        plane = self._known[index]
        rows = (self._rows + down).clamp(0, plane.shape[2] - 1)
        columns = (self._columns + right).clamp(0, plane.shape[3] - 1)
        return plane[:, :, rows][:, :, :, columns]
