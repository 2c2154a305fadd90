"""A picture tile by tile: each through the model by itself, and the pixels drawn from the latents of all.

```
pixels ─► analysis of a tile and its surroundings ─► latents of the tile ─► steps of the tile
pixels ◄─ synthesis, window by window ◄─ latents of the picture, or of what of it is wanted ◄─┘
```
So it is for models with transforms; in general a `TileModel` says what is between pixels and steps.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..entropy.coder import CoderError
from ..formats.container import Header, Remains, Stream, Tile
from ..formats.errors import FormatError
from ..formats.grid import Grid
from ..formats.pictures import Picture, Samples
from .tile_model import Decoded, DrawingModel, In, Out, Terms, TileModel
from .tiles import Box, side_for, tiles


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """What a container holds of a picture, and what a decoder will have of each tile."""

    steps: tuple[bytes, ...]
    symbols_crc: int
    grid: Grid | None
    boxes: tuple[Box, ...]
    decoded: tuple[Decoded, ...]
    terms: Terms
    ways: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A picture drawn from what is left of a file.

    `steps`: how many of `step_count` coding steps of each tile went into it; of 0, only grey. `problem` says what is
    wrong with the file, or is None.
    """

    pixels: Samples
    steps: tuple[int, ...]
    step_count: int
    problem: str | None

    def summary(self) -> str:
        """One line of what the picture was drawn from."""
        if len(self.steps) == 1:
            return f"drawn from {self.steps[0]} of {self.step_count} coding steps"
        whole = sum(count == self.step_count for count in self.steps)
        lost = sum(count == 0 for count in self.steps)
        rough = len(self.steps) - whole - lost
        return f"of {len(self.steps)} tiles {whole} are whole, {rough} drawn from their first coding steps, {lost} lost"


def encode_tiles(
    model: TileModel, picture: Picture, gain_index: int, iterations: int, side: int | None
) -> CodedPicture:
    """Code a picture in tiles of a side, or None for what suits its size."""
    pixels = picture.pixels
    whole = Box.whole(*pixels.shape[:2])
    side = side or side_for(whole.height, whole.width)
    boxes = [whole] if side is None else tiles(whole, side)
    terms = Terms(gain_index, picture.depth, picture.grey, side or max(whole.height, whole.width))
    source = model.source(pixels, picture.depth)
    coded = _each(model, lambda box: model.encode_tile(source, box, terms, iterations), boxes)
    steps = tuple(step for steps in zip(*(tile.steps for tile in coded), strict=True) for step in steps)
    grid = None if side is None else Grid(side, tuple(tile.symbols_crc for tile in coded))
    symbols_crc = coded[0].symbols_crc if grid is None else grid.symbols_crc()
    ways = tuple(tile.way for tile in coded)
    decoded = tuple(tile.decoded for tile in coded)
    return CodedPicture(steps, symbols_crc, grid, tuple(boxes), decoded, terms, ways if any(ways) else None)


def draw_tiles(model: DrawingModel, boxes: Sequence[Box], parts: Sequence[Decoded], area: Box, terms: Terms) -> Samples:
    """The pixels of an area from what is decoded of the tiles it needs, which make up a rectangle."""
    held = Box(boxes[0].top, boxes[0].left, boxes[-1].bottom, boxes[-1].right)
    if len(boxes) == 1:
        return model.draw_area(parts[0], held, area, terms)
    size = held.inside(held).divided(model.stride)
    plane = np.empty((*parts[0].shape[:-2], size.height, size.width), parts[0].dtype)
    for box, part in zip(boxes, parts, strict=True):
        plane[..., *box.inside(held).divided(model.stride).slices] = part
    return model.draw_area(plane, held, area, terms)


def decode_tiles(model: DrawingModel, stream: Stream, area: Box) -> Samples:
    """The pixels of an area of a file, for which only the tiles in reach are decoded. Raises FormatError."""
    whole = Box.whole(stream.header.height, stream.header.width)
    boxes, terms = _boxes(stream.header, stream.grid), Terms.of(stream.header, stream.grid)
    seen = area.grown(model.synthesis_margin, whole)
    needed = [(box, tile) for box, tile in zip(boxes, stream.tiles(), strict=True) if box.meets(seen)]
    parts = _each(model, lambda pair: _checked(model, terms, *pair), needed)
    return draw_tiles(model, [box for box, _ in needed], parts, area, terms)


def verify_tiles(model: DrawingModel, stream: Stream) -> None:
    """Decode all symbols and compare their checksums. Raises FormatError."""
    pairs = zip(_boxes(stream.header, stream.grid), stream.tiles(), strict=True)
    terms = Terms.of(stream.header, stream.grid)
    _each(model, lambda pair: _checked(model, terms, *pair) is None, pairs)


def salvage_tiles(model: DrawingModel, remains: Remains) -> Salvaged:
    """The picture as far as it can be drawn: of each tile the steps that are left, grey where there are none."""
    header = remains.header
    boxes, terms = _boxes(header, remains.grid), Terms.of(header, remains.grid)
    pairs = zip(boxes, remains.tiles, strict=True)
    parts = _each(model, lambda pair: _remaining(model, terms, *pair), pairs)
    whole = Box.whole(header.height, header.width)
    pixels = draw_tiles(model, boxes, [part for part, _ in parts], whole, terms)
    problem = None if remains.problem is None else str(remains.problem)
    return Salvaged(pixels, tuple(count for _, count in parts), model.step_count(terms), problem)


def _each(model: DrawingModel, work: Callable[[In], Out], tiles: Iterable[In]) -> list[Out]:
    """`work` of every tile; of a single one here, so that the model can share out what is in it."""
    tiles = list(tiles)
    return model.each(work, tiles) if len(tiles) > 1 else [work(tile) for tile in tiles]


def _boxes(header: Header, grid: Grid | None) -> list[Box]:
    whole = Box.whole(header.height, header.width)
    return [whole] if grid is None else tiles(whole, grid.side)


def _checked(model: DrawingModel, terms: Terms, box: Box, tile: Tile) -> Decoded:
    try:
        part, crc = model.decode_tile(tile, box, terms)
    except CoderError as error:
        raise FormatError(f"coded data is damaged: {error}") from None
    if crc != tile.symbols_crc:
        raise FormatError("coded data is damaged: the symbols do not match their checksum")
    return part


def _remaining(model: DrawingModel, terms: Terms, box: Box, tile: Tile) -> tuple[Decoded, int]:
    """What is decoded of a tile, and from how many of its steps: from none where what there is cannot be right."""
    try:
        part, crc = model.decode_tile(tile, box, terms, partial=True)
    except CoderError:
        pass
    else:
        whole = len(tile.steps) == model.step_count(terms)
        if tile.steps and not (whole and tile.symbols_crc is not None and crc != tile.symbols_crc):
            return part, len(tile.steps)
    return model.nothing(box), 0
