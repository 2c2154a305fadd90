"""The socket of the learned transforms: blocks of any family at 1/8 of the size, beside a linear bypass.

```
        ┌───────────────── bypass (2x2 merge of DCT channels) ─────────┐
rgb ──► front ─► enter ─► blocks at 1/8 ─► gain ─► merge to 1/16 ─► (+) ─► gain ─► y
```
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bypass import merge_weights
from .front import CHANNELS, Front
from .gain import QualityGain

# Log-gain of the latents at quality 0 and 1: quantisation steps of about 95 and 8 grey levels to begin with.
_LATENT_GAIN = (-1.1, 1.4)

# A block of a family from its channels N and its place in the stack, from 0: (B, N, H, W) -> same, any H and W.
MakeBlock = Callable[[int, int], nn.Module]


class FramedAnalysis(nn.Module):
    """Picture to latents: rgb (B, 3, H, W) in [0, 1] and q (B,) -> y (B, M, H/16, W/16) in quantisation steps.

    H and W are multiples of 16.
    """

    def __init__(self, width: int, depth: int, latents: int, make_block: MakeBlock, bypass: bool = True) -> None:
        """bypass: without it, the nonlinear branch alone, at its full initial scale."""
        super().__init__()
        self.front = Front()
        self.enter = nn.Conv2d(CHANNELS, width, 1)
        self.blocks = nn.Sequential(*[make_block(width, index) for index in range(depth)])
        self.gain = QualityGain(width)
        self.merge = nn.Conv2d(4 * width, latents, 1)
        self.bypass = nn.Conv2d(4 * CHANNELS, latents, 1, bias=False) if bypass else None
        self.latent_gain = QualityGain(latents, *_LATENT_GAIN)
        if self.bypass is None:
            return
        with torch.no_grad():
            # The nonlinear branch starts near zero: step 0 is a plain transform codec.
            self.merge.weight.mul_(0.01)
            self.bypass.weight.copy_(merge_weights(latents, self.front.spread)[:, :, None, None])

    def forward(self, rgb: Tensor, q: Tensor, beside: Tensor | None = None) -> Tensor:
        """beside: what else the blocks see, (B, N, H/8, W/8)."""
        bands = self.front(rgb)  # (B, 192, H/8, W/8)
        entered = self.enter(bands)
        features = self.blocks(entered if beside is None else entered + beside) * self.gain(q)
        y: Tensor = self.merge(F.pixel_unshuffle(features, 2))  # (B, M, H/16, W/16)
        with torch.autocast(bands.device.type, enabled=False):
            if (linear := self.linear(rgb, bands)) is not None:
                y = linear + y
        gained: Tensor = y * self.latent_gain(q)
        return gained

    def linear(self, rgb: Tensor, bands: Tensor) -> Tensor | None:
        """What goes past the blocks, (B, M, H/16, W/16), from the picture or the DCT bands of it."""
        return None if self.bypass is None else self.bypass(F.pixel_unshuffle(bands.float(), 2))


class FramedSynthesis(nn.Module):
    """Decoded latents to picture: y_hat (B, M, h, w) in quantisation steps and q (B,) -> rgb (B, 3, 16h, 16w)."""

    def __init__(self, width: int, depth: int, latents: int, make_block: MakeBlock, bypass: bool = True) -> None:
        """bypass: without it, the nonlinear branch alone, at its full initial scale."""
        super().__init__()
        self.front = Front()
        self.latent_gain = QualityGain(latents, -_LATENT_GAIN[0], -_LATENT_GAIN[1])
        self.split = nn.Conv2d(latents, 4 * width, 1)
        self.gain = QualityGain(width)
        self.blocks = nn.Sequential(*[make_block(width, index) for index in range(depth)])
        self.leave = nn.Conv2d(width, CHANNELS, 1)
        self.bypass = nn.Conv2d(latents, 4 * CHANNELS, 1, bias=False) if bypass else None
        if self.bypass is None:
            return
        with torch.no_grad():
            self.leave.weight.mul_(0.01)
            assert self.leave.bias is not None
            self.leave.bias.zero_()
            weights = merge_weights(latents, self.front.spread)
            # The rows are orthogonal, so the pseudo-inverse is the transpose over the squared row norms.
            inverse = (weights / weights.square().sum(1, keepdim=True)).t()
            self.bypass.weight.copy_(inverse[:, :, None, None])

    def forward(self, y_hat: Tensor, q: Tensor, beside: Tensor | None = None) -> Tensor:
        """beside: what else the blocks see, (B, N, H/8, W/8) = (B, N, 2h, 2w)."""
        scaled = y_hat * self.latent_gain(q)
        features = F.pixel_shuffle(self.split(scaled), 2) * self.gain(q)  # (B, N, H/8, W/8)
        if beside is not None:
            features = features + beside
        bands: Tensor = self.leave(self.blocks(features))  # (B, 192, H/8, W/8)
        with torch.autocast(y_hat.device.type, enabled=False):
            return self.drawn(scaled, bands)

    def drawn(self, scaled: Tensor, bands: Tensor) -> Tensor:
        """rgb of what the blocks made, and of what goes past them."""
        if self.bypass is not None:
            bands = F.pixel_shuffle(self.bypass(scaled), 2) + bands
        return self.front.inverse(bands.float())
