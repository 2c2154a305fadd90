"""Planes of a frame on the grid of the model."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...formats.clip_reading import GBR_MATRIX, Planes
from ...formats.clip_records import FULL, GREY, HALVED, Picture
from ..transforms.stride import STRIDE
from .colour import BT601, BT709, BT2020, Colours

# Shares of red and blue by the matrices of ITU-T H.273; others are taken for the usual one of a size.
_SHARES = {1: BT709, 4: (0.30, 0.11), 5: BT601, 6: BT601, 7: (0.212, 0.087), 9: BT2020, 10: BT2020}
_STANDARD_HEIGHT = 576  # the most that is taken for BT.601


@dataclass(frozen=True, slots=True)
class FrameShape:
    """Height and width of a frame in pixels, and how its samples stand for colours.

    Sides are padded to multiples of 16.
    """

    height: int
    width: int
    colours: Colours
    grey: bool = False

    @classmethod
    def of(cls, picture: Picture) -> "FrameShape":
        usual = BT601 if picture.height <= _STANDARD_HEIGHT else BT709
        gbr = picture.matrix == GBR_MATRIX and picture.chroma == FULL
        shares = None if gbr else _SHARES.get(picture.matrix, usual)
        # Grey frames are coded as if they had chroma, of half the size and without colour.
        halved = picture.chroma in (GREY, HALVED), picture.chroma not in (FULL,)
        colours = Colours(picture.depth, picture.full_range, shares, halved)
        return cls(picture.height, picture.width, colours, picture.chroma == GREY)

    @property
    def padded(self) -> tuple[int, int]:
        return self.height + -self.height % STRIDE, self.width + -self.width % STRIDE

    @property
    def latents(self) -> tuple[int, int]:
        """(h, w) of its latents, and of its vectors."""
        height, width = self.padded
        return height // STRIDE, width // STRIDE

    @property
    def chroma(self) -> tuple[int, int]:
        """Height and width of its chroma planes."""
        down, across = self.colours.halved
        return (self.height + 1) // 2 if down else self.height, (self.width + 1) // 2 if across else self.width

    def load(self, planes: Planes, device: torch.device) -> tuple[Tensor, Tensor]:
        """Samples as float (1, 1, H, W) and (1, 2, H', W'), padded with those at the border."""
        luma, *others = (torch.from_numpy(plane.astype(np.float32)).to(device)[None, None] for plane in planes)
        height, width = self.padded
        down, across = self.colours.halved
        if self.grey:
            chroma = luma.new_full((1, 2, *self.chroma), 2.0 ** (self.colours.depth - 1))
        else:
            chroma = torch.cat(others, 1)
        return _grown(luma, height, width), _grown(chroma, height // (1 + down), width // (1 + across))

    def store(self, luma: Tensor, chroma: Tensor) -> Planes:
        """The inverse, of samples in their range, rounded: what is shown."""
        kind: type[np.unsignedinteger] = np.uint8 if self.colours.depth == 8 else np.uint16
        height, width = self.chroma
        planes = [luma[0, 0, : self.height, : self.width]]
        if not self.grey:
            planes += chroma[0, :, :height, :width]
        return tuple(np.ascontiguousarray(p.round().cpu().numpy().astype(kind)) for p in planes)

    def samples(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """RGB (1, 3, H, W) as samples in their range, not rounded: the next frame is predicted from these.

        Decoders differ by little in them, and it stays little. Rounded, a sample differs by nothing or by a whole
        level, and from frame to frame such levels spread (tests/test_codec_video_drift.py).
        """
        highest = 2**self.colours.depth - 1
        luma, chroma = self.colours.to_planes(rgb)
        return luma.clamp_(0, highest), chroma.clamp_(0, highest)


def _grown(plane: Tensor, height: int, width: int) -> Tensor:
    return F.pad(plane, (0, width - plane.shape[3], 0, height - plane.shape[2]), mode="replicate")
