"""A wavelet packet transform with an encoder that is almost linear and a shallow decoder.

```
                             ┌► narrow gated layer ─► (small)
rgb ─► colours ─► packet ────┴► project ─────────────► (+) ─► gain ─► y

y_hat ─► gain ─┬► residual convolutions at 1/16 ─► (small)
               └► expand ──────────────────────────► (+) ─► unpacket ─► colours ─► rgb
```

Jacobellis and Yadwadkar, "Learned Compression for Compressed Learning" (WaLLoC, DCC 2025); four levels of packet make
the downsampling by 16. The linear shortcuts about the nonlinear layers are ours.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dct import strongest_bands
from .feed_forward import gated
from .front import COLOUR_SPREAD, colour_matrix
from .gain import QualityGain
from .wavelet_packet import SIDE, frequency_of_bands, packet, synthesis_norms, unpacket

BANDS = 3 * SIDE * SIDE

# Rough standard deviation of the lowest band of a photograph: as `front.band_spread`, of twice the block.
_LOWEST_SPREAD = 3.2
# Log-gain of the latents at quality 0 and 1, which begin as 8 times orthonormal coefficients: as in `frame`.
_LATENT_GAIN = (-1.1, 1.4)
_LATENT_SCALE = 8.0
# Latents reach a hundred pixel units; the nonlinear layers of the synthesis see a fifth.
_INPUT_SCALE = 0.2


class Packet(nn.Module):
    """RGB planes to normalised packet bands and back; as `front.Front`, but lapped and of 16x16.

    `forward` maps (B, 3, H, W) in [0, 1] to (B, 768, H/16, W/16) in float32, colour axis, then vertical, then
    horizontal band; `inverse` undoes it. H and W are multiples of 16.
    """

    colour: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("colour", colour_matrix().float(), persistent=False)
        k = frequency_of_bands().double()
        lowness = 1 / (1 + (k[:, None] ** 2 + k[None] ** 2).sqrt())
        spread = torch.tensor(COLOUR_SPREAD, dtype=torch.float64)[:, None, None] * lowness * _LOWEST_SPREAD
        self.register_buffer("spread", spread.float().reshape(BANDS, 1, 1), persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        with torch.autocast(rgb.device.type, enabled=False):
            return packet(F.conv2d(rgb.float() - 0.5, self.colour[:, :, None, None])) / self.spread

    def inverse(self, bands: Tensor) -> Tensor:
        with torch.autocast(bands.device.type, enabled=False):
            planes = unpacket(bands.float() * self.spread)
            return F.conv2d(planes, self.colour.t()[:, :, None, None]) + 0.5


class WaveletAnalysis(nn.Module):
    """rgb (B, 3, H, W) in [0, 1], sides multiples of 16, and q (B,) -> y (B, M, H/16, W/16) in quantisation steps.

    `depth` belongs to the synthesis alone; the layer that is not linear has `width` channels.
    """

    def __init__(self, width: int, depth: int, latents: int) -> None:
        super().__init__()
        self.packet = Packet()
        self.enter = nn.Conv2d(BANDS, 2 * width, 1)
        self.gain = QualityGain(width)
        self.leave = nn.Conv2d(width, latents, 1)
        self.project = project_layer(latents, self.packet.spread)
        self.latent_gain = QualityGain(latents, *_LATENT_GAIN)
        with torch.no_grad():
            self.leave.weight.mul_(0.01)
            assert self.leave.bias is not None
            self.leave.bias.zero_()

    def forward(self, rgb: Tensor, q: Tensor) -> Tensor:
        bands = self.packet(rgb)  # (B, 768, H/16, W/16)
        y: Tensor = self.leave(gated(self.enter(bands)) * self.gain(q))
        with torch.autocast(rgb.device.type, enabled=False):
            y = self.project(bands) + y
        gained: Tensor = y * self.latent_gain(q)
        return gained


class WaveletSynthesis(nn.Module):
    """y_hat (B, M, h, w) in quantisation steps and q (B,) -> rgb (B, 3, 16h, 16w)."""

    def __init__(self, width: int, depth: int, latents: int) -> None:
        super().__init__()
        self.packet = Packet()
        self.latent_gain = QualityGain(latents, -_LATENT_GAIN[0], -_LATENT_GAIN[1])
        self.enter = nn.Conv2d(latents, width, 1)
        self.gain = QualityGain(width)
        self.blocks = nn.Sequential(*[_ResidualBlock(width) for _ in range(depth)])
        self.leave = nn.Conv2d(width, BANDS, 1)
        self.expand = expand_layer(latents, self.packet.spread)
        with torch.no_grad():
            self.leave.weight.mul_(0.01)
            assert self.leave.bias is not None
            self.leave.bias.zero_()

    def forward(self, y_hat: Tensor, q: Tensor) -> Tensor:
        scaled = y_hat * self.latent_gain(q)
        bands: Tensor = self.leave(self.blocks(self.enter(_INPUT_SCALE * scaled) * self.gain(q)))  # (B, 768, h, w)
        with torch.autocast(y_hat.device.type, enabled=False):
            bands = self.expand(scaled.float()) + bands
        rgb: Tensor = self.packet.inverse(bands)
        return rgb


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions, (B, N, H, W) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, channels, 3, padding=1)
        self.leave = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fed: Tensor = self.leave(F.leaky_relu(self.enter(x), 0.1))
        return x + fed


@torch.no_grad()
def project_layer(latents: int, spread: Tensor) -> nn.Conv2d:
    """Normalised bands to latents, beginning as `project_weights`."""
    layer = nn.Conv2d(BANDS, latents, 1, bias=False)
    layer.weight.copy_(project_weights(latents, spread.flatten())[:, :, None, None])
    return layer


@torch.no_grad()
def expand_layer(latents: int, spread: Tensor) -> nn.Conv2d:
    """Latents to normalised bands, beginning as the pseudo-inverse of `project_layer`."""
    layer = nn.Conv2d(latents, BANDS, 1, bias=False)
    # One entry a row, so that it is the transpose over the squared row norms.
    weights = project_weights(latents, spread.flatten())
    layer.weight.copy_((weights / weights.square().sum(1, keepdim=True)).t()[:, :, None, None])
    return layer


def project_weights(latents: int, spread: Tensor) -> Tensor:
    """Rows that take the bands to latents: the strongest bands in pixel units, like those of `bypass.merge_weights`.

    Args:
        latents: number of rows M, at most 768.
        spread: (768,) what each band was divided by; undone here.

    Returns:
        (M, 768), strongest band first. A latent is 8 times the coefficient of a band, times the norm of the band's
        synthesis function: the pair of filters is not orthonormal, and an error of one step shall weigh the same in
        every latent.
    """
    frequencies = strongest_bands(latents)  # as in a 16x16 DCT: colour, vertical, horizontal frequency
    band_of = torch.argsort(frequency_of_bands())
    colour, vertical, horizontal = frequencies // SIDE**2, frequencies // SIDE % SIDE, frequencies % SIDE
    vertical, horizontal = band_of[vertical], band_of[horizontal]
    chosen = (colour * SIDE + vertical) * SIDE + horizontal
    norm = synthesis_norms().float()
    rows = torch.zeros(latents, BANDS)
    rows[torch.arange(latents), chosen] = _LATENT_SCALE * norm[vertical] * norm[horizontal] * spread[chosen]
    return rows
