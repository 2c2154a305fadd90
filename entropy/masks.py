"""The latents of each coding step as masks of a plane, for networks that are trained on all steps at once."""

import torch
from torch import Tensor

from .schedule import Schedule


def step_masks(schedule: Schedule, channels: int, height: int, width: int, device: torch.device) -> list[Tensor]:
    """One boolean mask (channels, height, width) a step; each latent is in exactly one."""
    period = len(schedule.cell[0])
    channel = torch.arange(channels, device=device)[:, None, None]
    group = channel % len(schedule.cell)
    y = torch.arange(height, device=device)[:, None] % period
    x = torch.arange(width, device=device) % period
    inner = [torch.zeros(channels, height, width, dtype=torch.bool, device=device) for _ in schedule.strides]
    # Arithmetic on the device instead of a lookup in a table from the host, which a CUDA graph could not record.
    for g, rows in enumerate(schedule.cell):
        for dy, row in enumerate(rows):
            for dx, step in enumerate(row):
                inner[step] |= (group == g) & (y == dy) & (x == dx)
    masks = []
    for step in range(schedule.steps):
        own = schedule.channels(step, channels)
        masks.append(inner[step % len(inner)] & (channel >= own.start) & (channel < own.stop))
    return masks
