"""Checkpoints: one safetensors file with model, optimiser and, as JSON in its header, the recipe; never pickle."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from ..model import Model, tensors_under
from .recipe import Recipe

_MODEL, _OPTIMISER, _META = "model.", "optimiser.", "lcodec"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands: `step` of `steps` done, with the digest of the training pictures."""

    recipe: Recipe
    step: int
    steps: int
    data_digest: str

    def write(self, path: Path, model: Model, optimiser: Optimizer) -> None:
        """Write the checkpoint whole: a temporary name, then a rename."""
        tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
        for index, parameter in enumerate(_parameters(optimiser)):
            for name, value in optimiser.state[parameter].items():
                tensors[f"{_OPTIMISER}{index}.{name}"] = value
        meta = {
            "recipe": self.recipe.to_dict(),
            "step": self.step,
            "steps": self.steps,
            "data_digest": self.data_digest,
        }
        temporary = path.with_name(path.name + ".partial")
        save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, temporary, {_META: json.dumps(meta)})
        os.replace(temporary, path)

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read the record. Raises ValueError when the file is no checkpoint of ours."""
        try:
            with safe_open(path, "pt") as file:
                meta: dict[str, Any] = json.loads(file.metadata()[_META])
            return cls(Recipe.from_dict(meta["recipe"]), meta["step"], meta["steps"], meta["data_digest"])
        except (SafetensorError, KeyError, TypeError, OSError) as error:
            raise ValueError(f"{path} is not a checkpoint: {error}") from None

    def restore(self, path: Path, model: Model, optimiser: Optimizer) -> None:
        """Load what `write` stored into a model and an optimiser of the same recipe."""
        tensors = load_file(path)
        device = next(model.parameters()).device
        model.load_state_dict(tensors_under(tensors, _MODEL))
        for index, parameter in enumerate(_parameters(optimiser)):
            state = tensors_under(tensors, f"{_OPTIMISER}{index}.")
            optimiser.state[parameter] = {name: value.to(device) for name, value in state.items()}


def load_model(path: Path) -> tuple[Checkpoint, Model]:
    """The record and the float model of a checkpoint, on the CPU, in evaluation mode."""
    checkpoint = Checkpoint.read(path)
    model = Model(checkpoint.recipe.model)
    model.load_state_dict(tensors_under(load_file(path), _MODEL))
    return checkpoint, model.eval()


def _parameters(optimiser: Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
