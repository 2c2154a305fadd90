"""A frame's symbols in one run of the range coder: motion, hyper-latents and latents, one after the other.

A picture's steps end, each with bytes of its own, so that its beginning is of use. A frame is small, and every end
costs some bytes.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from .coder import RowCoder
from .exchange import Exchange, Means, Plane, RowNumbers, Symbols, checksum
from .selection import Selection
from .vectors import Modes, Used, Vectors, decode_modes, decode_vectors, encode_modes, encode_vectors
from .walk import symbols_of

LatentPlanes = dict[Plane, npt.NDArray[np.float64]]


class FrameWriter:
    """Codes motion first, then latents (M, h, w) and hyper-latents (Z, h', w'), in quantisation steps.

    `crc` is that of the symbols so far.
    """

    def __init__(self, coder: RowCoder) -> None:
        self._coder, self._writer = coder, coder.writer()
        self._planes: LatentPlanes = {}
        self.crc = 0

    def flag(self, value: bool, row: int) -> None:
        """One symbol by a row of the table."""
        self._push(np.array([value], np.int16), np.array([row], np.int16))

    def vectors(self, vectors: Vectors, first_row: int, used: Used | None = None) -> Vectors:
        """Vectors (2, h, w), by rows of the table from `first_row` on; as a reader will have them."""
        return encode_vectors(vectors, partial(self._motion, first_row), used)

    def modes(self, modes: Modes, first_row: int) -> None:
        encode_modes(modes, partial(self._motion, first_row))

    def latents(self, planes: LatentPlanes) -> Exchange:
        """What codes these when the walk asks for them."""
        self._planes = planes
        return self._latents

    def bytes(self) -> bytes:
        return self._writer.bytes()

    def _motion(self, first_row: int, row: RowNumbers, wanted: Symbols | None) -> Symbols:
        assert wanted is not None
        self._push(wanted, row + np.int16(first_row))
        return wanted

    def _latents(self, plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        symbols = symbols_of(self._planes[plane], selection, mean, row, self._coder.first_row)
        self._push(symbols, row)
        return symbols

    def _push(self, symbols: Symbols, row: RowNumbers) -> None:
        self._writer.push(symbols, row)
        self.crc = checksum(symbols, self.crc)


class FrameReader:
    """The inverse. Raises CoderError where the bytes are impossible."""

    def __init__(self, coder: RowCoder, data: bytes) -> None:
        self._reader = coder.reader(data)
        self.crc = 0

    def flag(self, row: int) -> bool:
        """One symbol by a row of the table."""
        return bool(self._pull(np.array([row], np.int16))[0])

    def vectors(self, size: tuple[int, int], first_row: int, used: Used | None = None) -> Vectors:
        """Vectors (2, h, w) of (h, w) = size."""
        return decode_vectors(size, partial(self._motion, first_row), used)

    def modes(self, size: tuple[int, int], first_row: int) -> Modes:
        """Modes (h, w) = size."""
        return decode_modes(size, partial(self._motion, first_row))

    def latents(self, plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        """An `exchange.Exchange`."""
        return self._pull(row)

    def finish(self) -> None:
        """The frame ends here."""
        self._reader.finish()

    def _motion(self, first_row: int, row: RowNumbers, wanted: Symbols | None) -> Symbols:
        return self._pull(row + np.int16(first_row))

    def _pull(self, row: RowNumbers) -> Symbols:
        symbols = self._reader.pull(row)
        self.crc = checksum(symbols, self.crc)
        return symbols
