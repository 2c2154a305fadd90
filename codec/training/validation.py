"""Rate and distortion of held-out crops: what all selection goes by."""

import math
from dataclasses import dataclass

import torch

from ..model import Model
from .costs import costs, half_pays
from .crops import Crops
from .recipe import Recipe

CROP = 256  # whatever the recipe trains on, so that runs compare
QUALITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_BATCHES = 4


@dataclass(frozen=True, slots=True)
class Validation:
    """Per quality of QUALITIES: bits per pixel, PSNR and loss, means over fixed crops; estimated bits, not files."""

    bpp: tuple[float, ...]
    psnr_db: tuple[float, ...]
    loss: tuple[float, ...]

    @property
    def mean_log_loss(self) -> float:
        """The number that runs of one range of lambda are compared by: 0.01 less is one per cent."""
        return sum(map(math.log, self.loss)) / len(self.loss)

    def lines(self) -> list[str]:
        """For people."""
        rows = zip(QUALITIES, self.bpp, self.psnr_db, self.loss, strict=True)
        table = [f"validation  quality {100 * q:3.0f}  {r:.4f} bpp  {d:.3f} dB  loss {c:.4f}" for q, r, d, c in rows]
        return [*table, f"validation  mean log loss {self.mean_log_loss:.4f}"]


@torch.no_grad()
def validate(model: Model, recipe: Recipe, held_out: Crops, device: torch.device) -> Validation:
    """Validate a model in evaluation mode on the same crops every time."""
    bpp, psnr_db, losses, half = [], [], [], half_pays(device)
    for quality in QUALITIES:
        parts = []
        for batch in range(_BATCHES):
            rgb = held_out.cut(held_out.plan(8, 0, batch).places.to(device))
            parts.append(costs(model, recipe, rgb, torch.full((len(rgb),), quality, device=device), half))
        bpp.append(float(torch.cat([p.bpp for p in parts]).mean()))
        psnr_db.append(float((10 * torch.log10(255**2 / torch.cat([p.squared_error for p in parts]))).mean()))
        losses.append(float(torch.cat([p.loss for p in parts]).mean()))
    return Validation(tuple(bpp), tuple(psnr_db), tuple(losses))
