"""The training loop: a time budget in, a finished model out, resumable at any checkpoint."""

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from ..model import Model, new_model
from .checkpoint import Checkpoint
from .crops import Crops
from .recipe import Recipe

_MEASURED_STEPS = 12  # the first two are warm-up and not timed
_CHECKPOINT_SECONDS = 120.0
_LOG_STEPS = 100
_VALIDATION_QUALITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_VALIDATION_BATCHES = 4


@dataclass(frozen=True, slots=True)
class Costs:
    """Per sample: weight lambda, squared error (8-bit units), bits per pixel."""

    weight: Tensor
    squared_error: Tensor
    bpp: Tensor

    @property
    def loss(self) -> Tensor:
        return self.weight * self.squared_error + self.bpp


def costs(model: Model, recipe: Recipe, rgb: Tensor, q: Tensor) -> Costs:
    """Rate and distortion of rgb (B, 3, H, W) in [0, 1] at qualities q (B,)."""
    with torch.autocast(rgb.device.type, dtype=torch.bfloat16):
        rgb_hat, y_bits, z_bits = model(rgb, q)
    low, high = math.log(recipe.lambda_low), math.log(recipe.lambda_high)
    weight = torch.exp(low + (high - low) * q)
    squared_error = (rgb_hat.float() - rgb).square().mean((1, 2, 3)) * 255**2
    return Costs(weight, squared_error, (y_bits + z_bits) / (rgb.shape[2] * rgb.shape[3]))


def train(recipe: Recipe, pictures: Crops, held_out: Crops, path: Path, minutes: float, resume: bool) -> Checkpoint:
    """Train for a budget and keep the checkpoint at `path` current.

    A fresh run measures a few steps, turns `minutes` into a number of steps and stores it; a resumed run goes on to
    that number whatever the speed of its machine, and equals an uninterrupted run on the same machine.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = _trainee(recipe, device)
    optimiser = new_optimiser(model, recipe)
    if resume:
        state = Checkpoint.read(path)
        if state.recipe != recipe:
            raise ValueError(f"{path} was trained with another recipe")
        if state.data_digest != pictures.digest:
            raise ValueError(f"{path} was trained with other pictures")
        state.restore(path, model, optimiser)
    else:
        steps = _measured_steps(recipe, pictures, device, minutes)
        state = Checkpoint(recipe, 0, steps, pictures.digest)
        state.write(path, model, optimiser)
    _log(f"{recipe.name}: step {state.step} of {state.steps}, {len(pictures.pictures)} pictures, {device}")

    saved = logged = time.monotonic()
    losses: list[float] = []
    first = state.step
    for step in range(state.step, state.steps):
        loss = train_step(model, optimiser, recipe, pictures, step, state.steps)
        losses += [] if loss is None else [loss]
        if (step + 1) % _LOG_STEPS == 0:
            done, rate = step + 1 - first, (step + 1 - first) / (time.monotonic() - logged)
            mean = sum(losses) / max(1, len(losses))
            _log(f"step {step + 1}/{state.steps}  loss {mean:.4f}  {rate:.2f} steps/s  skipped {done - len(losses)}")
            losses, first, logged = [], step + 1, time.monotonic()
        if time.monotonic() - saved > _CHECKPOINT_SECONDS or step + 1 == state.steps:
            state = Checkpoint(recipe, step + 1, state.steps, state.data_digest)
            state.write(path, model, optimiser)
            saved = time.monotonic()
    for line in validate(model, recipe, held_out):
        _log(line)
    return state


def train_step(
    model: Model, optimiser: Optimizer, recipe: Recipe, pictures: Crops, step: int, steps: int
) -> float | None:
    """One update; its loss, or None where a non-finite gradient made it skip."""
    device = next(model.parameters()).device
    # All randomness of a step hangs on (seed, step), so a resumed run repeats it.
    torch.manual_seed(recipe.seed * 2**32 + step)
    rgb, q = pictures.batch(recipe.batch, recipe.seed, step)
    cost = costs(model, recipe, rgb.to(device), q.to(device))
    loss = (cost.loss * cost.weight**-recipe.balance).mean()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(recipe, step, steps)
    if not torch.isfinite(norm):
        return None
    optimiser.step()
    return float(loss.detach())


def new_optimiser(model: Model, recipe: Recipe) -> Optimizer:
    """Adam with a short second-moment memory; the learning rate is set at every step."""
    return AdamW(model.parameters(), recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero at the last step."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def validate(model: Model, recipe: Recipe, held_out: Crops) -> list[str]:
    """Rate, PSNR and loss on fixed crops of held-out pictures, a line per quality; estimated bits, not files."""
    device = next(model.parameters()).device
    model.eval()
    lines = []
    logs = []
    for quality in _VALIDATION_QUALITIES:
        parts = []
        for batch in range(_VALIDATION_BATCHES):
            rgb, _ = held_out.batch(recipe.batch, 0, batch)
            q = torch.full((len(rgb),), quality)
            parts.append(costs(model, recipe, rgb.to(device), q.to(device)))
        loss = float(torch.cat([p.loss for p in parts]).mean())
        bpp = float(torch.cat([p.bpp for p in parts]).mean())
        psnr = float((10 * torch.log10(255**2 / torch.cat([p.squared_error for p in parts]))).mean())
        logs.append(math.log(loss))
        lines.append(f"validation  quality {100 * quality:3.0f}  {bpp:.4f} bpp  {psnr:.3f} dB  loss {loss:.4f}")
    model.train()
    return [*lines, f"validation  mean log loss {sum(logs) / len(logs):.4f}"]


def _trainee(recipe: Recipe, device: torch.device) -> Model:
    """A fresh model in training mode; its convolutions are a tenth faster with their weights in channels_last."""
    model = new_model(recipe.model, recipe.seed).to(device).train()
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _measured_steps(recipe: Recipe, pictures: Crops, device: torch.device, minutes: float) -> int:
    """How many steps fit into the budget, from a few steps of a throw-away copy."""
    model = _trainee(recipe, device)
    optimiser = new_optimiser(model, recipe)
    start = 0.0
    for step in range(_MEASURED_STEPS):
        if step == 2:
            start = time.monotonic()
        train_step(model, optimiser, recipe, pictures, step, _MEASURED_STEPS)
    seconds = (time.monotonic() - start) / (_MEASURED_STEPS - 2)
    return max(1, int(60 * minutes / seconds))


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
