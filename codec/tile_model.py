"""What a model is to those who code pictures tile by tile."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy.typing as npt

from ..formats.container import Header, Tile
from ..formats.grid import Grid
from ..formats.pictures import Samples
from .tiles import Box

if TYPE_CHECKING:
    from torch import Tensor

In = TypeVar("In")
Out = TypeVar("Out")

Decoded = npt.NDArray[Any]  # planes (..., h, w)


@dataclass(frozen=True, slots=True)
class Terms:
    """What all tiles of a picture share. `side` is that of its tiles, or the larger one of a picture of one tile."""

    gain_index: int
    depth: int
    grey: bool
    side: int

    @classmethod
    def of(cls, header: Header, grid: Grid | None) -> "Terms":
        """Those of a file."""
        side = max(header.height, header.width) if grid is None else grid.side
        return cls(header.gain_index, header.depth, header.grey, side)


@dataclass(frozen=True, slots=True)
class CodedTile:
    """The bytes of every step, the checksum of the symbols, what a decoder will have, and the way: `container.Tile`."""

    steps: tuple[bytes, ...]
    symbols_crc: int
    decoded: Decoded
    way: int = 0


class DrawingModel(Protocol):
    """Decodes tiles, and draws pixels from what they decode to.

    That is planes (..., h, w) with a place for each square of `stride` pixels.
    """

    stride: int
    synthesis_margin: int  # pixels around an area on which what is within it depends

    def each(self, work: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        """`work` of every item, tiles of a picture, as many at a time as suits the model."""
        ...

    def decode_tile(self, coded: Tile, tile: Box, terms: Terms, partial: bool = False) -> tuple[Decoded, int]:
        """What the steps of a tile say, and the checksum of the symbols. CoderError on bad bytes.

        `partial`: of the steps only the first ones may be there.
        """
        ...

    def nothing(self, tile: Box) -> Decoded:
        """What stands for a tile of which no step is left: grey."""
        ...

    def step_count(self, terms: Terms) -> int:
        """Coding steps of a tile."""
        ...

    def draw_area(self, plane: Decoded, held: Box, area: Box, terms: Terms) -> Samples:
        """Pixels (H, W, 3) of an area.

        plane: what is decoded of the box `held`, which has the area and what is within `synthesis_margin` of it.
        """
        ...


class TileModel(DrawingModel, Protocol):
    """Codes tiles, too."""

    def source(self, pixels: Samples, depth: int) -> "Tensor":
        """Pixels (H, W, 3) in the form that `encode_tile` takes."""
        ...

    def encode_tile(self, source: "Tensor", tile: Box, terms: Terms, iterations: int) -> CodedTile:
        """Code a tile with so many iterations of refinement. ValueError where the model has no use for them."""
        ...
