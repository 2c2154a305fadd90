"""Photographs resident in memory and the crops cut from them, a pure function of (seed, step)."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...formats.pictures import read_picture


class Crops:
    """Random square crops with flips and transposition from uint8 photographs.

    A photograph is drawn with probability proportional to its area. `batch(seed, step)` depends on nothing else, so
    a resumed run sees what an uninterrupted one would.
    """

    def __init__(self, paths: list[Path], crop: int) -> None:
        digest = hashlib.sha256()
        self.pictures: list[Tensor] = []
        for path in paths:
            data = path.read_bytes()
            pixels = read_picture(data).pixels
            if min(pixels.shape[:2]) >= crop:
                self.pictures.append(torch.from_numpy(pixels))
                digest.update(data)
        self.digest = digest.hexdigest()[:16]
        if not self.pictures:
            raise ValueError(f"of {len(paths)} pictures none has both sides of {crop} pixels or more")
        self.crop = crop
        area = np.array([p.shape[0] * p.shape[1] for p in self.pictures], dtype=np.float64)
        self._share = area / area.sum()

    def batch(self, size: int, seed: int, step: int) -> tuple[Tensor, Tensor]:
        """(rgb (size, 3, crop, crop) float32 in [0, 1], quality (size,) in [0, 1], stratified over the batch)."""
        rng = np.random.default_rng((seed, step))
        crops = [self._crop(int(i), rng) for i in rng.choice(len(self.pictures), size, p=self._share)]
        quality = (rng.permutation(size) + rng.random(size)) / size
        rgb = torch.stack(crops).permute(0, 3, 1, 2).float() / 255
        return rgb.contiguous(memory_format=torch.channels_last), torch.from_numpy(quality).float()

    def _crop(self, index: int, rng: np.random.Generator) -> Tensor:
        picture = self.pictures[index]
        top = int(rng.integers(picture.shape[0] - self.crop + 1))
        left = int(rng.integers(picture.shape[1] - self.crop + 1))
        crop = picture[top : top + self.crop, left : left + self.crop]
        flips = [axis for axis in (0, 1) if rng.random() < 0.5]
        crop = crop.flip(flips) if flips else crop
        return crop.transpose(0, 1) if rng.random() < 0.5 else crop
