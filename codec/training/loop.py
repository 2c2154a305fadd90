"""The training loop: a time budget in, a finished model out, resumable at any checkpoint."""

import copy
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..model import Model, new_model
from .checkpoint import Checkpoint
from .crops import Crops
from .recipe import Recipe
from .roofline import Roofline, measure_machine, roofline
from .run_log import RunLog
from .update import Mode, Tally, Update, learning_rate, new_optimiser
from .validation import Validation, validate
from .warm_start import read_start, start_from
from .workers import Workers

_CHECKPOINT_SECONDS = 120.0
_LOG_ROWS = 400  # of a whole run
_VALIDATIONS = 10  # of a whole run, but not more often than this:
_VALIDATION_SECONDS = 30.0
_AVERAGE_EVERY = 8  # steps between updates of the averaged weights
_PAUSE_CHECK_STEPS = 16
_ENDING_SHARE = 0.02  # of a budget, kept for validation and checkpoints


@dataclass(frozen=True, slots=True)
class Session:
    """How a run is to be held this time: `minutes` is the whole run's budget, `pause_minutes` this session's.

    `steps` is a budget in place of `minutes`, for runs that are to be compared.
    `resume` goes on from the checkpoint, `start` names other weights to begin with; `other_pictures` allows a resumed
    run to go on with other pictures than it had.
    """

    minutes: float
    pause_minutes: float | None = None
    resume: bool = False
    start: Path | None = None
    other_pictures: bool = False
    mode: Mode = "eager"
    steps: int | None = None


def train(
    recipe: Recipe, pictures: Crops, held_out: Crops, path: Path, session: Session, workers: Workers
) -> Checkpoint:
    """Train for a budget and keep the checkpoint at `path` current, with the log `path`.csv beside it.

    A fresh run measures a few steps, turns `minutes` into a number of steps and stores it; a resumed run goes on to
    that number whatever the speed of its machine, and on a CPU equals an uninterrupted run.

    Raises ValueError when a resumed run had another recipe or other pictures, or the start does not fit the recipe.
    """
    if recipe.prior_only and session.start is None and not session.resume:
        raise ValueError("only the entropy model is to be trained: name the transforms to start with")
    began = time.monotonic()
    model = _trainee(recipe, workers.device)
    optimiser = new_optimiser(model, recipe)
    update = Update(model, optimiser, recipe, pictures, workers, session.mode)
    if session.resume:
        state = _resumable(path, recipe, pictures, session.other_pictures)
        average = copy.deepcopy(model).eval()
        state.restore(path, model, average, optimiser)
    else:
        if session.start is not None:
            start_from(model, recipe, *read_start(session.start))
        average = copy.deepcopy(model).eval()
        steps = session.steps or 0
        if not steps:
            seconds = 60 * session.minutes * (1 - _ENDING_SHARE) - (time.monotonic() - began)
            steps = max(1, round(workers.agree(seconds / update.seconds_per_step())))
        state = Checkpoint(recipe, 0, steps, pictures.digest)
    log = RunLog(path.with_name(path.name + ".csv"), state.step) if workers.rank == 0 else None
    if log is not None:
        state.write(path, model, average, optimiser)
        _say(f"{recipe.name}: step {state.step} of {state.steps}, {pictures.count} pictures, {workers.device}")
    bound = _profile(update, workers, recipe.batch)

    steps = state.steps
    earlier = state.seconds - (time.monotonic() - began)  # so that `now` goes on where the checkpoint stood
    saved = logged = validated = time.monotonic()
    logged_step, skipped = state.step, state.skipped
    validation: Validation | None = None
    for step in range(state.step, steps):
        update(step, steps)
        done = step + 1
        if done % _AVERAGE_EVERY == 0 or done == steps:
            _follow(average, model, recipe, done)
        last = done == steps
        if session.pause_minutes is not None and done % _PAUSE_CHECK_STEPS == 0:
            last |= bool(workers.agree(time.monotonic() - began > 60 * session.pause_minutes))
        if last or _crossed(done, steps, _LOG_ROWS):
            tally = update.read()
            skipped += tally.skipped
            now = time.monotonic()
            speed = recipe.batch * (done - logged_step) / (now - logged)
            logged, logged_step = now, done
            validation = None
            if log is not None:
                due = _crossed(done, steps, _VALIDATIONS) and now - validated > _VALIDATION_SECONDS
                if last or due:
                    validation = validate(average, recipe, held_out, workers.device)
                    validated = time.monotonic()
                seconds = earlier + now - began
                row = _row(done, seconds, learning_rate(recipe, step, steps), tally, skipped, speed, bound, validation)
                log.add(row)
                _say(_line(row, steps, speed / bound.pictures_per_s))
        if log is not None and (last or time.monotonic() - saved > _CHECKPOINT_SECONDS):
            state = replace(state, step=done, seconds=earlier + time.monotonic() - began, skipped=skipped)
            state.write(path, model, average, optimiser)
            saved = time.monotonic()
        if last:
            break
    for line in validation.lines() if validation else []:
        _say(line)
    return state


def _trainee(recipe: Recipe, device: torch.device) -> Model:
    """A fresh model in training mode; its convolutions are a tenth faster with their weights in channels_last."""
    model = new_model(recipe.model, recipe.seed).to(device).train()
    if recipe.prior_only:
        model.transforms.analysis.requires_grad_(False)
        model.transforms.synthesis.requires_grad_(False)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _resumable(path: Path, recipe: Recipe, pictures: Crops, other_pictures: bool) -> Checkpoint:
    state = Checkpoint.read(path)
    if state.recipe != recipe:
        raise ValueError(f"{path} was trained with another recipe")
    if state.data_digest != pictures.digest and not other_pictures:
        raise ValueError(f"{path} was trained with other pictures; --other-pictures goes on all the same")
    return replace(state, data_digest=pictures.digest)


@torch.no_grad()
def _follow(average: Model, model: Model, recipe: Recipe, step: int) -> None:
    """Move the averaged weights towards the current ones; early in a run they follow quickly."""
    decay = min(recipe.ema**_AVERAGE_EVERY, (1 + step) / (10 * _AVERAGE_EVERY + step))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a step takes, over all processes, and how fast the roofline lets them be."""

    macs_per_picture: float
    pictures_per_s: float


def _profile(update: Update, workers: Workers, batch: int) -> _Bound:
    """The roofline of a step, measured on this process's share of it; said once."""
    machine = measure_machine(workers.device)
    found: list[Roofline] = []
    update.profiled(lambda step: found.append(roofline(step, machine)))
    macs = found[0].macs * workers.count
    bound = _Bound(macs / batch, batch / found[0].seconds)
    if workers.rank == 0:
        _say(
            f"a step is {macs / 1e9:.1f} GMAC; at {machine.macs_per_s / 1e12:.2f} TMAC/s and "
            f"{machine.bytes_per_s / 1e9:.0f} GB/s the roofline allows {bound.pictures_per_s:.1f} pictures/s"
        )
    return bound


def _row(
    step: int,
    seconds: float,
    rate: float,
    tally: Tally,
    skipped: int,
    speed: float,
    bound: _Bound,
    validation: Validation | None,
) -> dict[str, float | None]:
    """A row of the log; `speed` in pictures a second."""
    return {
        "step": step,
        "seconds": seconds,
        "learning_rate": rate,
        "loss": tally.loss,
        "gradient_norm": tally.gradient_norm,
        "skipped": skipped,
        "pictures_per_s": speed,
        "gmac_per_s": speed * bound.macs_per_picture / 1e9,
        **{f"bpp_{band}": value for band, value in enumerate(tally.bpp)},
        **{f"psnr_db_{band}": value for band, value in enumerate(tally.psnr_db)},
        "validation": validation.mean_log_loss if validation else None,
    }


def _line(row: dict[str, float | None], steps: int, share: float) -> str:
    """The same for people."""
    held = "" if row["validation"] is None else f"  validation {row['validation']:.4f}"
    return (
        f"step {row['step']}/{steps}  loss {row['loss']:.4f}  {row['pictures_per_s']:.1f} pictures/s "
        f"({100 * share:.0f} % of the roofline)  skipped {row['skipped']}{held}"
    )


def _crossed(done: int, steps: int, parts: int) -> bool:
    """Whether step number `done` is the first in a new one of `parts` equal parts of the run."""
    return done * parts // steps != (done - 1) * parts // steps


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
