"""A recipe of the model of predicted frames: TOML in, frozen and checked values out."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..model import ModelConfig
from ..quality import LAMBDAS
from ..transforms.stride import STRIDE
from ..video.distortion import CHROMA_SHARE
from .recipe import changed, checked, divided


@dataclass(frozen=True, slots=True)
class VideoRecipe:
    """Everything that decides a run but its time budget; names as in `recipe.Recipe`.

    `intra` names the model of intra frames, whose weights are also those to begin with. A stream has at most `frames`
    frames, and is made of photographs with the probability `synthetic`. `chroma`: what squared error in chroma weighs
    against the same in luminance, where that of RGB would be 1.
    """

    model: ModelConfig
    name: str
    intra: str
    seed: int = 0
    crop: int = 192
    batch: int = 8
    frames: int = 8
    synthetic: float = 0.3
    chroma: float = CHROMA_SHARE
    learning_rate: float = 5e-4
    warmup_steps: int = 100
    lambda_low: float = LAMBDAS[0]
    lambda_high: float = LAMBDAS[1]
    balance: float = 0.45
    clip_norm: float = 1.0
    ema: float = 0.998

    def __post_init__(self) -> None:
        if self.crop < 2 * STRIDE or self.crop % STRIDE:
            raise ValueError(f"crop must be a multiple of {STRIDE} from {2 * STRIDE} on, not {self.crop}")
        for key in ("batch", "learning_rate", "warmup_steps", "lambda_low", "clip_norm"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} must be positive, not {getattr(self, key)}")
        if self.frames < 2:
            raise ValueError(f"frames must be 2 or more, not {self.frames}")

    @classmethod
    def read(cls, path: Path, changes: Sequence[str] = ()) -> "VideoRecipe":
        """As `Recipe.read`."""
        return cls.from_dict(changed(path, changes, "model"))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "VideoRecipe":
        sizes, rest = divided(values, "model")
        return cls(model=ModelConfig(**checked(ModelConfig, sizes)), **checked(cls, rest))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_video(path: Path) -> bool:
    """Whether a TOML file is a recipe of predicted frames."""
    try:
        return "intra" in tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError:
        return False
