"""The model of lossless coding: colours to whole numbers, and their samples coded one level after another."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from ..entropy import interlaced_walk
from ..entropy.coder import CoderError, RowCoder
from ..entropy.exact_interlaced import ExactInterlaced, TilePlanes
from ..entropy.interlacing import level_count
from ..entropy.tables import Rows
from ..entropy.threads import in_threads
from ..formats.container import Tile
from ..formats.pictures import Samples
from ..formats.ways import DRAWN
from .colour import to_planes, to_samples
from .drawn import drawn_crc, looks_drawn, pack_drawn, unpack_drawn
from .tile_model import CodedTile, Decoded, In, Out, Terms
from .tiles import Box

_ROWS_AT_ONCE = 512  # of pixels that are drawn
_LEAST_BITS = 0.03  # of a sample, below which the network does not come


class LosslessModel:
    """A `TileModel`; what its tiles decode to are Y, Co, Cg, int16 (3, H, W). Threads may share it."""

    stride = 1
    synthesis_margin = 0

    def __init__(self, network: ExactInterlaced, rows: Rows, device: torch.device) -> None:
        """Raises ValueError when a bound of its arithmetic does not hold."""
        network.prepare(device)
        self.network = network
        self.coder = RowCoder(rows, 0)
        self.device = device

    def each(self, work: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        return in_threads(work, items, self.device)

    def source(self, pixels: Samples, depth: int) -> Tensor:
        return torch.from_numpy(pixels)

    def encode_tile(self, source: Tensor, tile: Box, terms: Terms, iterations: int) -> CodedTile:
        if iterations:
            raise ValueError("lossless coding is done in one pass, without effort")
        own = source[tile.slices]
        planes = to_planes(own.permute(2, 0, 1).to(torch.int32), terms.depth).to(torch.int16).numpy()
        drawn: CodedTile | None = None
        if looks_drawn(samples := own[..., : 1 if terms.grey else 3].numpy()):
            payload = pack_drawn(samples)
            steps = (payload, *(b"",) * (self.step_count(terms) - 1))
            drawn = CodedTile(steps, drawn_crc(samples), planes, DRAWN)
            if 8 * len(payload) < _LEAST_BITS * samples.size:
                return drawn
        sizes = _sizes(tile, terms)
        steps, crc = interlaced_walk.encode(self.network, self.coder, planes, sizes, self.device)
        learned = CodedTile(steps, crc, planes)
        return learned if drawn is None else min(learned, drawn, key=lambda coded: sum(map(len, coded.steps)))

    def decode_tile(self, coded: Tile, tile: Box, terms: Terms, partial: bool = False) -> tuple[Decoded, int]:
        if coded.way == DRAWN:
            return self._decode_drawn(coded, tile, terms)
        sizes = _sizes(tile, terms)
        planes, crc = interlaced_walk.decode(self.network, self.coder, coded.steps, sizes, self.device, partial)
        if not partial and int(to_samples(torch.from_numpy(planes), terms.depth).max()) >= 1 << terms.depth:
            raise CoderError(f"a sample of more than {terms.depth} bits")
        return planes, crc

    def _decode_drawn(self, coded: Tile, tile: Box, terms: Terms) -> tuple[Decoded, int]:
        if not coded.steps or any(coded.steps[1:]):
            raise CoderError("a drawn tile has its bytes in another step than the first")
        channels = 1 if terms.grey else 3
        samples = unpack_drawn(coded.steps[0], tile.height, tile.width, channels, terms.depth)
        rgb = torch.from_numpy(samples.astype(np.int32)).permute(2, 0, 1).expand(3, -1, -1)
        return to_planes(rgb, terms.depth).to(torch.int16).numpy(), drawn_crc(samples)

    def nothing(self, tile: Box) -> Decoded:
        return np.zeros((3, tile.height, tile.width), np.int16)

    def step_count(self, terms: Terms) -> int:
        return level_count(terms.side) + 1

    def draw_area(self, plane: Decoded, held: Box, area: Box, terms: Terms) -> Samples:
        pixels: Samples = np.empty((area.height, area.width, 3), np.uint8 if terms.depth == 8 else np.uint16)
        own = torch.from_numpy(plane[:, *area.inside(held).slices])
        for top in range(0, area.height, _ROWS_AT_ONCE):
            rows = slice(top, top + _ROWS_AT_ONCE)
            samples = _limited(to_samples(own[:, rows], terms.depth), terms.depth)
            pixels[rows] = samples.permute(1, 2, 0).numpy()
        return pixels


def _sizes(tile: Box, terms: Terms) -> TilePlanes:
    return TilePlanes(tile.height, tile.width, 1 if terms.grey else 3, terms.depth, level_count(terms.side))


def _limited(samples: Tensor, depth: int) -> Tensor:
    """Samples of previews, which may be a little below 0, that is, near 2**16, or above the highest."""
    highest = (1 << depth) - 1
    below = samples > (0xFFFF + highest) // 2
    return samples.clamp_max(highest).masked_fill(below & (samples > highest), 0)
