"""Rate and distortion of a batch: what training minimises and validation reports."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model import Model
from ..quality import weight_of
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Costs:
    """Per sample (B,): weight lambda, squared error (8-bit units), bits per pixel (estimated)."""

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
    weight = weight_of(q, (recipe.lambda_low, recipe.lambda_high))
    squared_error = (rgb_hat.float() - rgb).square().mean((1, 2, 3)) * 255**2
    return Costs(weight, squared_error, (y_bits + z_bits) / (rgb.shape[2] * rgb.shape[3]))
