"""A frame's symbols in one run of the range coder: vectors, hyper-latents and latents, one after the other.

`FrameWriter` and `FrameReader` are `exchange.Exchange`s whose steps do not end; a picture's steps do, each with bytes
of its own, so that its beginning is of use. A frame is small, and every end costs some bytes.
"""

import numpy as np
import numpy.typing as npt

from .coder import RowCoder
from .exchange import Means, Plane, RowNumbers, Symbols, checksum
from .selection import Selection
from .vectors import Vectors, decode_vectors, encode_vectors
from .walk import symbols_of

LatentPlanes = dict[Plane, npt.NDArray[np.float64]]


class FrameWriter:
    """Codes latents (M, h, w) and hyper-latents (Z, h', w'), in quantisation steps.

    `crc` is that of the symbols so far.
    """

    def __init__(self, coder: RowCoder, planes: LatentPlanes) -> None:
        self._coder, self._planes, self._writer = coder, planes, coder.writer()
        self.crc = 0

    def __call__(self, plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        symbols = symbols_of(self._planes[plane], selection, mean, row, self._coder.first_row)
        self._push(symbols, row)
        return symbols

    def vectors(self, vectors: Vectors, first_row: int) -> None:
        """Vectors (2, h, w), by rows of the table from `first_row` on."""

        def push(row: RowNumbers, wanted: Symbols | None) -> Symbols:
            assert wanted is not None
            self._push(wanted, row + np.int16(first_row))
            return wanted

        encode_vectors(vectors, push)

    def bytes(self) -> bytes:
        return self._writer.bytes()

    def _push(self, symbols: Symbols, row: RowNumbers) -> None:
        self._writer.push(symbols, row)
        self.crc = checksum(symbols, self.crc)


class FrameReader:
    """The inverse. Raises CoderError where the bytes are impossible."""

    def __init__(self, coder: RowCoder, data: bytes) -> None:
        self._reader = coder.reader(data)
        self.crc = 0

    def __call__(self, plane: Plane, selection: Selection | None, mean: Means, row: RowNumbers) -> Symbols:
        return self._pull(row)

    def vectors(self, size: tuple[int, int], first_row: int) -> Vectors:
        """Vectors (2, h, w) of (h, w) = size."""
        return decode_vectors(size, lambda row, wanted: self._pull(row + np.int16(first_row)))

    def finish(self) -> None:
        """The frame ends here."""
        self._reader.finish()

    def _pull(self, row: RowNumbers) -> Symbols:
        symbols = self._reader.pull(row)
        self.crc = checksum(symbols, self.crc)
        return symbols
