"""What is known of the latents that one coding step codes."""

import numpy as np

from .exchange import Means, RowNumbers, Symbols
from .selection import Selection


class CodedStep:
    """Means, table rows and symbols of the latents of a step, as tables of its selection, which bands fill in part."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.mean = selection.table(np.int32)
        self.row = selection.table(np.int16)
        self.symbols = selection.table(np.int16)

    def parameters(self) -> tuple[Means, RowNumbers]:
        """Means and rows in the order of symbols."""
        return self.selection.in_order(self.mean), self.selection.in_order(self.row)

    def put(self, symbols: Symbols) -> None:
        """The symbols in their order."""
        self.selection.in_order(self.symbols)[:] = symbols
