"""Which latents are coded in which step: the spatial-channel schedules.

The latents are split into `groups` channel groups by channel index modulo groups; a 2x2 cell of positions repeats over
the plane. Step s of a schedule codes, of each group, the positions of the cell that the table gives to s, so each step
sees all channels and all places thinly, and later steps see their neighbours (He et al., ELIC, 2022; Li et al.,
DCVC-DC, 2023, section 3.3). `one-step` is the mean-scale hyperprior without context (Minnen et al. 2018),
`checkerboard` codes all channels of every other place (He et al. 2021).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Schedule:
    """`cell[group][dy][dx]` is the step that codes positions (y % 2, x % 2) == (dy, dx) of a channel group."""

    name: str
    steps: int
    cell: tuple[tuple[tuple[int, int], tuple[int, int]], ...]

    def masks(self, channels: int, height: int, width: int, device: torch.device) -> list[Tensor]:
        """One boolean mask (channels, height, width) a step; each latent is in exactly one."""
        group = torch.arange(channels, device=device)[:, None, None] % len(self.cell)
        y = torch.arange(height, device=device)[:, None] % 2
        x = torch.arange(width, device=device) % 2
        masks = [torch.zeros(channels, height, width, dtype=torch.bool, device=device) for _ in range(self.steps)]
        # Arithmetic on the device instead of a lookup in a table from the host, which a CUDA graph could not record.
        for g, rows in enumerate(self.cell):
            for dy, row in enumerate(rows):
                for dx, step in enumerate(row):
                    masks[step] |= (group == g) & (y == dy) & (x == dx)
        return masks


ONE_STEP = Schedule("one-step", 1, (((0, 0), (0, 0)),))
CHECKERBOARD = Schedule("checkerboard", 2, (((0, 1), (1, 0)),))
TWO_STEP = Schedule("two-step", 2, (((0, 1), (1, 0)), ((1, 0), (0, 1))))
FOUR_STEP = Schedule("four-step", 4, (((0, 2), (3, 1)), ((1, 3), (2, 0)), ((2, 0), (1, 3)), ((3, 1), (0, 2))))
SCHEDULES = {schedule.name: schedule for schedule in (ONE_STEP, CHECKERBOARD, TWO_STEP, FOUR_STEP)}
