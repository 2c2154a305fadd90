"""Clips that are coded side by side, one frame of each a step, each from what the model itself made of the frame
before.

So every step trains on references with the errors that coding really leaves in them, at the price of one frame
forward and back. Nothing is learnt through the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model import Model
from ..video.colour import Colours
from ..video.model import motion_sizes
from ..video.motion import BLOCK, Reference, predict_planes
from .camera import moving
from .clips import Clip
from .video_recipe import VideoRecipe

COLOURS = Colours()
_JITTER = 0.08  # of quality, from frame to frame


@dataclass(slots=True)
class _Stream:
    """A crop of a clip, and how far it is coded."""

    luma: Tensor  # uint8 (T, 1, S, S)
    chroma: Tensor  # uint8 (T, 2, S/2, S/2)
    vectors: Tensor  # int64 (T - 1, 2, h, w)
    quality: float
    time: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames (B, ...) to be coded next: samples, their prediction, what is known of earlier ones, q (B,)."""

    luma: Tensor
    chroma: Tensor
    predicted: Tensor  # rgb (B, 3, S, S)
    intra: Tensor  # (B, M, h, w)
    last: Tensor
    motion: Tensor  # (B, 2, h, w)
    quality: Tensor

    @property
    def rgb(self) -> Tensor:
        return COLOURS.to_rgb(self.luma, self.chroma)


class Streams:
    """`recipe.batch` of them, drawn from clips and photographs by a seed."""

    def __init__(
        self, recipe: VideoRecipe, clips: Sequence[Clip], photographs: Sequence[Tensor], intra: Model, seed: int
    ) -> None:
        """photographs: uint8 (H, W, 3), may be none."""
        self._recipe, self._clips, self._photographs, self._intra_model = recipe, clips, photographs, intra
        self._rng = np.random.default_rng(seed)
        self._random = np.random.default_rng((seed, 1))
        size, side = recipe.batch, recipe.crop
        latents = (size, intra.transforms.config.latents, side // BLOCK, side // BLOCK)
        self._streams: list[_Stream | None] = [None] * size
        self._luma, self._chroma = torch.zeros(size, 1, side, side), torch.zeros(size, 2, side // 2, side // 2)
        self._intra, self._last = torch.zeros(latents), torch.zeros(latents)
        self._order = list(self._rng.permutation(size))

    def next(self) -> Batch:
        """The next frame of each; those at their end begin anew."""
        ended = [n for n, s in enumerate(self._streams) if s is None or s.time + 1 == len(s.luma)]
        if ended:
            self._begin(ended)
        streams = [s for s in self._streams if s is not None]
        for stream in streams:
            stream.time += 1
        vectors = torch.stack([s.vectors[s.time - 1] for s in streams])
        jitter = self._rng.normal(size=len(streams)) * _JITTER
        quality = [min(1.0, max(0.0, s.quality + float(j))) for s, j in zip(streams, jitter, strict=True)]
        return Batch(
            luma=torch.stack([s.luma[s.time] for s in streams]).float(),
            chroma=torch.stack([s.chroma[s.time] for s in streams]).float(),
            predicted=COLOURS.to_rgb(*moved(self._luma, self._chroma, vectors)),
            intra=self._intra,
            last=self._last,
            motion=motion_sizes(vectors).float(),
            quality=torch.tensor(quality, dtype=torch.float32),
        )

    def put(self, rgb: Tensor, y_hat: Tensor) -> None:
        """What the model made of the batch."""
        self._luma, self._chroma = limited(rgb)
        self._last = y_hat.detach()

    @torch.no_grad()
    def _begin(self, which: list[int]) -> None:
        for n in which:
            # Stratified: the qualities of streams that run at a time are spread.
            self._streams[n] = self._drawn((self._order[n] + self._rng.random()) / len(self._order))
        fresh = [s for n in which if (s := self._streams[n]) is not None]
        rgb = COLOURS.to_rgb(
            *(torch.stack([getattr(s, kind)[0] for s in fresh]).float() for kind in ("luma", "chroma"))
        )
        quality = torch.tensor([s.quality for s in fresh], dtype=torch.float32)
        y_hat, _, _ = self._intra_model.code(rgb, quality)
        decoded = self._intra_model.transforms.synthesis(y_hat, quality)
        self._luma[which], self._chroma[which] = limited(decoded)
        self._intra = self._intra.index_copy(0, torch.tensor(which), y_hat)
        self._last = self._last.index_fill(0, torch.tensor(which), 0.0)
        self._order = list(self._rng.permutation(len(self._order)))

    def _drawn(self, quality: float) -> _Stream:
        rng, side = self._rng, self._recipe.crop
        count = int(rng.integers(2, self._recipe.frames + 1))
        if self._photographs and rng.random() < self._recipe.synthetic:
            pair = [self._photographs[int(n)] for n in rng.integers(len(self._photographs), size=2)]
            frames, vectors = moving(pair, side, count, rng)
            luma, chroma = (plane.round().to(torch.uint8) for plane in limited(frames))
            return _Stream(luma, chroma, vectors, quality)
        clip = self._clips[int(rng.integers(len(self._clips)))]
        count = min(count, len(clip.luma))
        height, width = clip.luma.shape[1:]
        time = int(rng.integers(len(clip.luma) - count + 1))
        top, left = (BLOCK * int(rng.integers((n - side) // BLOCK + 1)) for n in (height, width))
        half = slice(top // 2, (top + side) // 2), slice(left // 2, (left + side) // 2)
        blocks = slice(top // BLOCK, (top + side) // BLOCK), slice(left // BLOCK, (left + side) // BLOCK)
        luma = torch.from_numpy(clip.luma[time : time + count, None, top : top + side, left : left + side])
        chroma = torch.from_numpy(clip.chroma[time : time + count, :, half[0], half[1]])
        vectors = torch.from_numpy(clip.vectors[time : time + count - 1, :, blocks[0], blocks[1]]).long()
        for axis in (2, 3):
            if rng.random() < 0.5:
                luma, chroma, vectors = (part.flip(axis) for part in (luma, chroma, vectors))
                vectors[:, axis - 2] *= -1
        if rng.random() < 0.5:
            luma, chroma, vectors = (part.transpose(2, 3) for part in (luma, chroma, vectors.flip(1)))
        return _Stream(luma, chroma, vectors, quality)


def moved(luma: Tensor, chroma: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Planes (B, 1, H, W) and (B, 2, H/2, W/2), moved."""
    parts = Reference(chroma[:, :1]), Reference(chroma[:, 1:])
    return predict_planes(Reference(luma), parts, vectors, COLOURS.halved)


def limited(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """The samples that the next frame is predicted from."""
    luma, chroma = COLOURS.to_planes(rgb.detach())
    return luma.clamp(0, 255), chroma.clamp(0, 255)
