"""What pixels of an area are drawn at once: large ones window by window, so that it does not take more and more."""

from collections.abc import Callable, Iterable

import numpy as np

from ..formats.pictures import Samples
from .tiles import TILE_SIDE, WHOLE_PIXELS, Box, strips, tiles
from .transforms.stride import STRIDE


def surroundings(window: Box, held: Box, margin: int) -> Box:
    """What is to be computed of the box `held` for a window that depends on so many pixels around it."""
    seen = window.grown(margin, held)
    return Box(seen.top // STRIDE * STRIDE, seen.left // STRIDE * STRIDE, seen.bottom, seen.right)


def draw_windows(
    area: Box,
    depth: int,
    draw: Callable[[Box], Samples],
    each: Callable[[Callable[[Box], None], Iterable[Box]], object],
    hands: int,
) -> Samples:
    """Pixels (H, W, 3) of an area from those of its windows, of which `each` draws as many as `hands` at a time."""
    pixels: Samples = np.empty((area.height, area.width, 3), np.uint8 if depth == 8 else np.uint16)

    def put(window: Box) -> None:
        pixels[window.inside(area).slices] = draw(window)

    each(put, windows(area, hands))
    return pixels


def windows(area: Box, hands: int) -> list[Box]:
    """Strips of a small area, as many as are worked on at a time; squares of a large one."""
    small = area.height * area.width <= WHOLE_PIXELS
    return strips(area, hands) if small else tiles(area, TILE_SIDE)
