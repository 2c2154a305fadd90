"""A recipe of the lossless model: TOML in, frozen and checked values out."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...entropy.interlaced import InterlacedConfig
from .recipe import changed, checked, divided

TABLE = "interlaced"  # by which such a recipe is known


@dataclass(frozen=True, slots=True)
class LosslessRecipe:
    """Everything that decides a run but its time budget; names as in `recipe.Recipe`."""

    interlaced: InterlacedConfig
    name: str
    seed: int = 0
    crop: int = 128
    batch: int = 8
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    clip_norm: float = 1.0
    ema: float = 0.99
    permissive: bool = False

    def __post_init__(self) -> None:
        for key in ("crop", "batch", "learning_rate", "warmup_steps", "clip_norm"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} must be positive, not {getattr(self, key)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")

    @classmethod
    def read(cls, path: Path, changes: Sequence[str] = ()) -> "LosslessRecipe":
        """As `Recipe.read`."""
        return cls.from_dict(changed(path, changes, TABLE))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LosslessRecipe":
        sizes, rest = divided(values, TABLE)
        return cls(InterlacedConfig(**checked(InterlacedConfig, sizes)), **checked(cls, rest))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_lossless(path: Path) -> bool:
    """Whether a TOML file is a recipe of the lossless model."""
    try:
        return TABLE in tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError:
        return False
