"""A training recipe: TOML in, frozen and checked values out."""

import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from ...entropy.contexts import CONTEXTS
from ..model import ModelConfig
from ..quality import LAMBDAS
from ..transforms.stride import STRIDE


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a training run but its time budget.

    `batch` counts the crops of one step over all devices. `learning_rate` is the peak. `lambda_low`, `lambda_high`:
    weight of the squared error (8-bit units) against bits per pixel at quality 0 and 100, geometric in between.
    `balance`: the loss of a sample is divided by lambda to this power, so that low and high rates weigh alike. `ema`:
    decay per step of the averaged weights, which are what is validated and exported. `permissive`: train on photographs
    with a permissive licence only. `prior_only`: leave analysis and synthesis as the start has them, and train the
    entropy model and the hyper analysis for the fewest bits; what the start has of them in other sizes begins afresh.
    """

    model: ModelConfig
    name: str
    seed: int = 0
    crop: int = 256
    batch: int = 8
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    lambda_low: float = LAMBDAS[0]
    lambda_high: float = LAMBDAS[1]
    balance: float = 0.45
    clip_norm: float = 1.0
    ema: float = 0.999
    permissive: bool = False
    prior_only: bool = False

    def __post_init__(self) -> None:
        if self.crop < STRIDE or self.crop % STRIDE:
            raise ValueError(f"crop must be a positive multiple of {STRIDE}, not {self.crop}")
        for key in ("batch", "learning_rate", "warmup_steps", "lambda_low", "clip_norm"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} must be positive, not {getattr(self, key)}")
        if self.lambda_high <= self.lambda_low:
            raise ValueError(f"lambda_high must be above lambda_low, not {self.lambda_high}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")
        if self.model.schedule not in CONTEXTS:
            raise ValueError(f"schedule must be one of {', '.join(CONTEXTS)}, not {self.model.schedule!r}")

    @classmethod
    def read(cls, path: Path, changes: Sequence[str] = ()) -> "Recipe":
        """Parse a TOML file, then apply `changes`, each `key=value` or `model.key=value` with a TOML value.

        Raises ValueError naming an unknown, mistyped or impossible key.
        """
        return cls.from_dict(changed(path, changes, "model"))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        sizes, rest = divided(values, "model")
        return cls(model=ModelConfig(**checked(ModelConfig, sizes)), **checked(cls, rest))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def changed(path: Path, changes: Sequence[str], table: str) -> dict[str, Any]:
    """The values of a TOML file after changes `key=value` or `TABLE.key=value`. Raises ValueError where it is none."""
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not TOML: {error}") from None
    for change in changes:
        try:
            extra = tomllib.loads(change)
        except tomllib.TOMLDecodeError:
            raise ValueError(f"{change!r} is not key=value with a TOML value") from None
        sizes = values.get(table, {}) | extra.pop(table, {})
        values |= extra | {table: sizes}
    return values


def divided(values: dict[str, Any], table: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of a table of a recipe, and all others. Raises ValueError where there is no such table."""
    sizes = values.get(table)
    if not isinstance(sizes, dict):
        raise ValueError(f"a recipe needs a [{table}] table")
    return sizes, {key: value for key, value in values.items() if key != table}


def checked(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a dataclass. Raises ValueError naming one that is absent, unknown or mistyped."""
    types = {field.name: field.type for field in fields(kind)}
    absent = [
        f.name for f in fields(kind) if f.default is MISSING and f.name not in values and not is_dataclass(f.type)
    ]
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
