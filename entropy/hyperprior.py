"""The entropy models of the first hyperprior papers, in whichever arithmetic they are given.

```
factorised:  y from one learned distribution a channel
scale:       z likewise ─► 2x conv ─► relu ─► 2x conv ─► relu ─► conv ─► scale of y, its mean zero
mean-scale:  z likewise ─► 2x conv ─► leaky ─► 2x conv ─► leaky ─► conv ─► scale and mean of y
```

Factorised and scale: Ballé et al., "Variational Image Compression with a Scale Hyperprior" (2018). Mean-scale: Minnen
et al., "Joint Autoregressive and Hierarchical Priors" (2018), without its autoregressive half. The transposed 5x5
convolutions of stride 2 that both use are written as 3x3 convolutions to four times the channels and a pixel shuffle.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kernels import exact as float64_kernels
from .arithmetic import Arithmetic
from .exact import ExactArithmetic, Kernels, prepare
from .exchange import Exchange, Plane, decoded
from .fixed import HYPER_STRIDE, MEAN_BITS, SCALE_BITS, SCALE_ROWS

Kind = Literal["factorised", "scale", "mean-scale"]
KINDS: tuple[Kind, ...] = ("factorised", "scale", "mean-scale")
_MOST_PLACES = 14


@dataclass(frozen=True, slots=True)
class HyperpriorConfig:
    """M latent and Z hyper-latent channels, and the binary places of z and of both hidden layers in exact arithmetic.

    A factorised model has no hyper-latents, and its places mean nothing.
    """

    kind: Kind
    latents: int
    hyper: int = 0
    places: tuple[int, int, int] = (MEAN_BITS, MEAN_BITS, MEAN_BITS)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.latents < 1 or (self.hyper < 1) != (self.kind == "factorised"):
            raise ValueError(f"a {self.kind} model cannot have {self.latents} latents and {self.hyper} hyper-latents")
        if len(self.places) != 3 or not all(MEAN_BITS <= p <= _MOST_PLACES for p in self.places):
            raise ValueError(f"binary places lie in {MEAN_BITS}..{_MOST_PLACES}, not {self.places}")

    @property
    def factorised_channels(self) -> int:
        """Channels that have a distribution of their own: of z, or of y where there is no z."""
        return self.hyper or self.latents

    @property
    def hidden(self) -> tuple[int, int]:
        """Channels of the two hidden layers."""
        return (self.hyper, self.hyper) if self.kind == "scale" else (self.latents, self.latents * 3 // 2)


class Hyperprior(nn.Module):
    """Scales and means of y from z. Features have `config.places`, scales SCALE_BITS and means MEAN_BITS places.

    Attributes:
        median: int16 (factorised channels,), MEAN_BITS places: what factorised symbols are counted from.
        threshold: int16 (SCALE_ROWS - 1,), rising, SCALE_BITS places: a scale above the first r of them has row r.
    """

    median: Tensor
    threshold: Tensor

    def __init__(self, arithmetic: Arithmetic, config: HyperpriorConfig) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.config = config
        self.register_buffer("median", torch.zeros(config.factorised_channels, dtype=torch.int16))
        if config.kind == "factorised":
            return
        self.register_buffer("threshold", torch.zeros(SCALE_ROWS - 1, dtype=torch.int16))
        (first, second), (z_places, *places) = config.hidden, config.places
        self.up1 = arithmetic.convolution(config.hyper, 4 * first, z_places, places[0])
        self.up2 = arithmetic.convolution(first, 4 * second, places[0], places[1])
        self.scale = arithmetic.convolution(second, config.latents, places[1], SCALE_BITS)
        if config.kind == "mean-scale":
            self.mean = arithmetic.convolution(second, config.latents, places[1], MEAN_BITS)

    def hidden(self, z_hat: Tensor) -> tuple[Tensor, Tensor]:
        """z_hat (B, Z, h, w) as features -> hidden layers of twice and of four times its height and width."""
        x = F.pixel_shuffle(self._activation(self.up1(z_hat)), 2)
        return x, F.pixel_shuffle(self._activation(self.up2(x)), 2)

    def latents(self, z_hat: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """z_hat (B, Z, ceil(h/4), ceil(w/4)) as features -> (mean, scale), each (B, M, h, w) with (h, w) = size."""
        x = self.hidden(z_hat)[1]
        scale: Tensor = self.scale(x)[:, :, : size[0], : size[1]]
        if self.config.kind == "scale":
            return torch.zeros_like(scale), scale
        return self.mean(x)[:, :, : size[0], : size[1]], scale

    def _activation(self, x: Tensor) -> Tensor:
        return F.relu(x) if self.config.kind == "scale" else self.arithmetic.leaky(x)


class ExactHyperprior(Hyperprior):
    """On integers: a `step_model.StepModel`. Rows below SCALE_ROWS are Gaussian, then come those of factorised ones."""

    def __init__(self, config: HyperpriorConfig, kernels: Kernels = float64_kernels) -> None:
        super().__init__(ExactArithmetic(kernels), config)
        self.kernels = kernels
        self.steps = 1 if config.kind == "factorised" else 2
        self.n_rows = SCALE_ROWS + config.factorised_channels

    def prepare(self, device: torch.device) -> None:
        if self.config.kind != "factorised" and bool((self.threshold.diff() < 0).any()):
            raise ValueError("exact hyperprior: its thresholds do not rise")
        prepare(self, device)
        self._median = self.median.to(device, self.kernels.CARRIER)

    def walk(self, gain_index: int, size: tuple[int, int], exchange: Exchange, device: torch.device) -> Tensor:
        """As `StepModel.walk`. These models have one rate, and the gain index no meaning."""
        if self.config.kind == "factorised":
            return self._factorised("y", size, exchange)
        z_hat = self._factorised("z", (-(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE)), exchange)
        features = (z_hat * (1 << (self.config.places[0] - MEAN_BITS))).clamp_(-(2**15), 2**15 - 1)
        mean, scale = (value.flatten().contiguous() for value in self.latents(features, size))
        threshold = self.threshold.to(device, scale.dtype)
        row = torch.bucketize(scale, threshold)  # how many of them it is above: comparisons, so exact
        return self._exchanged("y", exchange, mean, row).view(1, -1, *size)

    def _factorised(self, plane: Plane, size: tuple[int, int], exchange: Exchange) -> Tensor:
        shape = (self.config.factorised_channels, *size)
        mean = self._median[:, None, None].expand(shape).flatten()
        row = torch.arange(SCALE_ROWS, self.n_rows, device=mean.device)[:, None, None].expand(shape).flatten()
        return self._exchanged(plane, exchange, mean, row).view(1, *shape)

    def _exchanged(self, plane: Plane, exchange: Exchange, mean: Tensor, row: Tensor) -> Tensor:
        means = mean.to(torch.int32).cpu().numpy()
        symbols = exchange(plane, None, means, row.to(torch.int16).cpu().numpy())
        return torch.from_numpy(decoded(symbols, means)).to(mean.device, mean.dtype)
