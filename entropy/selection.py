"""The latents that one coding step codes, in blocks: some channels, and of these all the same places.

Symbols stand in the order channel, row, column. Channels that take turns form a row of a table, one beside the other:

```
channel 0: its places | channel 1: its places | ... | channel G - 1
channel G:            | channel G + 1         | ...
```
so that each block is a stripe of it, and the table, read row by row, is in that order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .schedule import Schedule


@dataclass(frozen=True, slots=True)
class Block:
    """Channels of the latents, and their places (n,), counted row by row, in the plane and on the step's grid."""

    channels: slice
    in_plane: Tensor
    on_grid: Tensor

    @property
    def channel_count(self) -> int:
        return len(range(self.channels.start, self.channels.stop, self.channels.step))


class Selection:
    """What a step of a schedule codes of latents (M, H, W); `blocks` leaves out those without places."""

    def __init__(
        self, schedule: Schedule, step: int, latents: int, size: tuple[int, int], device: torch.device
    ) -> None:
        own, groups = schedule.channels(step, latents), len(schedule.cell)
        stride = schedule.stride(step)
        grid_width = -(-size[1] // stride)
        self.blocks = []
        for first in own[:groups]:
            y, x = (torch.from_numpy(index) for index in schedule.places(step, first % groups, *size))
            channels = slice(first, own.stop, groups)
            on_grid = y // stride * grid_width + x // stride
            if len(y):
                self.blocks.append(Block(channels, (y * size[1] + x).to(device), on_grid.to(device)))

    def of(self, plane: Tensor) -> Tensor:
        """Its values of a plane (M, H, W), in order: (n,)."""
        flat = plane.flatten(1)
        return self.ordered([flat[block.channels].index_select(1, block.in_plane) for block in self.blocks])

    def put(self, plane: Tensor, values: Tensor) -> None:
        """Write values (n,) to their places of a plane (M, H, W)."""
        flat = plane.flatten(1)
        assert flat.data_ptr() == plane.data_ptr(), "a plane whose places do not lie evenly"
        widths = [len(block.in_plane) for block in self.blocks]
        rows = max((block.channel_count for block in self.blocks), default=0)
        table = values.new_empty(rows * sum(widths))
        table[: len(values)] = values
        stripes = table.view(rows, -1).split(widths, 1)
        for block, stripe in zip(self.blocks, stripes, strict=True):
            flat[block.channels].index_copy_(1, block.in_plane, stripe[: block.channel_count])

    def ordered(self, stripes: Sequence[Tensor]) -> Tensor:
        """What belongs to the blocks, each (channels, places), in the order of symbols: (n,)."""
        table = stripes[0].new_empty(max(map(len, stripes)), sum(stripe.shape[1] for stripe in stripes))
        left = 0
        for stripe in stripes:
            table[: len(stripe), left : left + stripe.shape[1]] = stripe
            left += stripe.shape[1]
        # Only the first blocks have a channel in the last row.
        return table.flatten()[: sum(stripe.numel() for stripe in stripes)]
