"""A picture tile by tile: each through the model by itself, and the pixels drawn from the latents of all.

```
pixels ─► analysis of a tile and its surroundings ─► latents of the tile ─► steps of the tile
pixels ◄─ synthesis, window by window ◄─ latents of the picture, or of what of it is wanted ◄─┘
```
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..entropy.coder import CoderError
from ..formats.container import Header, Remains, Stream, Tile
from ..formats.errors import FormatError
from ..formats.grid import Grid
from ..formats.pictures import Samples
from .coding_model import CodingModel
from .tiles import Box, in_threads, side_for, tiles


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """What a container holds of a picture, and the latents of each tile that a decoder will have."""

    steps: tuple[bytes, ...]
    symbols_crc: int
    grid: Grid | None
    boxes: tuple[Box, ...]
    y_hats: tuple[Tensor, ...]


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
    model: CodingModel, pixels: Samples, depth: int, gain_index: int, iterations: int, side: int | None
) -> CodedPicture:
    """Code pixels (H, W, 3) of so many bits in tiles of a side, or None for what suits their number."""
    whole = Box.whole(*pixels.shape[:2])
    side = side or side_for(whole.height, whole.width)
    boxes = [whole] if side is None else tiles(whole, side)
    source = torch.from_numpy(pixels if depth == 8 else pixels.astype(np.float32) * (255 / (2**depth - 1)))
    coded = in_threads(lambda box: model.compress_tile(source, box, gain_index, iterations), boxes, model.device)
    steps = tuple(step for steps in zip(*(tile.steps for tile in coded), strict=True) for step in steps)
    grid = None if side is None else Grid(side, tuple(tile.symbols_crc for tile in coded))
    symbols_crc = coded[0].symbols_crc if grid is None else grid.symbols_crc()
    return CodedPicture(steps, symbols_crc, grid, tuple(boxes), tuple(tile.y_hat for tile in coded))


def draw_tiles(
    model: CodingModel, boxes: Sequence[Box], y_hats: Sequence[Tensor], area: Box, gain_index: int, depth: int
) -> Samples:
    """The pixels of an area from the latents of the tiles it needs, which make up a rectangle."""
    held = Box(boxes[0].top, boxes[0].left, boxes[-1].bottom, boxes[-1].right)
    if len(boxes) == 1:
        return np.asarray(model.draw(y_hats[0], held, area, gain_index, depth).numpy())
    size = held.inside(held).latents()
    plane = torch.empty(1, y_hats[0].shape[1], size.height, size.width, device=model.device)
    for box, y_hat in zip(boxes, y_hats, strict=True):
        plane[:, :, *box.inside(held).latents().slices] = y_hat
    return np.asarray(model.draw(plane, held, area, gain_index, depth).numpy())


def decode_tiles(model: CodingModel, stream: Stream, area: Box) -> Samples:
    """The pixels of an area of a file, for which only the tiles in reach are decoded. Raises FormatError."""
    whole = Box.whole(stream.header.height, stream.header.width)
    boxes = _boxes(stream.header, stream.grid)
    seen = area.grown(model.synthesis_margin, whole)
    needed = [(box, tile) for box, tile in zip(boxes, stream.tiles(), strict=True) if box.meets(seen)]
    y_hats = in_threads(lambda pair: _checked_latents(model, stream.header, *pair), needed, model.device)
    header = stream.header
    return draw_tiles(model, [box for box, _ in needed], y_hats, area, header.gain_index, header.depth)


def verify_tiles(model: CodingModel, stream: Stream) -> None:
    """Decode all symbols and compare their checksums. Raises FormatError."""
    pairs = zip(_boxes(stream.header, stream.grid), stream.tiles(), strict=True)
    in_threads(lambda pair: _checked_latents(model, stream.header, *pair) is None, pairs, model.device)


def salvage_tiles(model: CodingModel, remains: Remains) -> Salvaged:
    """The picture as far as it can be drawn: of each tile the steps that are left, grey where there are none."""
    header = remains.header
    boxes = _boxes(header, remains.grid)
    pairs = zip(boxes, remains.tiles, strict=True)
    parts = in_threads(lambda pair: _remaining_latents(model, header, *pair), pairs, model.device)
    whole = Box.whole(header.height, header.width)
    pixels = draw_tiles(model, boxes, [y_hat for y_hat, _ in parts], whole, header.gain_index, header.depth)
    problem = None if remains.problem is None else str(remains.problem)
    return Salvaged(pixels, tuple(count for _, count in parts), model.prior.steps, problem)


def _boxes(header: Header, grid: Grid | None) -> list[Box]:
    whole = Box.whole(header.height, header.width)
    return [whole] if grid is None else tiles(whole, grid.side)


def _checked_latents(model: CodingModel, header: Header, box: Box, tile: Tile) -> Tensor:
    try:
        y_hat, crc = model.decode_latents(tile.steps, header.gain_index, box.height, box.width)
    except CoderError as error:
        raise FormatError(f"coded data is damaged: {error}") from None
    if crc != tile.symbols_crc:
        raise FormatError("coded data is damaged: the symbols do not match their checksum")
    return y_hat


def _remaining_latents(model: CodingModel, header: Header, box: Box, tile: Tile) -> tuple[Tensor, int]:
    """Latents of a tile, and from how many of its steps: from none where what there is cannot be right."""
    try:
        y_hat, crc = model.decode_latents(tile.steps, header.gain_index, box.height, box.width, partial=True)
    except CoderError:
        pass
    else:
        whole = len(tile.steps) == model.prior.steps
        if tile.steps and not (whole and tile.symbols_crc is not None and crc != tile.symbols_crc):
            return y_hat, len(tile.steps)
    size = box.inside(box).latents()
    return torch.zeros(1, model.transforms.config.latents, size.height, size.width, device=model.device), 0
