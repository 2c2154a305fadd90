"""Differentiable rate of the latents: what training minimises in place of the file's size."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .fixed import CONTEXT_SHIFT, ROW_CENTRE, ROW_GAIN, SCALE_MAX, SCALE_MIN, SCALE_ROWS
from .float_twin import saturate
from .masks import step_masks
from .memory import Memory
from .prior import LatentPrior
from .schedule import View

# The distances (B, C, H, W) of latents from their means and their log-scales, broadcast -> the distances as coded.
Quantise = Callable[[Tensor, Tensor], Tensor]

_LOG_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_ROWS - 1)
_LEAST_PROBABILITY = 2.0**-16
# Beyond this many standard deviations the probability is below the least one. From there the price goes on with the
# logarithm of the distance, at first with the Gaussian's slope: a bounded gradient that still widens the scale.
_TAIL_START = 4.17
_TAIL_BITS = 26.0


def scale_of(log_scale: Tensor) -> Tensor:
    """Predicted log-scale (in units of ROW_GAIN rows, zero at ROW_CENTRE) -> standard deviation."""
    row: Tensor = _BoundedRow.apply(ROW_CENTRE + ROW_GAIN * log_scale)  # type: ignore[no-untyped-call]
    return SCALE_MIN * torch.exp(_LOG_STEP * row)


class _BoundedRow(torch.autograd.Function):
    """Clamp to the table's rows; outside, only gradients that lead back inside pass."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, row: Tensor) -> Tensor:
        ctx.save_for_backward(row)
        return row.clamp(0, SCALE_ROWS - 1)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
        (row,) = ctx.saved_tensors  # type: ignore[attr-defined]
        stuck = ((row < 0) & (grad > 0)) | ((row > SCALE_ROWS - 1) & (grad < 0))
        return grad.masked_fill(stuck, 0.0)


def gaussian_bits(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Bits of x under a Gaussian integrated over [x - 1/2, x + 1/2], with heavier tails; elementwise."""
    distance = (x - mean).abs()
    upper = torch.special.ndtr((0.5 - distance) / scale)
    lower = torch.special.ndtr((-0.5 - distance) / scale)
    tail = torch.log(((distance - 0.5) / (_TAIL_START * scale)).clamp_min(1.0))
    return _TAIL_BITS * tail - torch.log2((upper - lower).clamp_min(_LEAST_PROBABILITY))


def round_through(x: Tensor) -> Tensor:
    """Round to nearest with the gradient of the identity."""
    return x + (x.round() - x).detach()


def to_nearest(distance: Tensor, log_scale: Tensor) -> Tensor:
    """How training quantises, a `Quantise`."""
    return round_through(distance)


def latent_rate(
    prior: LatentPrior, y: Tensor, z: Tensor, q: Tensor, quantise: Quantise = to_nearest, past: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Quantise z and y around their predicted means and price them.

    In training mode the price is that of additive uniform noise (Balle et al. 2017) while the decoded values use
    rounding with a straight-through gradient (Minnen and Singh 2020); otherwise both use rounding. Latents that are
    whole numbers already (`whole_means`) have their true price in training too.

    Args:
        y: (B, M, h, w) latents in quantisation steps. z: (B, Z, ceil(h/4), ceil(w/4)). q: (B,) in [0, 1].
        past: of frames, what `Past` makes of earlier ones.

    Returns:
        y_hat (B, M, h, w), bits of y (B,), bits of z (B,).
    """
    z_mean, z_scale = prior.hyper_latents(q)
    z_hat = quantise(z - z_mean, z_scale) + z_mean
    z_bits = gaussian_bits(_noisy(z, z_hat, prior.training), z_mean, scale_of(z_scale))

    size = (y.shape[2], y.shape[3])
    hyper = prior.hyper_synthesis(saturate(z_hat), q, size, past=past)
    y_hat, mean_all, scale_all = torch.zeros_like(y), torch.zeros_like(y), torch.zeros_like(y)
    memory: Memory = {}
    for index, mask in enumerate(step_masks(prior.schedule, y.shape[1], *size, y.device)):
        view = prior.schedule.view(index, y.shape[1])
        mean, log_scale = prior.step(index, hyper, saturate(y_hat / 2**CONTEXT_SHIFT), memory)
        if prior.config.whole_means:
            mean = round_through(mean)
        mask = mask[view[1:]]
        y_hat = _with(y_hat, view, mask, quantise(y[view] - mean, log_scale) + mean)
        mean_all = _with(mean_all, view, mask, mean)
        scale_all = _with(scale_all, view, mask, log_scale)
    noisy = prior.training and not prior.config.whole_means
    y_bits = gaussian_bits(_noisy(y, y_hat, noisy), mean_all, scale_of(scale_all))
    return y_hat, y_bits.sum((1, 2, 3)), z_bits.sum((1, 2, 3))


def _with(plane: Tensor, view: View, mask: Tensor, values: Tensor) -> Tensor:
    """A plane with some of the values of a view in it."""
    chosen = torch.where(mask, values, plane[view])
    if chosen.shape == plane.shape:
        return chosen
    plane = plane.clone()
    plane[view] = chosen
    return plane


def _noisy(x: Tensor, rounded: Tensor, noisy: bool) -> Tensor:
    return x + (torch.rand_like(x) - 0.5) if noisy else rounded
