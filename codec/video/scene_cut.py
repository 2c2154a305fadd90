"""Whether a frame shows another scene than the one before, by coarse copies of the two."""

import torch
import torch.nn.functional as F
from torch import Tensor

_COARSE = 8  # pixels to one of the copy
_REACH = 3  # of its pixels, that things may move by
_AROUND = 5  # of its pixels to a side, over which differences count together
_LEAST = 1.0  # mean difference, in levels of 8 bits, that is none
CUT = 0.9


def changed_share(before: Tensor, now: Tensor, depth: int) -> float:
    """How much of what is seen in `now` is not in `before`, both luminance (1, 1, H, W): about 1 for another scene.

    Differences, where each place may come from another nearby, against those between a place and what is around it.
    Whether all becomes lighter or darker, as in a fade, makes none.
    """
    copies = (F.avg_pool2d(plane, _COARSE, ceil_mode=True, count_include_pad=False) for plane in (before, now))
    then, current = (copy - copy.mean() for copy in copies)
    height, width = current.shape[2:]
    padded = F.pad(then, (_REACH,) * 4, mode="replicate")
    least: Tensor | None = None
    for y in range(2 * _REACH + 1):
        for x in range(2 * _REACH + 1):
            difference = _around((padded[:, :, y : y + height, x : x + width] - current).abs())
            least = difference if least is None else torch.minimum(least, difference)
    assert least is not None
    detail = _around((current - _around(current)).abs())
    return float(least.mean() / (detail.mean() + _LEAST * 2.0 ** (depth - 8)))


def _around(plane: Tensor) -> Tensor:
    return F.avg_pool2d(plane, _AROUND, 1, _AROUND // 2, count_include_pad=False)
