"""The walk over the coding steps that encoder and decoder share, so that they cannot disagree.

Step 0 codes z, step s >= 1 codes the latents y of the schedule's step s - 1. In each step the walk computes every
symbol's mean and table row exactly, hands the rows to `exchange`, and gets the symbols: the encoder computes them from
its latents and pushes, the decoder pulls.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .coder import SYMBOL_LIMIT, CoderError, RowCoder, Symbols
from .exact import ExactPrior, Kernels
from .fixed import CONTEXT_SHIFT, FEATURE_BITS, GAIN_STEPS, MEAN_BITS, ROW_CENTRE, ROW_GAIN, SCALE_ROWS
from .prior import HYPER_STRIDE

# exchange(step, mask, mean, row): integer means in 2**-MEAN_BITS steps and rows of the symbols to code, both (n,) in
# channel, row, column order; mask (C, H, W) says which they are, None is all. Returns int16 symbols (n,).
Exchange = Callable[[int, Tensor | None, Tensor, Tensor], Symbols]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The bytes of every step, the checksum of the symbols, and the latents that a decoder will have."""

    steps: tuple[bytes, ...]
    symbols_crc: int
    y_hat: Tensor


def encode(prior: ExactPrior, coder: RowCoder, y: Tensor, z: Tensor, gain_index: int, device: torch.device) -> Encoded:
    """Code float latents y (1, M, h, w) and z (1, Z, ceil(h/4), ceil(w/4)), in quantisation steps."""
    planes = [z, *[y] * prior.schedule.steps]
    steps: list[bytes] = []
    crc = 0

    def exchange(step: int, mask: Tensor | None, mean: Tensor, row: Tensor) -> Symbols:
        nonlocal crc
        plane = planes[step].to(device, torch.float64)
        values = plane.flatten() if mask is None else plane[0][mask]
        rounded = torch.floor(values - mean.double() / 2**MEAN_BITS + 0.5)
        rounded = rounded.nan_to_num(0.0).clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
        rounded.masked_fill_(row < coder.first_row, 0)
        symbols = rounded.to(torch.int16).cpu().numpy()
        steps.append(coder.push(symbols, row.to(torch.uint8).cpu().numpy()))
        crc = checksum(symbols, crc)
        return symbols

    y_hat = walk(prior, gain_index, (y.shape[2], y.shape[3]), exchange, device)
    return Encoded(tuple(steps), crc, y_hat)


def decode(
    prior: ExactPrior,
    coder: RowCoder,
    steps: tuple[bytes, ...],
    gain_index: int,
    size: tuple[int, int],
    device: torch.device,
) -> tuple[Tensor, int]:
    """(y_hat (1, M, h, w) float32, checksum of the symbols) for (h, w) = size. Raises CoderError on bad bytes."""
    if len(steps) != prior.schedule.steps + 1:
        raise CoderError(f"{len(steps)} coding steps where the model has {prior.schedule.steps + 1}")
    crc = 0

    def exchange(step: int, mask: Tensor | None, mean: Tensor, row: Tensor) -> Symbols:
        nonlocal crc
        symbols = coder.pull(steps[step], row.to(torch.uint8).cpu().numpy())
        crc = checksum(symbols, crc)
        return symbols

    return walk(prior, gain_index, size, exchange, device), crc


def checksum(symbols: Symbols, before: int = 0) -> int:
    """CRC-32 of the symbols as little-endian int16, continuing from earlier steps."""
    return zlib.crc32(symbols.astype("<i2").tobytes(), before)


@torch.inference_mode()
def walk(prior: ExactPrior, gain_index: int, size: tuple[int, int], exchange: Exchange, device: torch.device) -> Tensor:
    """Run all steps for latents of (h, w) = size; the decoded latents (1, M, h, w) float32 in quantisation steps."""
    if not 0 <= gain_index <= GAIN_STEPS:
        raise ValueError(f"gain index must be in 0..{GAIN_STEPS}, not {gain_index}")
    kernels = prior.kernels
    config = prior.config
    hyper_size = (config.hyper, -(-size[0] // HYPER_STRIDE), -(-size[1] // HYPER_STRIDE))

    mean, log_scale = (value[0].expand(hyper_size).flatten() for value in prior.hyper_latents(gain_index))
    z_hat = _decoded(exchange(0, None, mean, rows_of(log_scale, kernels)), mean).view(1, *hyper_size)
    features = (z_hat * (1 << (FEATURE_BITS - MEAN_BITS))).clamp_(-(2**15), 2**15 - 1)
    hyper = prior.hyper_synthesis(features, gain_index, size)

    y_hat = torch.zeros(config.latents, *size, dtype=kernels.CARRIER, device=device)
    for index, mask in enumerate(prior.schedule.masks(config.latents, *size, device)):
        known = None
        if index:
            known = (y_hat * (1 << (FEATURE_BITS - MEAN_BITS - CONTEXT_SHIFT))).clamp_(-(2**15), 2**15 - 1)[None]
        means, log_scales = prior.step(index, hyper, known)
        if config.whole_means:
            means = kernels.scale_down(means, MEAN_BITS) * (1 << MEAN_BITS)
        mean, row = means[0][mask], rows_of(log_scales[0][mask], kernels)
        y_hat[mask] = _decoded(exchange(index + 1, mask, mean, row), mean)
    return y_hat[None].to(torch.float32) / (1 << MEAN_BITS)


def rows_of(log_scale: Tensor, kernels: Kernels) -> Tensor:
    """Table rows of integer log-scales with MEAN_BITS places."""
    shift = MEAN_BITS - ROW_GAIN.bit_length() + 1
    return (kernels.scale_down(log_scale, shift) + ROW_CENTRE).clamp(0, SCALE_ROWS - 1)


def _decoded(symbols: Symbols, mean: Tensor) -> Tensor:
    values = torch.from_numpy(symbols.astype(np.int32)).to(mean.device, mean.dtype)
    return values * (1 << MEAN_BITS) + mean
