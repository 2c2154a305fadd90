"""Lossless coding of the planes of one tile: the network's walk, with the range coder at its side.

The samples of one phase and colour are one group of the coder; where low bits are coded as they are, those of all
symbols with one such bit follow, then those of two, and so on.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from .coder import CoderError, RowCoder, RowReader
from .exact_interlaced import ExactInterlaced, TilePlanes
from .exchange import Symbols, checksum
from .interlaced_rows import Placed
from .interlacing import View


class GroupWriter(Protocol):
    """What the encoder hands the groups of a step to."""

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16], /) -> None: ...
    def uniform(self, values: npt.NDArray[np.int32], bits: int, /) -> None: ...
    def bytes(self) -> bytes: ...


class Writers(Protocol):
    """What makes writers: a `RowCoder`, or what only counts symbols."""

    def writer(self) -> GroupWriter: ...


@torch.inference_mode()
def encode(
    model: ExactInterlaced, coder: Writers, planes: npt.NDArray[np.int16], tile: TilePlanes, device: torch.device
) -> tuple[tuple[bytes, ...], int]:
    """The bytes of every step of planes (3, H, W), and the checksum of the symbols."""
    writers = [coder.writer() for _ in range(tile.steps)]
    crc = 0

    def exchange(step: int, colour: int, view: View, placed: Placed) -> Symbols:
        nonlocal crc
        samples: Symbols = planes[colour][view].reshape(-1)
        symbols: Symbols = (samples - placed.whole).astype(np.int16)  # modulo 2**16
        crc = checksum(symbols, crc)
        high, low = _split(symbols, placed.low_bits)
        writers[step].push(high, placed.row)
        for bits in range(1, int(placed.low_bits.max(initial=0)) + 1):
            writers[step].uniform(low[placed.low_bits == bits], bits)
        return samples

    model.walk(tile, exchange, device)
    return tuple(writer.bytes() for writer in writers), crc


@torch.inference_mode()
def decode(
    model: ExactInterlaced,
    coder: RowCoder,
    steps: tuple[bytes, ...],
    tile: TilePlanes,
    device: torch.device,
    partial: bool = False,
) -> tuple[npt.NDArray[np.int16], int]:
    """(planes (3, H, W), checksum of the symbols). Raises CoderError on bad bytes.

    `partial`: of the steps only the first ones may be there. The symbols of the others are zero.
    """
    if len(steps) > tile.steps or (len(steps) < tile.steps and not partial):
        raise CoderError(f"{len(steps)} coding steps where {tile.steps} are coded")
    readers = [coder.reader(step) for step in steps]
    crc = 0

    def exchange(step: int, colour: int, view: View, placed: Placed) -> Symbols:
        nonlocal crc
        if step >= len(readers):
            return placed.whole.astype(np.int16)
        symbols = _pulled(readers[step], placed)
        crc = checksum(symbols, crc)
        decoded: Symbols = (symbols + placed.whole).astype(np.int16)  # modulo 2**16
        return decoded

    planes = model.walk(tile, exchange, device)
    for reader in readers:
        reader.finish()
    return planes.to(torch.int16).cpu().numpy(), crc


def _split(symbols: Symbols, low_bits: npt.NDArray[np.int16]) -> tuple[Symbols, npt.NDArray[np.int32]]:
    """What rows code of symbols, which is them divided by 2**low_bits and rounded, and the rest, 0 or more."""
    raised = symbols.astype(np.int32) + ((1 << low_bits.astype(np.int32)) >> 1)
    high = raised >> low_bits
    return high.astype(np.int16), raised - (high << low_bits)


def _pulled(reader: RowReader, placed: Placed) -> Symbols:
    """The inverse of `_split` on what a group codes."""
    values = reader.pull(placed.row).astype(np.int32) << placed.low_bits
    values -= (1 << placed.low_bits.astype(np.int32)) >> 1
    for bits in range(1, int(placed.low_bits.max(initial=0)) + 1):
        own = placed.low_bits == bits
        values[own] += reader.uniform(int(own.sum()), bits)
    return values.astype(np.int16)
