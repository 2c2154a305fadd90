"""Begin a run with the weights of another: of a checkpoint, or of a model file."""

import math
import re
from pathlib import Path

import torch
from torch import Tensor

from ...entropy.convert import to_float
from ...entropy.exact_prior import ExactPrior
from ...formats.errors import ModelError
from ..model import Model, Transforms
from .checkpoint import load_average
from .recipe import Recipe

_QUALITY_TABLES = (".log_gain", ".table")  # what follows the quality axis, and with it the range of lambda
_STEP_PARTS = ("contexts", "blocks", "heads")  # of the prior: one module a coding step
_BLOCK = re.compile(r"(transforms\.(?:analysis|synthesis)\.blocks\.)(\d+)\.")
_LAST_LAYERS = ("leave", "reduce")  # what a block adds to its input comes out of these
_ENTROPY_MODEL = ("prior.", "transforms.hyper_analysis.")
_ADDING_PARTS = ("leave", "leaves", "carries")  # of the prior: what they give is added to what would be there without
_IDENTITIES = ("border",)  # parts that begin as the identity, and may be lacking in a start


def read_start(path: Path) -> tuple[Model, Recipe | None]:
    """A float model to begin with. Of a model file, which knows no recipe, the integers become floats again.

    Raises ValueError when the file is neither checkpoint nor model file.
    """
    try:
        checkpoint, model = load_average(path)
        return model, checkpoint.recipe
    except ValueError as not_a_checkpoint:
        # Not at the top: it needs the range coder, which a machine that only trains may lack.
        from ..model_file import unpack_model

        try:
            coding = unpack_model(path.read_bytes(), torch.device("cpu"))
        except (OSError, ModelError):
            raise not_a_checkpoint from None
    if not isinstance(coding.transforms, Transforms) or not isinstance(coding.prior, ExactPrior):
        raise ValueError(f"{path}: a model of another program cannot be trained here")
    model = Model(coding.transforms.config)
    model.transforms.load_state_dict(coding.transforms.state_dict())
    model.prior = to_float(coding.prior)
    return model, None


@torch.no_grad()
def start_from(model: Model, recipe: Recipe, source: Model, source_recipe: Recipe | None) -> None:
    """Give `model` the weights of `source`, parameter by parameter.

    A coding step that the source lacks takes the parameters of its last one. Of k times as many blocks, every k-th is
    one of the source's, and those between begin as the identity; so does a border filter that the source lacks. Where
    the ranges of lambda differ, tables over quality are resampled, so that a lambda keeps its gains.

    What the context network has and the source's has not adds nothing at first: further inputs of a context, attention,
    features carried on. Raises ValueError when the sizes differ; but where the entropy model alone is trained, what
    does not fit of it begins afresh.
    """
    stored = source.state_dict()
    target = model.state_dict()
    resampled = source_recipe is not None and _range(source_recipe) != _range(recipe)
    parts = {name.split(".")[1] for name in stored if name.startswith("prior.")}
    for name, value in target.items():
        layer = name.split(".")
        if layer[0] == "prior" and layer[1] not in parts:
            if layer[1] in _ADDING_PARTS:
                value.zero_()
            continue
        source_name = _source_name(name, stored, target)
        if source_name is None:
            if layer[-2] in _LAST_LAYERS:
                value.zero_()
            continue
        old = stored.get(source_name)
        if old is None and layer[-2] in _IDENTITIES:
            continue
        if old is not None and layer[:2] == ["prior", "contexts"] and layer[-1] == "weight":
            old = _widened(old, value)
        if old is None or old.shape != value.shape:
            if recipe.prior_only and name.startswith(_ENTROPY_MODEL):
                continue
            raise ValueError(f"the start does not fit the recipe: {name} differs")
        if resampled and name.endswith(_QUALITY_TABLES):
            assert source_recipe is not None
            old = _resampled(old, recipe, source_recipe)
        value.copy_(old)


def _widened(weight: Tensor, wanted: Tensor) -> Tensor:
    """A matrix with columns of zeros for further inputs; itself where none are wanted."""
    return torch.nn.functional.pad(weight, (0, max(0, wanted.shape[1] - weight.shape[1])))


def _source_name(name: str, stored: dict[str, Tensor], target: dict[str, Tensor]) -> str | None:
    """The parameter of the source that a parameter begins with; None in a block that comes in between."""
    if block := _BLOCK.match(name):
        factor, rest = divmod(_depth(block[1], target), max(1, _depth(block[1], stored)))
        if rest:
            raise ValueError("the start does not fit the recipe: its blocks are no whole multiple of the source's")
        index, between = divmod(int(block[2]), factor)
        return None if between else f"{block[1]}{index}.{name[block.end() :]}"
    return name if name in stored else _last_step(name, stored)


def _depth(prefix: str, tensors: dict[str, Tensor]) -> int:
    """The number of blocks with parameters under a prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)})


def _last_step(name: str, stored: dict[str, Tensor]) -> str:
    """The name of the same parameter in the last coding step that is stored, or the name itself."""
    parts = name.split(".")
    if parts[0] == "prior" and parts[1] in _STEP_PARTS:
        prefix = f"prior.{parts[1]}."
        parts[2] = str(max((int(k.split(".")[2]) for k in stored if k.startswith(prefix)), default=0))
    return ".".join(parts)


def _range(recipe: Recipe) -> tuple[float, float]:
    return recipe.lambda_low, recipe.lambda_high


def _resampled(table: Tensor, recipe: Recipe, source: Recipe) -> Tensor:
    """A table of equidistant knots over one range of log lambda, on another; straight on beyond its ends."""
    knots = len(table) - 1
    low, high = map(math.log, _range(source))
    wanted = torch.linspace(math.log(recipe.lambda_low), math.log(recipe.lambda_high), knots + 1)
    position = (wanted - low) / (high - low) * knots
    index = position.floor().clamp(0, knots - 1).long()
    return torch.lerp(table[index], table[index + 1], (position - index)[:, None])
