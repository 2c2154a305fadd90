"""Range coder of one coding step: symbols grouped by table row, escapes last.

The symbols of a step are sorted by row, stably, and coded row after row as categoricals: a few long runs instead of
many short ones. Rows below `first_row` are near-certain: their symbols are zero by agreement and cost nothing. An
escaped symbol follows after all rows as two bytes, high byte first, of the symbol plus 2**15, each uniform over 256
values.

The coder is constriction's (Bamler 2022): 32-bit words, 64-bit state, 24-bit probabilities; SPEC part II.
"""

import constriction
import numpy as np
import numpy.typing as npt

from .exchange import Symbols
from .tables import TOTAL, Rows

SYMBOL_LIMIT = 2**15 - 1  # symbols lie in +-SYMBOL_LIMIT
ESCAPE_OFFSET = 2**15
WORD_BYTES = 4
_SLACK_BITS = 128  # more than a coder can leave out at its end


class CoderError(Exception):
    """The bytes cannot be the work of our encoder."""


class RowCoder:
    """Encodes and decodes the symbols of a step, given the table row of each. Immutable; safe to share by threads."""

    def __init__(self, rows: Rows, first_row: int) -> None:
        if not 0 <= first_row < len(rows):
            raise ValueError(f"first_row must be in 0..{len(rows) - 1}, not {first_row}")
        self.first_row = first_row
        self._bounds = [rows.bound(r) for r in range(len(rows))]
        self._least_bits = [float(rows.bits(r).min()) for r in range(len(rows))]
        self._models = [_model(f) for f in rows.frequencies]
        self._byte = _model(np.full(256, TOTAL // 256, dtype=np.int64))

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16]) -> bytes:
        """Encode symbols (n,), zero wherever row < first_row, with their rows (n,)."""
        order, runs = self._grouped(row)
        if not runs:
            return b""
        encoder = constriction.stream.queue.RangeEncoder()
        grouped = symbols[order].astype(np.int32)
        escaped = np.zeros(grouped.size, dtype=bool)
        for r, run in runs:
            bound, values = self._bounds[r], grouped[run]
            escaped[run] = np.abs(values) > bound
            encoder.encode(np.where(escaped[run], 2 * bound + 1, values + bound), self._models[r])
        if escaped.any():
            raw = grouped[escaped] + ESCAPE_OFFSET
            encoder.encode(np.stack([raw >> 8, raw & 255], axis=1).reshape(-1), self._byte)
        words: npt.NDArray[np.uint32] = encoder.get_compressed()
        return words.astype("<u4").tobytes()

    def pull(self, data: bytes, row: npt.NDArray[np.int16]) -> Symbols:
        """Decode the symbols (n,) of rows (n,). Raises CoderError where the data is impossible."""
        symbols = np.zeros(row.size, dtype=np.int16)
        order, runs = self._grouped(row)
        if not runs:
            if data:
                raise CoderError(f"{len(data)} bytes for a step that codes no symbol")
            return symbols
        if len(data) % WORD_BYTES:
            raise CoderError(f"{len(data)} bytes are no whole number of {WORD_BYTES}-byte words")
        # No symbol costs less than its row's cheapest entry, so a short payload cannot claim a large picture.
        least_bits = sum((run.stop - run.start) * self._least_bits[r] for r, run in runs)
        if 8 * len(data) + _SLACK_BITS < least_bits:
            raise CoderError(f"{len(data)} bytes for symbols that take {int(least_bits / 8)} at least")
        grouped = np.empty(order.size, dtype=np.int32)
        escaped = np.zeros(order.size, dtype=bool)
        try:
            decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))
            for r, run in runs:
                bound = self._bounds[r]
                grouped[run] = decoder.decode(self._models[r], run.stop - run.start) - bound
                escaped[run] = grouped[run] > bound
            if escaped.any():
                high, low = decoder.decode(self._byte, 2 * int(escaped.sum())).reshape(-1, 2).T
                grouped[escaped] = (high << 8 | low) - ESCAPE_OFFSET
        except AssertionError as error:  # how constriction reports data that no encoder writes
            raise CoderError(f"range decoder: {error}") from None
        symbols[order] = grouped
        return symbols

    def _grouped(self, row: npt.NDArray[np.int16]) -> tuple[npt.NDArray[np.intp], list[tuple[int, slice]]]:
        """Indices of the coded symbols in coding order, and the run of each row that occurs."""
        coded = np.flatnonzero(row >= self.first_row)
        rows = row[coded]
        order = coded[np.argsort(rows, kind="stable")]
        ends = np.cumsum(np.bincount(rows, minlength=len(self._models))).tolist()
        starts = [0, *ends[:-1]]
        return order, [(r, slice(a, b)) for r, (a, b) in enumerate(zip(starts, ends, strict=True)) if a < b]


def _model(frequencies: npt.NDArray[np.int64]) -> constriction.stream.model.Categorical:
    """The categorical whose 24-bit boundaries are exactly the 16-bit ones times 256 (tested for every row)."""
    return constriction.stream.model.Categorical(frequencies / float(TOTAL), perfect=True)
