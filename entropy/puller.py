"""The decoder's side of an entropy model's walk: symbols out of the bytes of its steps."""

import numpy as np

from .coder import CoderError, RowCoder
from .exchange import Means, Plane, RowNumbers, Symbols, checksum
from .selection import Selection


class Puller:
    """An `exchange.Exchange`. `symbols_crc` is the checksum of the symbols so far."""

    def __init__(self, coder: RowCoder, steps: tuple[bytes, ...], count: int, partial: bool = False) -> None:
        """count: coding steps of the model. Raises CoderError where there are others, or bytes that cannot be right.

        `partial`: of the steps only the first ones may be there. The symbols of the others are zero: their latents are
        as they are predicted.
        """
        if len(steps) > count or (len(steps) < count and not partial):
            raise CoderError(f"{len(steps)} coding steps where the model has {count}")
        self.symbols_crc = 0
        self._coder = coder
        self._payloads = iter(steps)

    def __call__(self, plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        if (payload := next(self._payloads, None)) is None:
            return np.zeros(row.size, dtype=np.int16)
        symbols = self._coder.pull(payload, row)
        self.symbols_crc = checksum(symbols, self.symbols_crc)
        return symbols
