"""Range coder of one coding step: symbols grouped by table row, escapes last.

Symbols are sorted by row, stably, and coded row after row as categoricals: a few long runs instead of many short ones.
Rows below `first_row` are near-certain: their symbols are zero by agreement and cost nothing. An escaped symbol follows
after all rows as two bytes, high byte first, of the symbol plus 2**15, each uniform over 256 values. A step is one such
group, or several one after the other, between which numbers of a few uniform bits may stand.

The coder is constriction's (Bamler 2022): 32-bit words, 64-bit state, 24-bit probabilities; SPEC part II.
"""

import constriction
import numpy as np
import numpy.typing as npt

from .exchange import Symbols
from .tables import TOTAL, Rows

SYMBOL_LIMIT = 2**15 - 1  # symbols lie in +-SYMBOL_LIMIT; those of lossless coding in all of int16
ESCAPE_OFFSET = 2**15
WORD_BYTES = 4
MAX_UNIFORM_BITS = 8
_SLACK_BITS = 128  # more than a coder can leave out at its end

_Runs = list[tuple[int, slice]]


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
        self._uniform = [_model(np.full(1 << n, TOTAL >> n, dtype=np.int64)) for n in range(1, MAX_UNIFORM_BITS + 1)]

    def writer(self) -> "RowWriter":
        """What encodes the groups of one step."""
        return RowWriter(self)

    def reader(self, data: bytes) -> "RowReader":
        """What decodes the groups of one step. Raises CoderError for bytes that are no whole words."""
        return RowReader(self, data)

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16]) -> bytes:
        """Encode a step of one group: symbols (n,), zero wherever row < first_row, with their rows (n,)."""
        writer = self.writer()
        writer.push(symbols, row)
        return writer.bytes()

    def pull(self, data: bytes, row: npt.NDArray[np.int16]) -> Symbols:
        """Decode a step of one group: the symbols (n,) of rows (n,). Raises CoderError where the data is impossible."""
        reader = self.reader(data)
        symbols = reader.pull(row)
        reader.finish()
        return symbols

    def bound(self, row: int) -> int:
        """Largest magnitude coded without an escape."""
        return self._bounds[row]

    def least_bits(self, row: int) -> float:
        """Bits of the likeliest symbol."""
        return self._least_bits[row]

    def model(self, row: int) -> constriction.stream.model.Categorical:
        """The distribution of a row."""
        return self._models[row]

    def uniform(self, bits: int) -> constriction.stream.model.Categorical:
        """The distribution of numbers of so many bits, at most MAX_UNIFORM_BITS."""
        return self._uniform[bits - 1]

    def grouped(self, row: npt.NDArray[np.int16]) -> tuple[npt.NDArray[np.intp], _Runs]:
        """Indices of the coded symbols in coding order, and the run of each row that occurs."""
        coded = np.flatnonzero(row >= self.first_row)
        rows = row[coded]
        order = coded[np.argsort(rows, kind="stable")]
        ends = np.cumsum(np.bincount(rows, minlength=len(self._models))).tolist()
        starts = [0, *ends[:-1]]
        return order, [(r, slice(a, b)) for r, (a, b) in enumerate(zip(starts, ends, strict=True)) if a < b]


class RowWriter:
    """Encodes one step, group by group."""

    def __init__(self, coder: RowCoder) -> None:
        self._coder = coder
        self._encoder = constriction.stream.queue.RangeEncoder()

    def push(self, symbols: Symbols, row: npt.NDArray[np.int16]) -> None:
        """A group of symbols (n,), zero wherever row < first_row, with their rows (n,)."""
        order, runs = self._coder.grouped(row)
        grouped = symbols[order].astype(np.int32)
        escaped = np.zeros(grouped.size, dtype=bool)
        for r, run in runs:
            bound, values = self._coder.bound(r), grouped[run]
            escaped[run] = np.abs(values) > bound
            self._encoder.encode(np.where(escaped[run], 2 * bound + 1, values + bound), self._coder.model(r))
        if escaped.any():
            raw = grouped[escaped] + ESCAPE_OFFSET
            self.uniform(np.stack([raw >> 8, raw & 255], axis=1).reshape(-1), 8)

    def uniform(self, values: npt.NDArray[np.int32], bits: int) -> None:
        """Numbers (n,) from 0 to 2**bits - 1, all alike."""
        if values.size:
            self._encoder.encode(values, self._coder.uniform(bits))

    def bytes(self) -> bytes:
        """The step's payload, empty where nothing was coded."""
        words: npt.NDArray[np.uint32] = self._encoder.get_compressed()
        return words.astype("<u4").tobytes()


class RowReader:
    """Decodes one step, group by group."""

    def __init__(self, coder: RowCoder, data: bytes) -> None:
        if len(data) % WORD_BYTES:
            raise CoderError(f"{len(data)} bytes are no whole number of {WORD_BYTES}-byte words")
        self._coder = coder
        self._data_bytes = len(data)
        self._least_bits: float | None = None  # of what was read so far, None of nothing
        self._decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def pull(self, row: npt.NDArray[np.int16]) -> Symbols:
        """The symbols (n,) of a group with rows (n,). Raises CoderError where the data is impossible."""
        symbols = np.zeros(row.size, dtype=np.int16)
        order, runs = self._coder.grouped(row)
        if not runs:
            return symbols
        self._spend(sum((run.stop - run.start) * self._coder.least_bits(r) for r, run in runs))
        grouped = np.concatenate([self._decode(self._coder.model(r), run.stop - run.start) for r, run in runs])
        bounds = np.repeat([self._coder.bound(r) for r, _ in runs], [run.stop - run.start for _, run in runs])
        grouped -= bounds
        escaped = grouped > bounds
        if escaped.any():
            high, low = self.uniform(2 * int(escaped.sum()), 8).reshape(-1, 2).T
            grouped[escaped] = (high << 8 | low) - ESCAPE_OFFSET
        symbols[order] = grouped
        return symbols

    def uniform(self, count: int, bits: int) -> npt.NDArray[np.int32]:
        """So many numbers from 0 to 2**bits - 1. Raises CoderError where the data is impossible."""
        if not count:
            return np.zeros(0, dtype=np.int32)
        self._spend(count * bits)
        return self._decode(self._coder.uniform(bits), count)

    def finish(self) -> None:
        """The step ends here. Raises CoderError for bytes of a step that codes nothing."""
        if self._least_bits is None and self._data_bytes:
            raise CoderError(f"{self._data_bytes} bytes for a step that codes no symbol")

    def _spend(self, bits: float) -> None:
        """No symbol costs less than its row's cheapest entry, so a short payload cannot claim a large picture."""
        self._least_bits = bits + (self._least_bits or 0.0)
        if 8 * self._data_bytes + _SLACK_BITS < self._least_bits:
            least_bytes = int(self._least_bits / 8)
            raise CoderError(f"{self._data_bytes} bytes for symbols that take {least_bytes} at least")

    def _decode(self, model: constriction.stream.model.Categorical, count: int) -> npt.NDArray[np.int32]:
        try:
            found: npt.NDArray[np.int32] = self._decoder.decode(model, count)
        except AssertionError as error:  # how constriction reports data that no encoder writes
            raise CoderError(f"range decoder: {error}") from None
        return found


def _model(frequencies: npt.NDArray[np.int64]) -> constriction.stream.model.Categorical:
    """The categorical whose 24-bit boundaries are exactly the 16-bit ones times 256 (tested for every row)."""
    return constriction.stream.model.Categorical(frequencies / float(TOTAL), perfect=True)
