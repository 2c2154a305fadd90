"""Rate and distortion of a batch: what training minimises and validation reports."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..half_blocks import half_is_faster
from ..model import Model
from ..quality import weight_of
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Costs:
    """Per sample (B,): weight lambda, squared error (8-bit units), bits per pixel (estimated).

    While the entropy model alone is trained, nobody computes the squared error: it is 0.
    """

    weight: Tensor
    squared_error: Tensor
    bpp: Tensor

    @property
    def loss(self) -> Tensor:
        return self.weight * self.squared_error + self.bpp


def half_pays(device: torch.device) -> bool:
    """Whether training in bfloat16 is faster: on GPUs, and on processors that multiply it."""
    return device.type != "cpu" or half_is_faster(device)


def costs(model: Model, recipe: Recipe, rgb: Tensor, q: Tensor, half: bool = True) -> Costs:
    """Rate and distortion of rgb (B, 3, H, W) in [0, 1] at qualities q (B,); `half` for transforms in bfloat16."""
    weight = weight_of(q, (recipe.lambda_low, recipe.lambda_high))
    with torch.autocast(rgb.device.type, dtype=torch.bfloat16, enabled=half):
        y_hat, y_bits, z_bits = model.code(rgb, q)
        if recipe.prior_only and model.training:
            squared_error = torch.zeros_like(weight)
        else:
            rgb_hat = model.transforms.synthesis(y_hat, q)
            squared_error = (rgb_hat.float() - rgb).square().mean((1, 2, 3)) * 255**2
    return Costs(weight, squared_error, (y_bits + z_bits) / (rgb.shape[2] * rgb.shape[3]))
