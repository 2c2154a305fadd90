"""Models of the first hyperprior papers, as other programs trained them: one rate each, not trained here."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from ..entropy.hyperprior import HyperpriorConfig, Kind
from .transforms.gdn import GdnAnalysis, GdnSynthesis, StridedHyperAnalysis

_REACH = 80  # pixels around a rectangle on which what is within it depends at most


@dataclass(frozen=True, slots=True, kw_only=True)
class GdnConfig:
    """N transform channels, as many hyper-latents, M latents; the kind and the binary places of the entropy model."""

    kind: Kind
    width: int
    latents: int
    places: tuple[int, int, int]
    transform: Literal["gdn"] = "gdn"

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError("a gdn transform needs a width of 1 or more")

    def prior(self) -> HyperpriorConfig:
        hyper = 0 if self.kind == "factorised" else self.width
        return HyperpriorConfig(self.kind, self.latents, hyper, (self.places[0], self.places[1], self.places[2]))


class GdnTransforms(nn.Module):
    """The parts that stay floating point in a coded model: analysis, hyper analysis, synthesis."""

    def __init__(self, config: GdnConfig) -> None:
        super().__init__()
        self.config = config
        self.reach = _REACH, _REACH
        self.analysis = GdnAnalysis(config.width, config.latents)
        self.hyper_analysis = StridedHyperAnalysis(config.kind, config.width, config.latents)
        self.synthesis = GdnSynthesis(config.width, config.latents)
