"""Photographs resident on a device as uint8, and crops cut from them there by one gather."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...datasets.photographs import Photograph
from ...formats.errors import LcodecError
from ...formats.pictures import read_picture


@dataclass(frozen=True, slots=True)
class Plan:
    """Which crops make a batch of B, and at which qualities.

    `places` (B, 3) int64: index of the crop's first pixel in the store, steps to the next row and to the next column;
    negative or exchanged steps flip and transpose. `quality` (B,) float32 in [0, 1].
    """

    places: Tensor
    quality: Tensor


class Crops:
    """Random square crops with flips and transposition.

    A photograph is drawn with probability proportional to its area. `plan(size, seed, step)` depends on nothing else,
    so a resumed run sees what an uninterrupted one would.
    """

    def __init__(self, photographs: Sequence[Photograph], crop: int, device: torch.device) -> None:
        """Decodes everything. Raises ValueError for a damaged photograph, or if none has both sides >= crop."""
        self.crop = crop
        with ThreadPoolExecutor() as pool:
            decoded = list(pool.map(_pixels, photographs))
        kept = [(p, pixels) for p, pixels in zip(photographs, decoded, strict=True) if min(pixels.shape[:2]) >= crop]
        if not kept:
            raise ValueError(f"of {len(photographs)} pictures none has both sides of {crop} pixels or more")
        self.count = len(kept)
        self.digest = hashlib.sha256("".join(photograph.digest for photograph, _ in kept).encode()).hexdigest()[:16]
        self._heights = np.array([pixels.shape[0] for _, pixels in kept])
        self._widths = np.array([pixels.shape[1] for _, pixels in kept])
        areas = self._heights * self._widths
        self._starts = np.cumsum(areas) - areas
        self._share = areas / areas.sum()
        flat = np.concatenate([pixels.reshape(-1, 3) for _, pixels in kept])
        self._store = torch.from_numpy(flat).to(device)  # (pixels, 3)
        self._ramp = torch.arange(crop, device=device)

    def plan(self, size: int, seed: int, step: int) -> Plan:
        """The crops of one step, on the CPU; qualities are stratified over the batch."""
        rng = np.random.default_rng((seed, step))
        index = rng.choice(self.count, size, p=self._share)
        width = self._widths[index]
        top = rng.integers(self._heights[index] - self.crop + 1)
        left = rng.integers(width - self.crop + 1)
        down, right = (rng.random((2, size)) < 0.5) * 2 - 1
        turned = rng.random(size) < 0.5
        last = self.crop - 1
        first = self._starts[index] + (top + last * (down < 0)) * width + left + last * (right < 0)
        row, column = down * width, right
        places = np.stack([first, np.where(turned, column, row), np.where(turned, row, column)], axis=1)
        quality = (rng.permutation(size) + rng.random(size)) / size
        return Plan(torch.from_numpy(places), torch.from_numpy(quality.astype(np.float32)))

    def cut(self, places: Tensor) -> Tensor:
        """places (B, 3) on the device -> rgb (B, 3, crop, crop) float32 in [0, 1], channels_last."""
        first, row, column = places[:, :, None, None].unbind(1)  # each (B, 1, 1)
        index = first + row * self._ramp[:, None] + column * self._ramp  # (B, crop, crop)
        return self._store[index].permute(0, 3, 1, 2).float() / 255


def _pixels(photograph: Photograph) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        return read_picture(photograph.data).eight_bits()
    except LcodecError as error:
        raise ValueError(f"{photograph.name}: {error}") from None
