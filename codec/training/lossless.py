"""Training of the lossless model: crops in, all samples of all levels priced at once, the mean bits lowered."""

import copy
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...entropy.float_twin import FLOAT
from ...entropy.interlaced import Interlaced
from ...entropy.interlaced_rate import picture_bits
from ..colour import to_planes
from .checkpoint import has_record, read_record, write_whole
from .costs import half_pays
from .crops import Crops
from .lossless_recipe import LosslessRecipe
from .update import learning_rate, new_optimiser

_META = "lcodec lossless"
_LINES = 50  # of a whole run
_CHECKPOINT_SECONDS = 60.0
_REHEARSAL_STEPS = 6
_GREY_EVERY = 4  # steps with a crop without colours
_VALIDATION_BATCHES = 3
_ENDING_SHARE = 0.03  # of a budget, kept for validation and the checkpoint


@dataclass(frozen=True, slots=True)
class LosslessCheckpoint:
    """Where a run stands: `step` of `steps` done in `seconds`, and bits a sample on crops held out."""

    recipe: LosslessRecipe
    step: int
    steps: int
    data_digest: str
    seconds: float
    held_out_bits: float

    def write(self, path: Path, network: Interlaced) -> None:
        """Write the averaged network whole."""
        write_whole(path, network.state_dict(), {_META: json.dumps(asdict(self))})

    @classmethod
    def read(cls, path: Path) -> "tuple[LosslessCheckpoint, Interlaced]":
        """The record and the float network. Raises ValueError when the file is no such checkpoint."""
        record = read_record(path, _META, cls, LosslessRecipe.from_dict)
        network = Interlaced(FLOAT, record.recipe.interlaced)
        network.load_state_dict(load_file(path))
        return record, network.eval()


def is_lossless_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint of a lossless model."""
    return has_record(path, _META)


def train_lossless(
    recipe: LosslessRecipe, pictures: Crops, held_out: Crops, path: Path, minutes: float, steps: int | None
) -> LosslessCheckpoint:
    """Train for so many minutes, which a few steps turn into a number of them, or for `steps`; keep `path` current."""
    began = time.monotonic()
    torch.manual_seed(recipe.seed)
    network = Interlaced(FLOAT, recipe.interlaced).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval()
    optimiser = new_optimiser(network, recipe)
    if steps is None:
        seconds = 60 * minutes * (1 - _ENDING_SHARE)
        steps = max(1, round(seconds / _seconds_per_step(copy.deepcopy(network), recipe, pictures)))
    _say(f"{recipe.name}: {steps} steps, {pictures.count} pictures")
    saved, total, counted = began, 0.0, 0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"].fill_(learning_rate(recipe, step, steps))
        loss = _bits_per_sample(network, recipe, pictures, step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        if bool(torch.isfinite(norm)):
            optimiser.step()
        total, counted = total + float(loss.detach()), counted + 1
        done = step + 1
        decay = min(recipe.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
        if done * _LINES // steps != step * _LINES // steps:
            _say(f"step {done}/{steps}  {total / counted:.4f} bits a sample  {time.monotonic() - began:.0f} s")
            total, counted = 0.0, 0
        if done == steps or time.monotonic() - saved > _CHECKPOINT_SECONDS:
            bits = _held_out_bits(average, recipe, held_out)
            record = LosslessCheckpoint(recipe, done, steps, pictures.digest, time.monotonic() - began, bits)
            record.write(path, average)
            _say(f"validation  {bits:.4f} bits a sample")
            saved = time.monotonic()
    return record


def _bits_per_sample(network: Interlaced, recipe: LosslessRecipe, pictures: Crops, step: int) -> Tensor:
    rgb = pictures.cut(pictures.plan(recipe.batch, recipe.seed, step).places)
    planes = to_planes((rgb * 255).round(), 8).float()
    if network.training and step % _GREY_EVERY == 0:
        planes[0, 1:] = 0.0
    with torch.autocast(
        planes.device.type, dtype=torch.bfloat16, enabled=network.training and half_pays(planes.device)
    ):
        return picture_bits(network, planes).sum() / planes.numel()


@torch.no_grad()
def _held_out_bits(network: Interlaced, recipe: LosslessRecipe, held_out: Crops) -> float:
    """Of the same crops every time."""
    found = [_bits_per_sample(network, recipe, held_out, batch) for batch in range(_VALIDATION_BATCHES)]
    return float(torch.stack(found).mean())


def _seconds_per_step(network: Interlaced, recipe: LosslessRecipe, pictures: Crops) -> float:
    """The mean over a few steps, of a network that is thrown away."""
    start = 0.0
    for step in range(_REHEARSAL_STEPS + 1):
        if step == 1:
            start = time.monotonic()
        _bits_per_sample(network, recipe, pictures, step).backward()  # type: ignore[no-untyped-call]
    return (time.monotonic() - start) / _REHEARSAL_STEPS


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
