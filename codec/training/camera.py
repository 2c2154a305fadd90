"""Motion made of photographs: a camera that pans, turns and zooms, and something in front that moves otherwise."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_EDGE = 0.15  # of the radius of what is in front, over which it fades


class _Layer:
    """A photograph (1, 3, H, W) under a camera. Coordinates are pixels from the middle of the frame, as y + ix."""

    def __init__(self, photograph: Tensor, rng: np.random.Generator, speed: float) -> None:
        self._photograph = photograph
        height, width = photograph.shape[2:]
        self._middle = complex(height * rng.uniform(0.35, 0.65), width * rng.uniform(0.35, 0.65))
        self._scale = complex(min(1.0, min(height, width) / 280)) * rng.uniform(0.7, 1.0)
        self._drift = speed * complex(*rng.normal(size=2))
        self._push = 0.15 * speed * complex(*rng.normal(size=2))
        self._turn = complex(rng.normal() * 0.004, rng.normal() * 0.005) * rng.choice([0.0, 1.0])

    def place(self, points: Tensor, time: int) -> Tensor:
        """Where in the photograph points (complex) of a frame are."""
        scale = self._scale * np.exp(self._turn * time)
        places: Tensor = points * scale + self._middle + self._drift * time + self._push * time * time / 2
        return places

    def point(self, places: Tensor, time: int) -> Tensor:
        """The inverse."""
        scale = self._scale * np.exp(self._turn * time)
        points: Tensor = (places - self._middle - self._drift * time - self._push * time * time / 2) / scale
        return points

    def draw(self, points: Tensor, time: int) -> Tensor:
        """rgb (3, ...) at points, the photograph mirrored beyond its borders."""
        places = self.place(points, time)
        height, width = self._photograph.shape[2:]
        grid = torch.stack([(2 * places.imag + 1) / width - 1, (2 * places.real + 1) / height - 1], -1).float()
        drawn = F.grid_sample(self._photograph, grid[None], "bicubic", "reflection", align_corners=False)
        return drawn[0]


def moving(photographs: list[Tensor], crop: int, count: int, rng: np.random.Generator) -> Tensor:
    """Frames (count, 3, crop, crop) in [0, 1] of two photographs uint8 (H, W, 3)."""
    speed = float(np.exp(rng.uniform(math.log(0.1), math.log(8.0))))
    back, front = (
        _Layer(photograph.permute(2, 0, 1)[None].float() / 255, rng, speed * factor)
        for photograph, factor in zip(photographs, (1.0, float(rng.uniform(0.5, 2.0))), strict=True)
    )
    pixels = _points(crop)
    radius = crop * float(rng.uniform(0.1, 0.35)) * float(rng.random() < 0.6)
    where = complex(*rng.uniform(-0.3, 0.3, 2)) * crop
    start = front.place(torch.tensor(where), 0)
    noise = float(rng.choice([0.0, 0.0, 1.0, 2.5])) / 255
    frames = []
    for time in range(count):
        frame = back.draw(pixels, time)
        in_front = _cover(pixels - front.point(start, time), radius)
        if radius:
            frame = torch.lerp(frame, front.draw(pixels, time), in_front)
        frames.append((frame + noise * torch.randn(frame.shape)).clamp(0, 1))
    return torch.stack(frames)


def _points(count: int) -> Tensor:
    line = torch.arange(count, dtype=torch.float64) - (count - 1) / 2
    return torch.complex(*torch.meshgrid(line, line, indexing="ij"))


def _cover(distance: Tensor, radius: float) -> Tensor:
    """How much of something round is at a distance (complex) from its middle."""
    if not radius:
        return torch.zeros(distance.shape)
    return ((1 - distance.abs() / radius) / _EDGE).clamp(0, 1).float()
