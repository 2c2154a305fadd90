"""What passes between an entropy model that walks its coding steps and the coder of their symbols.

In each step the model computes every symbol's mean and table row, hands them to an `Exchange`, and gets the symbols:
the encoder computes them from its latents and pushes, the decoder pulls.
"""

import zlib
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from .fixed import MEAN_BITS
from .selection import Selection

Symbols = npt.NDArray[np.int16]
Means = npt.NDArray[np.int32]
RowNumbers = npt.NDArray[np.int16]
Plane = Literal["y", "z"]


class Exchange(Protocol):
    """One coding step: the symbols (n,) of some latents, from what the model knows of them."""

    def __call__(self, plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        """mean: integers with MEAN_BITS places, row: table rows, both (n,) in channel, row, column order.

        `selection` says which latents of the plane they are, None is all.
        """
        ...


def decoded(symbols: Symbols, mean: Means) -> Means:
    """The values with MEAN_BITS places that symbols stand for, of the same shape."""
    return (symbols.astype(np.int32) << MEAN_BITS) + mean


def checksum(symbols: Symbols, before: int = 0) -> int:
    """CRC-32 of the symbols as little-endian int16, continuing from earlier steps."""
    return zlib.crc32(symbols.astype("<i2").tobytes(), before)
