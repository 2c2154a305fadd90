"""The float model of a predicted frame, as it is trained.

```
frame - prediction ─► analysis ─► y ─► hyper analysis ─► z
prediction ─► front ──┤ (blocks)     │                   │
             earlier frames' symbols ┴─► prior (quantise, price) ─► y_hat ─► synthesis ─► + prediction
prediction ─► front ────────────────────────────────────────────────────────┘ (blocks)
```
Conditional coding (Ladune et al., "Optical flow and mode selection for learning-based video coding", 2020; Li et al.,
DCVC, 2021) that begins as residual coding: what the blocks see of the prediction is added with weights that are zero
at first, so that training starts from a working codec, and from the weights of a model of still pictures.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from ...entropy.fixed import CONTEXT_SHIFT
from ...entropy.float_twin import FLOAT, saturate
from ...entropy.past import MOTION_BITS
from ...entropy.prior import LatentPrior
from ...entropy.rate import latent_rate
from ..model import ModelConfig, Transforms
from ..transforms.front import CHANNELS, Front

_GREY = 0.5  # the residual zero, in the range of pictures


class FrameTransforms(Transforms):
    """The parts that stay floating point."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.front = Front()
        self.to_analysis = nn.Conv2d(CHANNELS, config.width, 1)
        self.to_synthesis = nn.Conv2d(CHANNELS, config.width, 1)
        for layer in (self.to_analysis, self.to_synthesis):
            nn.init.zeros_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def analysed(self, rgb: Tensor, predicted: Tensor, q: Tensor) -> Tensor:
        """rgb and its prediction (B, 3, H, W), sides multiples of 16, q (B,) in [0, 1] -> y (B, M, H/16, W/16)."""
        y: Tensor = self.analysis(rgb - predicted + _GREY, q, self.to_analysis(self.front(predicted)))
        return y

    def synthesised(self, y_hat: Tensor, predicted: Tensor, q: Tensor) -> Tensor:
        """y_hat (B, M, h, w) and the prediction (B, 3, 16h, 16w) -> rgb."""
        residual: Tensor = self.synthesis(y_hat, q, self.to_synthesis(self.front(predicted)))
        return predicted + (residual - _GREY)


class FrameModel(nn.Module):
    """See the module's diagram."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.transforms = FrameTransforms(config)
        self.prior = LatentPrior(FLOAT, replace(config.prior(), past=True))

    def past(self, intra: Tensor, last: Tensor, motion: Tensor) -> Tensor:
        """Latents (B, M, h, w) of the last intra frame, of the last frame if it was predicted, else zero, and
        `motion_sizes`.
        """
        seen = (saturate(y_hat / 2**CONTEXT_SHIFT) for y_hat in (intra, last))
        features: Tensor = self.prior.past(*seen, saturate(motion / 2**MOTION_BITS))
        return features

    def code(self, rgb: Tensor, predicted: Tensor, past: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> y_hat (B, M, h, w), y bits (B,), z bits (B,)."""
        y = self.transforms.analysed(rgb, predicted, q).float()
        z = self.transforms.hyper_analysis(y).float()
        return latent_rate(self.prior, y, z, q, past=past)


def motion_sizes(vectors: Tensor) -> Tensor:
    """What the entropy model sees of vectors (B, 2, h, w): size, and difference to the vectors around, as int64."""
    size = vectors.abs().sum(1)
    spread = torch.zeros_like(size)
    for axis in (2, 3):
        length = vectors.shape[axis] - 1
        step = (vectors.narrow(axis, 1, length) - vectors.narrow(axis, 0, length)).abs().sum(1)
        for first in (0, 1):
            part = spread.narrow(axis - 1, first, length)
            torch.maximum(part, step, out=part)
    return torch.stack([size, spread], 1)
