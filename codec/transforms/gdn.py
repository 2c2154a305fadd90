"""The transforms of the first learned codecs: strided 5x5 convolutions with generalised divisive normalisation.

```
rgb ─► conv /2 ─► GDN ─► conv /2 ─► GDN ─► conv /2 ─► GDN ─► conv /2 ─► y
```

Ballé et al., "End-to-end Optimized Image Compression" (2017) and "Variational Image Compression with a Scale
Hyperprior" (2018). The layers are numbered as in CompressAI's `g_a`, `g_s` and `h_a`, so that its weights fit by name.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...entropy.hyperprior import Kind

_STRIDE = 4  # of the hyper-latents


class Gdn(nn.Module):
    """x / sqrt(beta + gamma x²) over channels, the inverse x * sqrt(...); (B, N, H, W) -> same."""

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.ones(channels))  # positive
        self.gamma = nn.Parameter(0.1 * torch.eye(channels))  # (outputs, inputs), none negative

    def forward(self, x: Tensor) -> Tensor:
        norm = F.conv2d(x.square(), self.gamma[:, :, None, None], self.beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())


class GdnAnalysis(nn.Module):
    """rgb (B, 3, H, W) in [0, 1], sides multiples of 16 -> y (B, M, H/16, W/16) in quantisation steps; q has no use."""

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _down(3, width),
            Gdn(width),
            _down(width, width),
            Gdn(width),
            _down(width, width),
            Gdn(width),
            _down(width, latents),
        )

    def forward(self, rgb: Tensor, q: Tensor) -> Tensor:
        y: Tensor = self.layers(rgb)
        return y


class GdnSynthesis(nn.Module):
    """y_hat (B, M, h, w) in quantisation steps -> rgb (B, 3, 16h, 16w); q has no use."""

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _up(latents, width),
            Gdn(width, inverse=True),
            _up(width, width),
            Gdn(width, inverse=True),
            _up(width, width),
            Gdn(width, inverse=True),
            _up(width, 3),
        )

    def forward(self, y_hat: Tensor, q: Tensor) -> Tensor:
        rgb: Tensor = self.layers(y_hat)
        return rgb


class StridedHyperAnalysis(nn.Module):
    """y (B, M, h, w) -> z (B, N, ceil(h/4), ceil(w/4)), not yet quantised; none, (B, 0, ...), in a factorised model."""

    def __init__(self, kind: Kind, width: int, latents: int) -> None:
        super().__init__()
        self.kind = kind
        self.layers = nn.Sequential()
        if kind != "factorised":
            act = nn.ReLU() if kind == "scale" else nn.LeakyReLU()
            enter = nn.Conv2d(latents, width, 3, padding=1)
            self.layers = nn.Sequential(enter, act, _down(width, width), act, _down(width, width))

    def forward(self, y: Tensor) -> Tensor:
        if self.kind == "factorised":
            return y[:, :0]
        height, width = y.shape[2:]
        y = F.pad(y, (0, -width % _STRIDE, 0, -height % _STRIDE), mode="replicate")
        z: Tensor = self.layers(y.abs() if self.kind == "scale" else y)
        return z


def _down(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 5, stride=2, padding=2)


def _up(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1)
