"""A training recipe: TOML in, frozen and checked values out."""

import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..model import ModelConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run but its time budget.

    `learning_rate` is the peak. `lambda_low`, `lambda_high`: weight of the squared error (8-bit units) against bits per
    pixel at quality 0 and 100, geometric in between. `balance`: the loss of a sample is divided by lambda to this
    power, so that low and high rates weigh alike.
    """

    model: ModelConfig
    name: str
    seed: int = 0
    crop: int = 256
    batch: int = 8
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    lambda_low: float = 0.001
    lambda_high: float = 0.15
    balance: float = 0.45
    clip_norm: float = 1.0

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """Parse a TOML file. Raises ValueError naming an unknown or mistyped key."""
        try:
            return cls.from_dict(tomllib.loads(path.read_text()))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: not TOML: {error}") from None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        values = dict(values)
        model = values.pop("model", None)
        if not isinstance(model, dict):
            raise ValueError("a recipe needs a [model] table")
        return cls(model=ModelConfig(**_checked(ModelConfig, model)), **_checked(cls, values))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _checked(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    types = {field.name: field.type for field in fields(kind)}
    absent = [f.name for f in fields(kind) if f.default is MISSING and f.name not in values and f.name != "model"]
    if absent:
        raise ValueError(f"missing {', '.join(absent)}")
    for key, value in values.items():
        if key not in types:
            raise ValueError(f"unknown key {key!r}; {kind.__name__} has {', '.join(types)}")
        wanted = types[key]
        if wanted is float and type(value) is int:
            values[key] = float(value)
        elif type(value) is not wanted:
            raise ValueError(f"{key} must be {getattr(wanted, '__name__', wanted)}, not {value!r}")
    return values
