"""Whether a picture was a JPEG before, told from its pixels alone."""

import numpy as np
import numpy.typing as npt

from .transforms.front import BLOCK, dct_matrix
from .transforms.jpeg import quantisation_tables

_BLOCKS = 1024  # looked at, evenly spread: enough to tell
_HIGHEST_BAND = 6  # vertical plus horizontal frequency: above, hardly a coefficient is left
_LEAST_COEFFICIENTS = 100
_LEAST_CONCENTRATION = 0.6
_QUALITIES = range(25, 96)  # coarser ones nobody keeps; in finer ones the steps drown in the rounding of pixels
_LUMA = (0.299, 0.587, 0.114)


def former_jpeg_quality(pixels: npt.NDArray[np.uint8]) -> int | None:
    """The quality, as libjpeg counts it, of the JPEG that a picture (H, W, 3) was at the same size and grid, or None.

    In a former JPEG the luminance coefficients of the 8x8 blocks crowd at multiples of the quantisation steps. For each
    quality's table the mean of cos(2 pi c / step) over the coefficients c of half a step or more is near 1 on that
    lattice and near 0 off it; the quality with the highest mean is told if that is high enough. Tables other than
    libjpeg's, and qualities above 95, are not recognised.
    """
    luminance = pixels.astype(np.float32) @ np.array(_LUMA, np.float32)
    down, across = (side // BLOCK for side in luminance.shape)
    grid = luminance[: down * BLOCK, : across * BLOCK].reshape(down, BLOCK, across, BLOCK)
    blocks = grid.swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)
    blocks = blocks[:: max(1, len(blocks) // _BLOCKS)]
    dct = dct_matrix(BLOCK).numpy().astype(np.float32)
    band = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))
    low = ((band > 0) & (band < _HIGHEST_BAND)).reshape(-1)
    coefficients = (dct @ blocks @ dct.T).reshape(-1, BLOCK * BLOCK)[:, low]
    tables = quantisation_tables()[:, 0].numpy().astype(np.float32)[:, low]
    found = {quality: _concentration(coefficients / tables[quality - 1]) for quality in _QUALITIES}
    best = max(found, key=lambda quality: found[quality])
    return best if found[best] >= _LEAST_CONCENTRATION else None


def _concentration(levels: npt.NDArray[np.float32]) -> float:
    """Near 1 where coefficients, in steps, are whole numbers, near 0 where they are anything; 0 for too few."""
    nonzero = levels[np.abs(levels) > 0.5]
    return float(np.cos(2 * np.pi * nonzero).mean()) if nonzero.size >= _LEAST_COEFFICIENTS else 0.0
