"""Checkpoints: one safetensors file with model, average, optimiser and, in its header, the recipe; never pickle."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from ..model import Model, tensors_under
from .recipe import Recipe

_MODEL, _AVERAGE, _OPTIMISER, _META = "model.", "average.", "optimiser.", "lcodec"
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands: `step` of `steps` done in `seconds`, `skipped` of them, on pictures of a digest."""

    recipe: Recipe
    step: int
    steps: int
    data_digest: str
    seconds: float = 0.0
    skipped: int = 0

    def write(self, path: Path, model: Model, average: Model, optimiser: Optimizer) -> None:
        """Write the checkpoint whole."""
        tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
        tensors |= {_AVERAGE + name: value for name, value in average.state_dict().items()}
        tensors |= _optimiser_tensors(optimiser)
        write_whole(path, tensors, {_META: json.dumps(asdict(self))})

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read the record. Raises ValueError when the file is no checkpoint of ours."""
        return read_record(path, _META, cls, Recipe.from_dict)

    def restore(self, path: Path, model: Model, average: Model, optimiser: Optimizer) -> None:
        """Load in place what `write` stored into the parts of a run of the same recipe."""
        tensors = load_file(path)
        model.load_state_dict(tensors_under(tensors, _MODEL))
        average.load_state_dict(tensors_under(tensors, _AVERAGE))
        for name, value in _optimiser_tensors(optimiser).items():
            value.copy_(tensors[name])


def read_record(
    path: Path, key: str, kind: Callable[..., Record], recipe: Callable[[dict[str, Any]], object]
) -> Record:
    """The record in the header of a checkpoint under a key. Raises ValueError where the file has none of that kind."""
    try:
        with safe_open(path, "pt") as file:
            meta: dict[str, Any] = json.loads(file.metadata()[key])
        return kind(recipe(meta.pop("recipe")), **meta)
    except (SafetensorError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{path} is not a checkpoint: {error}") from None


def has_record(path: Path, key: str) -> bool:
    """Whether a file is a checkpoint with a record under a key."""
    try:
        with safe_open(path, "pt") as file:
            return key in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def write_whole(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file whole: a temporary name, flushed to the disk, then a rename."""
    temporary = path.with_name(path.name + ".partial")
    save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, temporary, metadata)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_average(path: Path) -> tuple[Checkpoint, Model]:
    """The record and the averaged float model of a checkpoint, on the CPU, in evaluation mode."""
    checkpoint = Checkpoint.read(path)
    model = Model(checkpoint.recipe.model)
    model.load_state_dict(tensors_under(load_file(path), _AVERAGE))
    return checkpoint, model.eval()


def _optimiser_tensors(optimiser: Optimizer) -> dict[str, Tensor]:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    return {
        f"{_OPTIMISER}{index}.{name}": value
        for index, parameter in enumerate(parameters)
        for name, value in optimiser.state[parameter].items()
    }
