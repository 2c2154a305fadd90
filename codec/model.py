"""The float model that is trained: transforms and the differentiable twin of the entropy model."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..entropy.float_twin import FLOAT
from ..entropy.prior import LatentPrior, PriorConfig
from ..entropy.rate import latent_rate
from .transforms.families import FAMILIES
from .transforms.hyper import HyperAnalysis


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Sizes of a model: N transform channels, blocks each way, M latents, P entropy channels, Z hyper-latents.

    `transform` names the analysis and synthesis in `transforms.families`: `gated` is the learned one of `base`, `plain`
    the same without its linear bypass, `jpeg` is fixed and has neither width nor depth.
    """

    width: int = 0
    analysis_depth: int = 0
    synthesis_depth: int = 0
    latents: int
    prior_width: int
    hyper: int
    schedule: str = "two-step"
    transform: str = "gated"

    def __post_init__(self) -> None:
        sizes = (self.width, self.analysis_depth, self.synthesis_depth)
        if (family := FAMILIES.get(self.transform)) is None:
            raise ValueError(f"transform must be one of {', '.join(FAMILIES)}, not {self.transform!r}")
        if family.latents not in (None, self.latents):
            raise ValueError(f"the {self.transform} transform has {family.latents} latents, not {self.latents}")
        if family.fixed and max(sizes) > 0:
            raise ValueError(f"the {self.transform} transform has neither width nor depth")
        if not family.fixed and min(sizes) < 1:
            raise ValueError("a learned transform needs width, analysis_depth and synthesis_depth of 1 or more")

    def prior(self) -> PriorConfig:
        return PriorConfig(self.latents, self.prior_width, self.hyper, self.schedule, FAMILIES[self.transform].whole)


class Transforms(nn.Module):
    """The parts that stay floating point in a coded model: analysis, hyper analysis, synthesis."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        family = FAMILIES[config.transform]
        # The order of the parts is that of the parameters, by which seeds and checkpoints go.
        self.analysis = family.analysis(config.width, config.analysis_depth, config.latents)
        self.hyper_analysis = HyperAnalysis(config.latents, config.prior_width, config.hyper)
        self.synthesis = family.synthesis(config.width, config.synthesis_depth, config.latents)
        # Of analysis and synthesis, see `Family.reach`.
        self.reach = family.reach(config.analysis_depth), family.reach(config.synthesis_depth)


class Model(nn.Module):
    """
    ```
    rgb ─► analysis ─► y ─► hyper_analysis ─► z
                       │                      │
                       └─► prior (quantise, price) ─► y_hat ─► synthesis ─► rgb_hat
    ```
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.transforms = Transforms(config)
        self.prior = LatentPrior(FLOAT, config.prior())

    def code(self, rgb: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """rgb (B, 3, H, W) in [0, 1], sides multiples of 16, q (B,) in [0, 1] -> y_hat, y bits (B,), z bits (B,)."""
        y = self.transforms.analysis(rgb, q).float()
        z = self.transforms.hyper_analysis(y).float()
        return latent_rate(self.prior, y, z, q)

    def forward(self, rgb: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Likewise -> rgb_hat (B, 3, H, W), y bits (B,), z bits (B,)."""
        y_hat, y_bits, z_bits = self.code(rgb, q)
        rgb_hat: Tensor = self.transforms.synthesis(y_hat, q)
        return rgb_hat, y_bits, z_bits


def new_model(config: ModelConfig, seed: int) -> Model:
    """A freshly initialised model, the same for the same seed (and version of torch)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Model(config)


def tensors_under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, without it: one part of a stored model."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
