"""Latents to bytes and back: an entropy model's walk over its coding steps, with the range coder at its side."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .coder import SYMBOL_LIMIT, RowCoder
from .exchange import Means, Plane, RowNumbers, Symbols, checksum
from .fixed import MEAN_BITS
from .puller import Puller
from .selection import Selection
from .step_model import StepModel


class Writer(Protocol):
    """What the encoder hands its symbols to: a `RowCoder`, or what only counts them."""

    @property
    def first_row(self) -> int: ...

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16], /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """The bytes of every step, the checksum of the symbols, and the latents that a decoder will have."""

    steps: tuple[bytes, ...]
    symbols_crc: int
    y_hat: Tensor


@torch.inference_mode()
def encode(model: StepModel, coder: Writer, y: Tensor, z: Tensor, gain_index: int, device: torch.device) -> Encoded:
    """Code float latents y (1, M, h, w) and z (1, Z, ceil(h/4), ceil(w/4)), in quantisation steps."""
    planes = {"y": y[0].double().contiguous().cpu().numpy(), "z": z[0].double().contiguous().cpu().numpy()}
    steps: list[bytes] = []
    crc = 0

    def exchange(plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        nonlocal crc
        symbols = symbols_of(planes[plane], selection, mean, row, coder.first_row)
        steps.append(coder.push(symbols, row))
        crc = checksum(symbols, crc)
        return symbols

    y_hat = model.walk(gain_index, (y.shape[2], y.shape[3]), exchange, device)
    return Encoded(tuple(steps), crc, _in_steps(y_hat))


@torch.inference_mode()
def decode(
    model: StepModel,
    coder: RowCoder,
    steps: tuple[bytes, ...],
    gain_index: int,
    size: tuple[int, int],
    device: torch.device,
    partial: bool = False,
) -> tuple[Tensor, int]:
    """(y_hat (1, M, h, w) float32, checksum of the symbols) for (h, w) = size. Raises CoderError on bad bytes.

    `partial`: of the steps only the first ones may be there. The symbols of the others are zero: their latents are as
    they are predicted.
    """
    puller = Puller(coder, steps, model.steps, partial)
    y_hat = model.walk(gain_index, size, puller, device)
    return _in_steps(y_hat), puller.symbols_crc


def symbols_of(
    plane: npt.NDArray[np.float64], selection: Selection | None, mean: Means, row: RowNumbers, first_row: int
) -> Symbols:
    """The symbols of selected latents of a plane (C, h, w), whole steps from their means."""
    values = plane.reshape(-1) if selection is None else selection.of(plane)
    rounded = np.nan_to_num(np.floor(values - mean / (1 << MEAN_BITS) + 0.5))
    rounded = np.clip(rounded, -SYMBOL_LIMIT, SYMBOL_LIMIT)
    rounded[row < first_row] = 0
    symbols: Symbols = rounded.astype(np.int16)
    return symbols


def _in_steps(y_hat: Tensor) -> Tensor:
    return y_hat.to(torch.float32) / (1 << MEAN_BITS)
