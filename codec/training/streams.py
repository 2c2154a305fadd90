"""Clips that are coded side by side, one frame of each a step, each from what the model itself made of others before.

So every step trains on references with the errors that coding really leaves in them, at the price of one frame
forward and back. Nothing is learnt through the references. Groups of all lengths are drawn, and motion is searched as
the encoder does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...entropy.fixed import GAIN_STEPS
from ...entropy.past import MOTION_CHANNELS, last_of
from ...entropy.vectors import laplacian_rows, motion_bits
from ...formats.clip_order import MAX_GROUP, Slot, group_slots
from ..model import Model
from ..video.colour import Colours
from ..video.mixture import Prediction, predicted, references_of
from ..video.model import motion_sizes
from ..video.motion import BLOCK
from ..video.motion_cost import bit_cost
from ..video.motion_rate import MotionBits
from ..video.motion_search import cheapest_motion
from .camera import moving
from .clips import Clip
from .video_recipe import VideoRecipe

COLOURS = Colours()
Planes = tuple[Tensor, Tensor]  # luma (B, 1, S, S), chroma (B, 2, S/2, S/2)
# By level, quality against that of the stream, about as the encoder chooses; and how much it differs beside that.
LEVEL_QUALITY = (6.0, 2.0, -4.0, -12.0)
_BITS = MotionBits(motion_bits(laplacian_rows(), 0))  # of motion: those of clips are counted when a run is at its end
_JITTER = 0.06
_INTRA_MORE = 0.2  # of quality that intra frames are better by, at most


@dataclass(slots=True)
class Coding:
    """A clip in the course of being coded: frames to come, and what there is of those that came.

    luma uint8 (T, 1, S, S), chroma uint8 (T, 2, S/2, S/2); `shown` are decoded planes by the number of the frame,
    `last` latents (1, M, h, w) by level.
    """

    luma: Tensor
    chroma: Tensor
    quality: float
    slots: list[Slot]
    intra: Tensor
    shown: dict[int, Planes]
    last: dict[int, Tensor] = field(default_factory=dict)

    @property
    def slot(self) -> Slot:
        """The frame that is coded next."""
        return self.slots[0]

    def wanted(self) -> Planes:
        return self.luma[self.slot.frame, None].float(), self.chroma[self.slot.frame, None].float()

    def reference(self, which: int) -> Planes:
        return self.shown[self.slot.references[which]]

    def put(self, shown: Planes, y_hat: Tensor) -> None:
        """What became of the next frame."""
        self.shown[self.slot.frame] = shown
        self.last[self.slot.level] = y_hat
        del self.slots[0]
        needed = {n for slot in self.slots for n in slot.references}
        self.shown = {n: planes for n, planes in self.shown.items() if n in needed}


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames (B, ...) to be coded next: samples, their prediction, what is known of others, q (B,)."""

    luma: Tensor
    chroma: Tensor
    predicted: Prediction
    intra: Tensor  # (B, M, h, w)
    last: Tensor
    motion: Tensor  # (B, MOTION_CHANNELS, h, w)
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
        self._streams: list[Coding] = []
        self._order = list(self._rng.permutation(recipe.batch))

    def next(self) -> Batch:
        """The next frame of each; those at their end begin anew."""
        missing = [n for n in range(self._recipe.batch) if n >= len(self._streams) or not self._streams[n].slots]
        if missing:
            for n, fresh in zip(missing, self._begun(missing), strict=True):
                self._streams[n : n + 1] = [fresh]
        jitter = self._rng.normal(size=len(self._streams)) * _JITTER
        quality = [
            min(1.0, max(0.0, s.quality + LEVEL_QUALITY[s.slot.level] / 100 + float(j)))
            for s, j in zip(self._streams, jitter, strict=True)
        ]
        return batch_of(self._streams, quality)

    def put(self, rgb: Tensor, y_hat: Tensor) -> None:
        """What the model made of the batch."""
        put(self._streams, rgb, y_hat)

    @torch.no_grad()
    def _begun(self, which: list[int]) -> list[Coding]:
        # Stratified: the qualities of streams that run at a time are spread.
        drawn = [self._drawn() for _ in which]
        quality = [(self._order[n] + self._rng.random()) / len(self._order) for n in which]
        self._order = list(self._rng.permutation(len(self._order)))
        better = [min(1.0, q + _INTRA_MORE * self._rng.random()) for q in quality]
        first = [torch.stack([clip[part][0] for clip in drawn]).float() for part in (0, 1)]
        shown, y_hat = intra_coded(self._intra_model, (first[0], first[1]), torch.tensor(better, dtype=torch.float32))
        return [
            Coding(
                luma, chroma, quality[n], self._slots(len(luma)), y_hat[n, None],
                {0: (shown[0][n, None], shown[1][n, None])},
            )
            for n, (luma, chroma) in enumerate(drawn)
        ]  # fmt: skip

    def _slots(self, count: int) -> list[Slot]:
        """Groups of any length that fits."""
        slots: list[Slot] = []
        last = 0
        while last + 1 < count:
            lengths = [n for n in (1, 2, 4, MAX_GROUP) if last + n < count]
            length = lengths[int(self._rng.integers(len(lengths)))]
            slots += group_slots(last, length)
            last += length
        return slots

    def _drawn(self) -> Planes:
        """A crop of some frames, uint8 (T, ...)."""
        rng, side = self._rng, self._recipe.crop
        count = int(rng.integers(2, self._recipe.frames + 1))
        if self._photographs and rng.random() < self._recipe.synthetic:
            pair = [self._photographs[int(n)] for n in rng.integers(len(self._photographs), size=2)]
            luma, chroma = (plane.round().to(torch.uint8) for plane in limited(moving(pair, side, count, rng)))
            return luma, chroma
        clip = self._clips[int(rng.integers(len(self._clips)))]
        count = min(count, len(clip.luma))
        height, width = clip.luma.shape[1:]
        time = int(rng.integers(len(clip.luma) - count + 1))
        top, left = (BLOCK * int(rng.integers((n - side) // BLOCK + 1)) for n in (height, width))
        half = slice(top // 2, (top + side) // 2), slice(left // 2, (left + side) // 2)
        luma = torch.from_numpy(clip.luma[time : time + count, None, top : top + side, left : left + side])
        chroma = torch.from_numpy(clip.chroma[time : time + count, :, half[0], half[1]])
        for axis in (0, 2, 3):
            if rng.random() < 0.5:
                luma, chroma = luma.flip(axis), chroma.flip(axis)
        if rng.random() < 0.5:
            luma, chroma = luma.transpose(2, 3), chroma.transpose(2, 3)
        return luma, chroma


@torch.no_grad()
def batch_of(codings: Sequence[Coding], quality: Sequence[float]) -> Batch:
    """The next frames of some clips of one size, with the motion that the encoder would find."""
    planes = [coding.wanted() for coding in codings]
    luma, chroma = (torch.cat(part) for part in zip(*planes, strict=True))
    rgb, difference = torch.zeros(2, len(codings), 3, *luma.shape[2:])
    motion = torch.zeros(len(codings), MOTION_CHANNELS, luma.shape[2] // BLOCK, luma.shape[3] // BLOCK)
    for count in (1, 2):
        which = [n for n, coding in enumerate(codings) if len(coding.slot.references) == count]
        if not which:
            continue
        shown = [
            tuple(torch.cat(part) for part in zip(*[codings[n].reference(k) for n in which], strict=True))
            for k in range(count)
        ]
        cost = torch.tensor([bit_cost(round(quality[n] * GAIN_STEPS)) for n in which])[:, None, None]
        references = [references_of((own[0], own[1])) for own in shown]
        found, _ = cheapest_motion(luma[which], [own[0] for own in shown], references, cost, _BITS)
        made = predicted(references, found, COLOURS)
        rgb[which], motion[which] = made.rgb, motion_sizes(found).float()
        if made.difference is not None:
            difference[which] = made.difference
    return Batch(
        luma,
        chroma,
        Prediction(rgb, difference),
        torch.cat([coding.intra for coding in codings]),
        torch.cat([last_of(coding.last, coding.slot.level, coding.intra) for coding in codings]),
        motion,
        torch.tensor(quality, dtype=torch.float32),
    )


def put(codings: Sequence[Coding], rgb: Tensor, y_hat: Tensor) -> None:
    """What became of a batch of them."""
    luma, chroma = limited(rgb)
    for n, coding in enumerate(codings):
        coding.put((luma[n, None], chroma[n, None]), y_hat[n, None].detach())


@torch.no_grad()
def intra_coded(model: Model, planes: Planes, quality: Tensor) -> tuple[Planes, Tensor]:
    """Samples as a decoder has them, and latents."""
    y_hat, _, _ = model.code(COLOURS.to_rgb(*planes), quality)
    return limited(model.transforms.synthesis(y_hat, quality)), y_hat


def limited(rgb: Tensor) -> Planes:
    """The samples that other frames are predicted from."""
    luma, chroma = COLOURS.to_planes(rgb.detach())
    return luma.clamp(0, 255), chroma.clamp(0, 255)
