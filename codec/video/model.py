"""The float model of a predicted frame, as it is trained.

```
frame - prediction ─► analysis ─► y ─► hyper analysis ─► z
prediction ─► front ──┤ (blocks)     │                   │
              coded frames' symbols ─┴─► prior (quantise, price) ─► y_hat ─► synthesis ─► + prediction
prediction ─► front ─────────────────────────────────────────────────────────┘ (blocks)
```
Where a frame is predicted from two others, the blocks also see by how much these differ.

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
from .mixture import BOTH, Motion, Prediction

_GREY = 0.5  # the residual zero, in the range of pictures


class FrameTransforms(Transforms):
    """The parts that stay floating point."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.front = Front()
        self.to_analysis = _Seen(config.width)
        self.to_synthesis = _Seen(config.width)

    def analysed(self, rgb: Tensor, predicted: Prediction, q: Tensor) -> Tensor:
        """rgb and its prediction (B, 3, H, W), sides multiples of 16, q (B,) in [0, 1] -> y (B, M, H/16, W/16)."""
        y: Tensor = self.analysis(rgb - predicted.rgb + _GREY, q, self.to_analysis(self.front, predicted))
        return y

    def synthesised(self, y_hat: Tensor, predicted: Prediction, q: Tensor) -> Tensor:
        """y_hat (B, M, h, w) and the prediction (B, 3, 16h, 16w) -> rgb."""
        residual: Tensor = self.synthesis(y_hat, q, self.to_synthesis(self.front, predicted))
        return predicted.rgb + (residual - _GREY)


class _Seen(nn.Module):
    """What blocks see of a prediction: nothing before training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean, self.difference = nn.Conv2d(CHANNELS, width, 1), nn.Conv2d(CHANNELS, width, 1, bias=False)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, front: Front, predicted: Prediction) -> Tensor:
        seen: Tensor = self.mean(front(predicted.rgb))
        if predicted.difference is not None:
            seen = seen + self.difference(front(predicted.difference + _GREY))
        return seen


class FrameModel(nn.Module):
    """See the module's diagram."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.transforms = FrameTransforms(config)
        self.prior = LatentPrior(FLOAT, replace(config.prior(), past=True))

    def past(self, intra: Tensor, last: Tensor, motion: Tensor) -> Tensor:
        """Latents (B, M, h, w), see `entropy.past.Earlier`, and `motion_sizes`."""
        seen = (saturate(y_hat / 2**CONTEXT_SHIFT) for y_hat in (intra, last))
        features: Tensor = self.prior.past(*seen, saturate(motion / 2**MOTION_BITS))
        return features

    def code(self, rgb: Tensor, predicted: Prediction, past: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> y_hat (B, M, h, w), y bits (B,), z bits (B,)."""
        y = self.transforms.analysed(rgb, predicted, q).float()
        z = self.transforms.hyper_analysis(y).float()
        return latent_rate(self.prior, y, z, q, past=past)


def motion_sizes(motion: Motion) -> Tensor:
    """What the entropy model sees of motion, int64 (B, MOTION_CHANNELS, h, w).

    The size of vectors, and the difference to those around, each the larger one of two; then 0 with one reference, 1
    for blocks that use both of two, 2 for those that do not.
    """
    parts = [_sizes(vectors) for vectors in motion.vectors]
    size, spread = (torch.stack(same).amax(0) for same in zip(*parts, strict=True))
    kind = torch.zeros_like(size) if motion.modes is None else 1 + (motion.modes != BOTH).long()
    return torch.stack([size, spread, kind], 1)


def _sizes(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Of vectors (B, 2, h, w)."""
    size = vectors.abs().sum(1)
    spread = torch.zeros_like(size)
    for axis in (2, 3):
        length = vectors.shape[axis] - 1
        step = (vectors.narrow(axis, 1, length) - vectors.narrow(axis, 0, length)).abs().sum(1)
        for first in (0, 1):
            part = spread.narrow(axis - 1, first, length)
            torch.maximum(part, step, out=part)
    return size, spread
