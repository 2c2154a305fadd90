"""One step of training, its whole state on the device, so that nothing in it waits for the host."""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ..model import Model
from .costs import Costs, costs, half_pays
from .crops import Crops
from .recipe import Recipe
from .workers import Workers

BANDS = 6  # rate and distortion are kept per sixth of the quality axis
Mode = Literal["eager", "compiled", "graph"]

_WARM_UP_STEPS = 3
_REHEARSAL_SECONDS = 3.0
_REHEARSAL_PAIRS = 5


@dataclass(frozen=True, slots=True)
class Tally:
    """Means since the last reading; per band of quality None where no sample fell. `skipped` counts steps."""

    loss: float
    gradient_norm: float
    skipped: int
    bpp: tuple[float | None, ...]
    psnr_db: tuple[float | None, ...]


class Update:
    """Draws crops, lowers the loss by one step of Adam, and counts.

    `eager` runs operation by operation; `compiled` fuses the network; `graph` also records the step once as a CUDA
    graph and replays it, so that the host launches one thing a step.
    """

    def __init__(
        self, model: Model, optimiser: Optimizer, recipe: Recipe, crops: Crops, workers: Workers, mode: Mode
    ) -> None:
        device = workers.device
        self._model, self._optimiser, self._recipe, self._crops, self._workers = (
            model,
            optimiser,
            recipe,
            crops,
            workers,
        )
        self._parameters = _trained(model)
        self._share = workers.share(recipe.batch)
        size = len(range(recipe.batch)[self._share])
        self._places = torch.zeros(size, 3, dtype=torch.int64, device=device)
        self._quality = torch.zeros(size, device=device)
        self._bands = torch.zeros(BANDS, 3, device=device)  # samples, bits per pixel, squared error
        self._totals = torch.zeros(4, device=device)  # steps, skipped steps, loss, gradient norm
        self._half = half_pays(device)
        self._costs: Callable[[Model, Recipe, Tensor, Tensor, bool], Costs] = costs
        if mode != "eager":
            self._costs = torch.compile(costs, dynamic=False)
        self._run: Callable[[], None] = self._step
        if mode == "graph":
            self._run = self._recorded()

    def __call__(self, step: int, steps: int) -> None:
        """Step number `step` of `steps`. All its randomness hangs on the recipe's seed and the step."""
        torch.manual_seed((self._recipe.seed * 2**32 + step) * 2**10 + self._workers.rank)
        plan = self._crops.plan(self._recipe.batch, self._recipe.seed, step)
        self._places.copy_(plan.places[self._share], non_blocking=True)
        self._quality.copy_(plan.quality[self._share], non_blocking=True)
        for group in self._optimiser.param_groups:
            group["lr"].fill_(learning_rate(self._recipe, step, steps))
        self._run()

    def read(self) -> Tally:
        """What happened since the last call, over all processes; waits for the device."""
        totals = self._workers.total(self._totals).tolist()
        bands = self._workers.total(self._bands).tolist()
        self._totals.zero_()
        self._bands.zero_()
        steps, skipped, loss, norm = totals
        used = max(1.0, steps - skipped)
        return Tally(
            loss=loss / used,
            gradient_norm=norm / used,
            skipped=round(skipped / self._workers.count),
            bpp=tuple(bpp / n if n else None for n, bpp, _ in bands),
            psnr_db=tuple(10 * math.log10(255**2 * n / error) if error else None for n, _, error in bands),
        )

    def seconds_per_step(self) -> float:
        """Measured on some steps, which are then undone; a median, so that a disturbance does not count."""
        with self._undone():
            self(0, 1)
            self.read()
            times: list[float] = []
            # All processes must agree to go on: a step waits for every one of them.
            while len(times) < _REHEARSAL_PAIRS or self._workers.agree(sum(times)) < _REHEARSAL_SECONDS:
                start = time.monotonic()
                self(1, 2)
                self(1, 2)
                self.read()
                times.append(time.monotonic() - start)
            return statistics.median(times) / 2

    def profiled(self, run: Callable[[Callable[[], None]], None]) -> None:
        """Hand one step, run operation by operation, to `run`, and undo it."""
        fast, self._costs = self._costs, costs
        with self._undone():
            self(0, 1)
            run(self._step)
        self._costs = fast

    def _step(self) -> None:
        cost = self._costs(self._model, self._recipe, self._crops.cut(self._places), self._quality, self._half)
        loss = (cost.loss * cost.weight**-self._recipe.balance).mean()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._workers.mean_gradients(self._parameters)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip_norm)
        wild = 1.0 - torch.isfinite(norm).float()
        # The fused optimiser leaves everything as it is where this flag is set.
        self._optimiser.found_inf = wild  # type: ignore[attr-defined]
        self._optimiser.step()
        self._count(cost, loss, norm, wild)

    @torch.no_grad()
    def _count(self, cost: Costs, loss: Tensor, norm: Tensor, wild: Tensor) -> None:
        kept = torch.stack([loss, norm]).masked_fill(wild > 0, 0.0)
        self._totals += torch.cat([torch.ones_like(wild)[None], wild[None], kept])
        sample = torch.stack([torch.ones_like(cost.bpp), cost.bpp, cost.squared_error], 1)
        band = (self._quality * BANDS).long().clamp_max(BANDS - 1)
        self._bands.index_add_(0, band, sample.masked_fill(wild > 0, 0.0))

    def _recorded(self) -> Callable[[], None]:
        """The step as a CUDA graph. What it allocates and compiles, warm-up steps on a side stream do first."""
        with self._undone():
            here, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(here)
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP_STEPS):
                    self._step()
            here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            self._optimiser.zero_grad()
            with torch.cuda.graph(graph):
                self._step()
        return graph.replay

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Put model, optimiser and counts back in place to what they were before the block."""
        state = [value for p in self._parameters for value in self._optimiser.state[p].values()]
        tensors = [*(p.data for p in self._parameters), *state, self._bands, self._totals]
        before = [tensor.clone() for tensor in tensors]
        yield
        for tensor, old in zip(tensors, before, strict=True):
            tensor.copy_(old)


class Pace(Protocol):
    """Of a recipe, how fast to learn."""

    @property
    def learning_rate(self) -> float: ...

    @property
    def warmup_steps(self) -> int: ...


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def new_optimiser(model: nn.Module, recipe: Pace) -> Optimizer:
    """Adam with a short second-moment memory; its learning rate is a tensor that every step sets."""
    parameters = _trained(model)
    device = parameters[0].device
    rate = torch.tensor(recipe.learning_rate, device=device)
    cuda = device.type == "cuda"
    optimiser = AdamW(parameters, rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True, capturable=cuda)
    for p in parameters:  # now and not at the first step, so that restoring it is copying in place
        optimiser.state[p] = {
            "step": torch.zeros((), device=device),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
        }
    return optimiser


def learning_rate(recipe: Pace, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero at the last step."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
