"""Decoders of one and of two layers, to be paired with an analysis of any depth.

```
y_hat ─► gain ─┬─────────────────────► overlapping linear map ─► (+) ─► rgb        LinearSynthesis: this path alone
               └► up to 1/8 ─► inverse GDN ─► 8x8 DCT bands ─► (small)             TwoLayerSynthesis: both
```

Yang and Mandt, "Asymmetrically-powered Neural Image Compression with Shallow Decoders" (ICCV 2023): a transposed
convolution whose kernel is wider than its stride, as the synthesis of JPEG is one with a kernel as wide, and two
transposed convolutions about a simplified inverse GDN, with a linear shortcut.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bypass import merge_weights
from .front import CHANNELS, Front
from .gain import QualityGain
from .stride import STRIDE

# Pixels that the map of one latent reaches into each neighbouring area.
OVERLAP = 4
_KERNEL = STRIDE + 2 * OVERLAP
# Log-gain of the latents at quality 0 and 1: the reciprocal of the analysis' in `frame`.
_LATENT_GAIN = (1.1, -1.4)
# Latents are 8 times the coefficients of an orthonormal 16x16 transform: with this, the weights are of order one.
_UNIT = 1 / (8 * STRIDE)
# Latents reach a hundred pixel units; the nonlinear layer sees a fifth.
_INPUT_SCALE = 0.2


class LinearSynthesis(nn.Module):
    """y_hat (B, M, h, w) in quantisation steps and q (B,) -> rgb (B, 3, 16h, 16w), linear for every q."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latent_gain = QualityGain(latents, *_LATENT_GAIN)
        self.linear = OverlappingMap(latents)

    def forward(self, y_hat: Tensor, q: Tensor) -> Tensor:
        rgb: Tensor = self.linear(y_hat * self.latent_gain(q)) + 0.5
        return rgb


class TwoLayerSynthesis(nn.Module):
    """y_hat (B, M, h, w) in quantisation steps and q (B,) -> rgb (B, 3, 16h, 16w)."""

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.front = Front()
        self.latent_gain = QualityGain(latents, *_LATENT_GAIN)
        self.linear = OverlappingMap(latents)
        self.up = nn.ConvTranspose2d(latents, width, 4, stride=2, padding=1)
        self.gain = QualityGain(width)
        self.gate = nn.Conv2d(width, width, 1)
        self.leave = nn.Conv2d(width, CHANNELS, 1)
        with torch.no_grad():
            self.gate.weight.copy_(0.1 * torch.eye(width)[:, :, None, None])
            self.leave.weight.mul_(0.01)
            for layer, start in ((self.gate, 1.0), (self.leave, 0.0)):
                assert layer.bias is not None
                layer.bias.fill_(start)

    def forward(self, y_hat: Tensor, q: Tensor) -> Tensor:
        scaled = y_hat * self.latent_gain(q)
        x = self.up(_INPUT_SCALE * scaled) * self.gain(q)  # (B, N, H/8, W/8)
        bands = self.leave(x * self.gate(x.abs()))  # (B, 192, H/8, W/8)
        with torch.autocast(y_hat.device.type, enabled=False):
            rgb: Tensor = self.linear(scaled) + self.front.inverse(bands.float())
            return rgb


class OverlappingMap(nn.Module):
    """One linear map of latents to 24x24 pixels around each area of 16x16, (B, M, h, w) -> (B, 3, 16h, 16w).

    Starts as the plain bypass of `frame`, which leaves the margins zero. In float32; beyond the border the outermost
    latents continue.
    """

    def __init__(self, latents: int) -> None:
        super().__init__()
        weight = torch.zeros(latents, 3, _KERNEL, _KERNEL)
        weight[:, :, OVERLAP : OVERLAP + STRIDE, OVERLAP : OVERLAP + STRIDE] = bypass_pictures(latents) / _UNIT
        self.weight = nn.Parameter(weight)

    def forward(self, scaled: Tensor) -> Tensor:
        with torch.autocast(scaled.device.type, enabled=False):
            continued = F.pad(_UNIT * scaled.float(), (1, 1, 1, 1), mode="replicate")
            # A transposed convolution in two steps, on CPUs three times as fast.
            kernels = F.conv2d(continued, self.weight.flatten(1).t()[:, :, None, None])
            size = (STRIDE * scaled.shape[2], STRIDE * scaled.shape[3])
            return F.fold(kernels.flatten(2), size, _KERNEL, padding=STRIDE + OVERLAP, stride=STRIDE)


def bypass_pictures(latents: int) -> Tensor:
    """What the bypass of `frame` draws for each latent alone, (M, 3, 16, 16) around zero."""
    front = Front()
    weights = merge_weights(latents, front.spread)  # (M, 768)
    inverse = weights / weights.square().sum(1, keepdim=True)
    return front.inverse(F.pixel_shuffle(inverse[:, :, None, None], 2)) - 0.5
